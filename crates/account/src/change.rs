//! What a commit says: complete enough that everything else can be folded from it.

use crate::codec::{Reader, Writer};

/// One change of an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// A message is now in a mailbox.
    Added { mailbox: u32, member: Member },
    /// A message's flags are now these (`\Deleted` aside), in all its mailboxes.
    Flags { message: u32, system: u8, keywords: Vec<u32> },
    /// `\Deleted` of a membership.
    Deleted { mailbox: u32, uid: u32, set: bool },
    /// A message left a mailbox.
    Expunged { mailbox: u32, uid: u32, message: u32 },
    /// A mailbox is there now, or has another name, special use or counters (sealed).
    Mailbox { mailbox: u32, sealed: bytes::Bytes },
    /// A mailbox is gone with all its memberships.
    Gone { mailbox: u32 },
    /// A name is subscribed or not.
    Subscribed { name: String, wanted: bool },
    /// A keyword was used for the first time.
    Keyword { keyword: u32, name: String },
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

fn keywords(to: &mut Writer, keywords: &[u32]) {
    to.number(keywords.len() as u64);
    for keyword in keywords {
        to.number(u64::from(*keyword));
    }
}

fn read_keywords(from: &mut Reader<'_>) -> Option<Vec<u32>> {
    let count = from.number()?;
    if count > from.0.len() as u64 {
        return None;
    }
    (0..count).map(|_| from.number32()).collect()
}

impl Member {
    /// Everything but the Uid, which is in the key or beside it.
    pub fn write(&self, to: &mut Writer) {
        to.number(self.modseq).number(u64::from(self.message)).byte(self.system);
        to.number(u64::from(self.octets)).signed(self.date).number(u64::from(self.thread));
        keywords(to, &self.keywords);
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
    /// As the value of its key.
    pub fn value(&self) -> bytes::Bytes {
        let mut to = Writer::default();
        self.write(&mut to);
        to.done()
    }
}

impl Change {
    fn write(&self, to: &mut Writer) {
        match self {
            Self::Added { mailbox, member } => {
                to.byte(1).number(u64::from(*mailbox)).number(u64::from(member.uid));
                member.write(to);
            }
            Self::Flags { message, system, keywords: used } => {
                to.byte(2).number(u64::from(*message)).byte(*system);
                keywords(to, used);
            }
            Self::Deleted { mailbox, uid, set } => {
                to.byte(3).number(u64::from(*mailbox)).number(u64::from(*uid)).byte(u8::from(*set));
            }
            Self::Expunged { mailbox, uid, message } => {
                to.byte(4).number(u64::from(*mailbox)).number(u64::from(*uid));
                to.number(u64::from(*message));
            }
            Self::Mailbox { mailbox, sealed } => {
                to.byte(5).number(u64::from(*mailbox)).bytes(sealed);
            }
            Self::Gone { mailbox } => {
                to.byte(6).number(u64::from(*mailbox));
            }
            Self::Subscribed { name, wanted } => {
                to.byte(7).bytes(name.as_bytes()).byte(u8::from(*wanted));
            }
            Self::Keyword { keyword, name } => {
                to.byte(8).number(u64::from(*keyword)).bytes(name.as_bytes());
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(match from.byte()? {
            1 => {
                let mailbox = from.number32()?;
                let uid = from.number32()?;
                Self::Added { mailbox, member: Member::read(uid, from)? }
            }
            2 => Self::Flags {
                message: from.number32()?,
                system: from.byte()?,
                keywords: read_keywords(from)?,
            },
            3 => Self::Deleted {
                mailbox: from.number32()?,
                uid: from.number32()?,
                set: from.byte()? != 0,
            },
            4 => Self::Expunged {
                mailbox: from.number32()?,
                uid: from.number32()?,
                message: from.number32()?,
            },
            5 => Self::Mailbox {
                mailbox: from.number32()?,
                sealed: bytes::Bytes::copy_from_slice(from.bytes()?),
            },
            6 => Self::Gone { mailbox: from.number32()? },
            7 => Self::Subscribed { name: from.text()?.to_owned(), wanted: from.byte()? != 0 },
            8 => Self::Keyword { keyword: from.number32()?, name: from.text()?.to_owned() },
            _ => return None,
        })
    }
}

/// A commit's changes as the value of its key.
pub(crate) fn encode(changes: &[Change]) -> bytes::Bytes {
    let mut to = Writer::default();
    to.byte(1);
    for change in changes {
        change.write(&mut to);
    }
    to.done()
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode(value: &[u8]) -> Option<Vec<Change>> {
    let mut from = Reader(value);
    if from.byte()? != 1 {
        return None;
    }
    let mut changes = Vec::new();
    while !from.is_empty() {
        changes.push(Change::read(&mut from)?);
    }
    Some(changes)
}
