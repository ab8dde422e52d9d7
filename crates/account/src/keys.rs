//! Every key of an account, built here and nowhere else. The store puts the account in front.
//! Numbers are big-endian, so that the order of bytes is the order of numbers.

use bytes::Bytes;

/// What kind of value a key names: its first octet.
pub(crate) mod tag {
    pub const VERSION: u8 = b'V';
    pub const CHANGE: u8 = b'C';
    pub const MAILBOX: u8 = b'M';
    pub const MEMBER: u8 = b'F';
    pub const RECORD: u8 = b'E';
    pub const EXPUNGED: u8 = b'X';
    pub const TRASH: u8 = b'T';
    pub const KEYWORD: u8 = b'K';
    pub const THREAD: u8 = b'H';
    pub const SHARED: u8 = b'R';
    pub const SUBSCRIPTION: u8 = b'S';
    pub const SEALING: u8 = b'W';
    pub const DOMAIN: u8 = b'D';
    pub const ADDRESS: u8 = b'A';
    pub const PERSON: u8 = b'P';
}

fn with(tag: u8, parts: &[&[u8]]) -> Bytes {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(tag);
    for part in parts {
        key.extend_from_slice(part);
    }
    key.into()
}

/// Counters of the account.
pub(crate) fn version() -> Bytes {
    with(tag::VERSION, &[])
}
/// The account's key, wrapped.
pub(crate) fn sealing() -> Bytes {
    with(tag::SEALING, &[])
}
/// A commit of the log.
pub(crate) fn change(modseq: u64) -> Bytes {
    with(tag::CHANGE, &[&modseq.to_be_bytes()])
}
/// A mailbox.
pub(crate) fn mailbox(mailbox: u32) -> Bytes {
    with(tag::MAILBOX, &[&mailbox.to_be_bytes()])
}
/// A message's membership in a mailbox.
pub(crate) fn member(mailbox: u32, uid: u32) -> Bytes {
    with(tag::MEMBER, &[&mailbox.to_be_bytes(), &uid.to_be_bytes()])
}
/// A message's record.
pub(crate) fn record(message: u32) -> Bytes {
    with(tag::RECORD, &[&message.to_be_bytes()])
}
/// Tombstones of one commit in one mailbox.
pub(crate) fn expunged(mailbox: u32, modseq: u64) -> Bytes {
    with(tag::EXPUNGED, &[&mailbox.to_be_bytes(), &modseq.to_be_bytes()])
}
/// A message that waits to be erased.
pub(crate) fn trash(erase_at: u64, message: u32) -> Bytes {
    with(tag::TRASH, &[&erase_at.to_be_bytes(), &message.to_be_bytes()])
}
/// A keyword's name.
pub(crate) fn keyword(keyword: u32) -> Bytes {
    with(tag::KEYWORD, &[&keyword.to_be_bytes()])
}
/// The thread of a message id's hash.
pub(crate) fn thread(hash: u64) -> Bytes {
    with(tag::THREAD, &[&hash.to_be_bytes()])
}
/// How many messages share a blob, when more than one.
pub(crate) fn shared(blob: u64) -> Bytes {
    with(tag::SHARED, &[&blob.to_be_bytes()])
}
/// A subscribed name.
pub(crate) fn subscription(name: &str) -> Bytes {
    with(tag::SUBSCRIPTION, &[name.as_bytes()])
}
/// Directory: a domain.
pub(crate) fn domain(name: &str) -> Bytes {
    with(tag::DOMAIN, &[name.as_bytes()])
}
/// Directory: an address, folded.
pub(crate) fn address(folded: &str) -> Bytes {
    with(tag::ADDRESS, &[folded.as_bytes()])
}
/// Directory: an account's person.
pub(crate) fn person(account: u32) -> Bytes {
    with(tag::PERSON, &[&account.to_be_bytes()])
}
/// All keys of a tag: from, to.
pub(crate) fn all(tag: u8) -> (Bytes, Bytes) {
    (with(tag, &[]), with(tag + 1, &[]))
}
