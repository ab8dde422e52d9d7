//! What a commit says: complete enough that everything else can be folded from it.
//!
//! Form 1: the octet 1, the time in seconds (signed varint), then the changes, each a tag and its
//! numbers as varints. Ascending numbers are written as steps.

use crate::codec::{Reader, Writer};
use bytes::Bytes;

const FORM: u8 = 1;

/// One change of an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// A message is now in a mailbox.
    Added { mailbox: u32, member: Member },
    /// Flags of these messages are now these (`\Deleted` aside), in all their mailboxes.
    Flags { system: u8, keywords: Vec<u32>, messages: Vec<u32> },
    /// `\Deleted` of memberships.
    Deleted { mailbox: u32, set: bool, uids: Vec<u32> },
    /// Memberships ended. Messages that have none any more wait in the trash until `erase_at`.
    Expunged { mailbox: u32, uids: Vec<u32>, erase_at: u64 },
    /// A mailbox is there now, or has another name or special use (sealed).
    Mailbox { mailbox: u32, sealed: Bytes },
    /// A mailbox is gone with all its memberships; see `Expunged`.
    Gone { mailbox: u32, erase_at: u64 },
    /// A name (sealed) is subscribed or not.
    Subscribed { hash: u64, sealed: Bytes, wanted: bool },
    /// A keyword (sealed) was used for the first time.
    Keyword { keyword: u32, sealed: Bytes },
    /// Messages left the trash for ever.
    Erased { messages: Vec<u32> },
    /// An annotation of a mailbox, or of the server (0), is set or removed: whose it is and its
    /// name (sealed), and the hash of its key's value, if it has one. The value itself is not in
    /// the log, which would keep it for ever. One that is removed without being there is computed,
    /// and has changed.
    Annotated { mailbox: u32, hash: u64, sealed: Bytes, value: Option<u64> },
}

/// A message's membership in a mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Member {
    pub uid: u32,
    pub message: u32,
    pub modseq: u64,
    /// System flags with `\Deleted`.
    pub system: u8,
    pub keywords: Vec<u32>,
    pub octets: u32,
    pub date: i64,
    pub thread: u32,
}

/// Numbers of keywords: few, and any order is kept.
pub(crate) fn write_keywords(to: &mut Writer, keywords: &[u32]) {
    to.number(keywords.len() as u64);
    for keyword in keywords {
        to.number(u64::from(*keyword));
    }
}

pub(crate) fn read_keywords(from: &mut Reader<'_>) -> Option<Vec<u32>> {
    let count = from.number()?;
    if count > from.0.len() as u64 {
        return None;
    }
    (0..count).map(|_| from.number32()).collect()
}

/// Ascending numbers as (count, first, steps).
fn write_ascending(to: &mut Writer, numbers: &[u32]) {
    to.number(numbers.len() as u64);
    let mut before = 0;
    for number in numbers {
        to.number(u64::from(number.saturating_sub(before)));
        before = *number;
    }
}

fn read_ascending(from: &mut Reader<'_>) -> Option<Vec<u32>> {
    let count = from.number()?;
    if count > from.0.len() as u64 {
        return None;
    }
    let mut before = 0_u32;
    let mut next = || {
        before = before.checked_add(from.number32()?)?;
        Some(before)
    };
    (0..count).map(|_| next()).collect()
}

impl Member {
    /// Everything but the Uid, which is in the key or beside it.
    pub fn write(&self, to: &mut Writer) {
        to.number(self.modseq).number(u64::from(self.message)).byte(self.system);
        to.number(u64::from(self.octets)).signed(self.date).number(u64::from(self.thread));
        write_keywords(to, &self.keywords);
    }
    pub fn read(uid: u32, from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            uid,
            modseq: from.number()?,
            message: from.number32()?,
            system: from.byte()?,
            octets: from.number32()?,
            date: from.signed()?,
            thread: from.number32()?,
            keywords: read_keywords(from)?,
        })
    }
    /// Reads the value of a member's key: form 1, then the member.
    pub fn of_value(uid: u32, value: &[u8]) -> Option<Self> {
        let mut from = Reader(value);
        (from.byte()? == FORM).then(|| Self::read(uid, &mut from))?
    }
    /// As the value of its key.
    pub fn write_value(&self, to: &mut Writer) {
        to.byte(FORM);
        self.write(to);
    }
}

impl Change {
    pub fn write(&self, to: &mut Writer) {
        match self {
            Self::Added { mailbox, member } => {
                to.byte(1).number(u64::from(*mailbox)).number(u64::from(member.uid));
                member.write(to);
            }
            Self::Flags { system, keywords, messages } => {
                to.byte(2).byte(*system);
                write_keywords(to, keywords);
                write_ascending(to, messages);
            }
            Self::Deleted { mailbox, set, uids } => {
                to.byte(3).number(u64::from(*mailbox)).byte(u8::from(*set));
                write_ascending(to, uids);
            }
            Self::Expunged { mailbox, uids, erase_at } => {
                to.byte(4).number(u64::from(*mailbox)).number(*erase_at);
                write_ascending(to, uids);
            }
            Self::Mailbox { mailbox, sealed } => {
                to.byte(5).number(u64::from(*mailbox)).bytes(sealed);
            }
            Self::Gone { mailbox, erase_at } => {
                to.byte(6).number(u64::from(*mailbox)).number(*erase_at);
            }
            Self::Subscribed { hash, sealed, wanted } => {
                to.byte(7).number(*hash).byte(u8::from(*wanted)).bytes(sealed);
            }
            Self::Keyword { keyword, sealed } => {
                to.byte(8).number(u64::from(*keyword)).bytes(sealed);
            }
            Self::Erased { messages } => {
                to.byte(9);
                write_ascending(to, messages);
            }
            Self::Annotated { mailbox, hash, sealed, value } => {
                to.byte(10).number(u64::from(*mailbox)).number(*hash).bytes(sealed);
                match value {
                    None => to.byte(0),
                    Some(value) => to.byte(1).number(*value),
                };
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let sealed = |from: &mut Reader<'_>| Some(Bytes::copy_from_slice(from.bytes()?));
        Some(match from.byte()? {
            1 => {
                let mailbox = from.number32()?;
                let uid = from.number32()?;
                Self::Added { mailbox, member: Member::read(uid, from)? }
            }
            2 => Self::Flags {
                system: from.byte()?,
                keywords: read_keywords(from)?,
                messages: read_ascending(from)?,
            },
            3 => Self::Deleted {
                mailbox: from.number32()?,
                set: from.byte()? != 0,
                uids: read_ascending(from)?,
            },
            4 => Self::Expunged {
                mailbox: from.number32()?,
                erase_at: from.number()?,
                uids: read_ascending(from)?,
            },
            5 => Self::Mailbox { mailbox: from.number32()?, sealed: sealed(from)? },
            6 => Self::Gone { mailbox: from.number32()?, erase_at: from.number()? },
            7 => {
                let (hash, wanted) = (from.number()?, from.byte()? != 0);
                Self::Subscribed { hash, wanted, sealed: sealed(from)? }
            }
            8 => Self::Keyword { keyword: from.number32()?, sealed: sealed(from)? },
            9 => Self::Erased { messages: read_ascending(from)? },
            10 => {
                let (mailbox, hash) = (from.number32()?, from.number()?);
                let sealed = sealed(from)?;
                let value = if from.byte()? == 0 { None } else { Some(from.number()?) };
                Self::Annotated { mailbox, hash, sealed, value }
            }
            _ => return None,
        })
    }
}

/// Begins a commit's value; its changes follow.
pub(crate) fn begin(time: i64) -> Writer {
    let mut to = Writer::default();
    to.byte(FORM).signed(time);
    to
}

/// Reads a commit's value: its time and changes.
pub(crate) fn decode(value: &[u8]) -> Option<(i64, Vec<Change>)> {
    let mut from = Reader(value);
    if from.byte()? != FORM {
        return None;
    }
    let time = from.signed()?;
    let mut changes = Vec::new();
    while !from.is_empty() {
        changes.push(Change::read(&mut from)?);
    }
    Some((time, changes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn samples() -> Vec<Change> {
        let member = Member {
            uid: 7,
            message: u32::MAX,
            modseq: u64::MAX,
            system: 31,
            keywords: vec![3, 1],
            octets: 4_096,
            date: -1,
            thread: 9,
        };
        let sealed = Bytes::from_static(b"sealed");
        vec![
            Change::Added { mailbox: 1, member },
            Change::Flags { system: 1, keywords: vec![2], messages: vec![0, 5, u32::MAX] },
            Change::Deleted { mailbox: 1, set: true, uids: vec![1, 2, 3] },
            Change::Expunged { mailbox: 1, uids: vec![4], erase_at: 1 << 40 },
            Change::Mailbox { mailbox: 2, sealed: sealed.clone() },
            Change::Gone { mailbox: 2, erase_at: 0 },
            Change::Subscribed { hash: u64::MAX, sealed: sealed.clone(), wanted: false },
            Change::Keyword { keyword: 0, sealed: sealed.clone() },
            Change::Annotated { mailbox: 0, hash: u64::MAX, sealed, value: Some(u64::MAX) },
            Change::Erased { messages: vec![] },
        ]
    }

    fn encoded() -> Vec<u8> {
        let mut to = begin(-5);
        for change in samples() {
            change.write(&mut to);
        }
        to.0
    }

    #[test]
    fn inverse() {
        assert_eq!(decode(&encoded()), Some((-5, samples())));
    }

    #[test]
    fn other_forms_and_cuts_are_no_commits() {
        let bytes = encoded();
        assert_eq!(decode(&[2]), None);
        let whole = (0..bytes.len()).filter_map(|end| decode(&bytes[..end]));
        // A cut between two changes is a shorter commit; no other cut is one.
        assert!(whole.map(|(_, changes)| changes.len()).is_sorted());
    }

    proptest! {
        #[test]
        fn damage_never_panics(at in 0_usize..90, byte: u8, tail: Vec<u8>) {
            let mut bytes = encoded();
            if let Some(place) = bytes.get_mut(at) { *place = byte; }
            bytes.extend(tail);
            let _ = decode(&bytes);
            let _ = Member::of_value(1, &bytes);
        }
    }
}
