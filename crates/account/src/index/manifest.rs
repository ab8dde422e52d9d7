//! Which segments the index has: the value of one key, changed by commits of the account's log.
//!
//! Form 1: the form u8, texts u8, next segment, count, then of each segment its number, first and
//! last message, documents and octets.

use crate::codec::{Reader, Writer};

const FORM: u8 = 1;

/// What the manifest says of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// Its number; never used again.
    pub number: u32,
    pub first: u32,
    pub last: u32,
    pub documents: u32,
    /// Of its plain bytes.
    pub octets: u64,
}

/// The manifest.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Manifest {
    /// What kind of texts were indexed: an index of another kind is made anew.
    pub texts: u8,
    /// The next segment's number.
    pub next: u32,
    /// By number: the newest last.
    pub places: Vec<Place>,
}

impl Manifest {
    pub fn write(&self, to: &mut Writer) {
        to.byte(FORM).byte(self.texts).number(self.next.into());
        to.number(self.places.len() as u64);
        for place in &self.places {
            to.number(place.number.into()).number(place.first.into()).number(place.last.into());
            to.number(place.documents.into()).number(place.octets);
        }
    }

    pub fn read(value: &[u8]) -> Option<Self> {
        let mut from = Reader(value);
        (from.byte()? == FORM).then_some(())?;
        let (texts, next) = (from.byte()?, from.number32()?);
        let count = from.number()?;
        if count > from.0.len() as u64 {
            return None;
        }
        let mut place = || {
            Some(Place {
                number: from.number32()?,
                first: from.number32()?,
                last: from.number32()?,
                documents: from.number32()?,
                octets: from.number()?,
            })
        };
        let places = (0..count).map(|_| place()).collect::<Option<Vec<_>>>()?;
        Some(Self { texts, next, places })
    }

    /// The highest message id of any segment; 0 when there is none.
    pub fn through(&self) -> u32 {
        self.places.iter().map(|place| place.last).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Manifest {
        let place = |number| Place { number, first: 1, last: 9, documents: 4, octets: 1 << 33 };
        Manifest { texts: 1, next: 8, places: vec![place(3), place(u32::MAX)] }
    }

    fn bytes(manifest: &Manifest) -> Vec<u8> {
        let mut to = Writer::default();
        manifest.write(&mut to);
        to.0
    }

    #[test]
    fn inverse_and_other_forms() {
        assert_eq!(Manifest::read(&bytes(&sample())), Some(sample()));
        assert_eq!(Manifest::read(&[2, 0, 0, 0]), None);
        assert_eq!((sample().through(), Manifest::default().through()), (9, 0));
    }

    proptest! {
        #[test]
        fn damage_never_panics(cut in 0_usize..40, tail: Vec<u8>) {
            let mut bytes = bytes(&sample());
            bytes.truncate(cut);
            bytes.extend(tail);
            let _ = Manifest::read(&bytes);
        }
    }
}
