//! What a person said of one message, and what that taught: kept so that it can be taken back.

use crate::codec::{Reader, Writer};
use spam::Class;

const FORM: u8 = 1;

/// What a person said of a message last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lesson {
    /// What it is.
    pub class: Class,
    /// Whether the account's book learnt it; it does not learn what it knows.
    pub of_account: bool,
    /// Whether the server's book did.
    pub of_server: bool,
    /// When, in seconds since 1970 UTC.
    pub time: i64,
    /// What `$Junk` or `$NotJunk` said when it was last heard: a keyword that stays when the
    /// message is moved says nothing new.
    pub(super) keyword: Option<Class>,
}

pub(super) const fn number(class: Class) -> u8 {
    match class {
        Class::Ham => 1,
        Class::Spam => 2,
    }
}

pub(super) const fn class(number: u8) -> Option<Class> {
    match number {
        1 => Some(Class::Ham),
        2 => Some(Class::Spam),
        _ => None,
    }
}

impl Lesson {
    pub(super) fn write(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.byte(FORM).byte(number(self.class)).byte(self.keyword.map_or(0, number));
        to.byte(u8::from(self.of_account)).byte(u8::from(self.of_server)).signed(self.time);
        to.0
    }

    /// `None` for damage.
    pub(super) fn read(octets: &[u8]) -> Option<Self> {
        let mut from = Reader(octets);
        (from.byte()? == FORM).then_some(())?;
        let said = class(from.byte()?)?;
        let keyword = match from.byte()? {
            0 => None,
            number => Some(class(number)?),
        };
        Some(Self {
            class: said,
            keyword,
            of_account: from.byte()? != 0,
            of_server: from.byte()? != 0,
            time: from.signed()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (class, keyword) in [(Class::Ham, None), (Class::Spam, Some(Class::Ham))] {
            let one = Lesson { class, of_account: true, of_server: false, time: -7, keyword };
            let octets = one.write();
            assert_eq!(Lesson::read(&octets), Some(one));
            for end in 0..octets.len() {
                assert_eq!(Lesson::read(&octets[..end]), None);
            }
        }
        assert_eq!(Lesson::read(&[2, 1, 0, 0, 0, 0]), None);
        assert_eq!(Lesson::read(&[1, 3, 0, 0, 0, 0]), None);
    }
}
