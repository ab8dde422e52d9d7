//! Compression: zstd with a dictionary trained on mail, contexts kept per thread. Records and
//! bodies look different and have a dictionary each. Dictionaries are numbered and never change:
//! what one compressed needs it for ever.

use std::cell::RefCell;
use std::sync::OnceLock;
use zstd::{
    bulk::{Compressor, Decompressor},
    dict::{DecoderDictionary, EncoderDictionary},
};

/// Octets of a record, unpacked.
pub(crate) const RECORD_OCTETS_MAX: usize = 16 << 20;

static BODY_1: &[u8] = include_bytes!("../dictionaries/body-1.zdict");
static RECORD_1: &[u8] = include_bytes!("../dictionaries/record-1.zdict");

/// Records are read far more often than written: a fast level leaves literals as they are, which
/// halves what reading costs and takes 200 octets more.
const RECORD_LEVEL: i32 = -3;

/// How the first octet says that the rest was packed.
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;
const ZSTD_DICTIONARY_1: u8 = 2;

/// What is packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    Body,
    Record,
}

#[derive(Default)]
struct Contexts {
    body: Option<(i32, Compressor<'static>)>,
    record: Option<(i32, Compressor<'static>)>,
    unbody: Option<Decompressor<'static>>,
    unrecord: Option<Decompressor<'static>>,
    plain: Option<Decompressor<'static>>,
}

thread_local! {
    static CONTEXTS: RefCell<Contexts> = RefCell::default();
}

fn decoder(shape: Shape) -> &'static DecoderDictionary<'static> {
    static BODY: OnceLock<DecoderDictionary<'static>> = OnceLock::new();
    static RECORD: OnceLock<DecoderDictionary<'static>> = OnceLock::new();
    match shape {
        Shape::Body => BODY.get_or_init(|| DecoderDictionary::copy(BODY_1)),
        Shape::Record => RECORD.get_or_init(|| DecoderDictionary::copy(RECORD_1)),
    }
}

/// The level is a setting of the server: the first one seen stays.
fn encoder(shape: Shape, level: i32) -> &'static EncoderDictionary<'static> {
    static BODY: OnceLock<EncoderDictionary<'static>> = OnceLock::new();
    static RECORD: OnceLock<EncoderDictionary<'static>> = OnceLock::new();
    match shape {
        Shape::Body => BODY.get_or_init(|| EncoderDictionary::copy(BODY_1, level)),
        Shape::Record => RECORD.get_or_init(|| EncoderDictionary::copy(RECORD_1, RECORD_LEVEL)),
    }
}

/// One octet that says how, then the bytes.
pub(crate) fn compress(shape: Shape, plain: &[u8], level: i32) -> Vec<u8> {
    let packed = CONTEXTS.with_borrow_mut(|contexts| {
        let slot = match shape {
            Shape::Body => &mut contexts.body,
            Shape::Record => &mut contexts.record,
        };
        if slot.as_ref().is_none_or(|(at, _)| *at != level) {
            let new = Compressor::with_prepared_dictionary(encoder(shape, level)).ok();
            *slot = new.map(|new| (level, new));
        }
        let (_, compressor) = slot.as_mut()?;
        compressor.compress(plain).ok()
    });
    match packed {
        Some(packed) if packed.len() < plain.len() => {
            [&[ZSTD_DICTIONARY_1], packed.as_slice()].concat()
        }
        _ => [&[PLAIN], plain].concat(),
    }
}

/// What [`compress`] was given; `None` for damaged bytes or more than `octets_max`.
pub(crate) fn decompress(shape: Shape, packed: &[u8], octets_max: usize) -> Option<Vec<u8>> {
    let (how, bytes) = packed.split_first()?;
    if *how == PLAIN {
        return Some(bytes.to_vec());
    }
    let size = zstd::zstd_safe::get_frame_content_size(bytes).ok().flatten()?;
    let size = usize::try_from(size).ok().filter(|size| *size <= octets_max)?;
    CONTEXTS.with_borrow_mut(|contexts| {
        let slot = match (*how, shape) {
            (ZSTD, _) => &mut contexts.plain,
            (ZSTD_DICTIONARY_1, Shape::Body) => &mut contexts.unbody,
            (ZSTD_DICTIONARY_1, Shape::Record) => &mut contexts.unrecord,
            _ => return None,
        };
        if slot.is_none() {
            *slot = if *how == ZSTD {
                Decompressor::new().ok()
            } else {
                Decompressor::with_prepared_dictionary(decoder(shape)).ok()
            };
        }
        slot.as_mut()?.decompress(bytes, size).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out() {
        for plain in [b"".as_slice(), b"x", &[7; 100_000], b"From: a\r\nSubject: b\r\n\r\nHello"] {
            for shape in [Shape::Body, Shape::Record] {
                let packed = compress(shape, plain, 3);
                assert_eq!(decompress(shape, &packed, 1 << 20).as_deref(), Some(plain));
                if plain.len() > 1_000 {
                    assert_eq!(decompress(shape, &packed, plain.len() - 1), None);
                }
            }
        }
        assert_eq!(decompress(Shape::Body, &[], 10), None);
        assert_eq!(decompress(Shape::Body, &[9, 1, 2], 10), None);
        assert_eq!(decompress(Shape::Record, &[2, 1, 2, 3], 10), None);
    }
}
