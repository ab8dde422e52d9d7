//! Every key of an account, built here and nowhere else. The store puts the account in front.
//! Numbers are big-endian, so that the order of bytes is the order of numbers.

use bytes::Bytes;

/// What kind of value a key names: its first octet. `docs/storage.md` tells of each.
pub(crate) mod tag {
    pub const ADDRESS: u8 = b'A';
    pub const BULK: u8 = b'B';
    pub const CHANGE: u8 = b'C';
    pub const DOMAIN: u8 = b'D';
    pub const RECORD: u8 = b'E';
    pub const MEMBER: u8 = b'F';
    pub const PROGRESS: u8 = b'G';
    pub const THREAD: u8 = b'H';
    pub const INDEX: u8 = b'I';
    pub const ANNOTATION: u8 = b'J';
    pub const KEYWORD: u8 = b'K';
    pub const TOKEN: u8 = b'L';
    pub const MAILBOX: u8 = b'M';
    pub const NUMBERS: u8 = b'N';
    pub const ERASING: u8 = b'O';
    pub const PERSON: u8 = b'P';
    pub const QUEUED: u8 = b'Q';
    pub const SHARED: u8 = b'R';
    pub const SUBSCRIPTION: u8 = b'S';
    pub const TRASH: u8 = b'T';
    pub const MARK: u8 = b'Y';
    pub const UID_VALIDITY: u8 = b'U';
    pub const VERSION: u8 = b'V';
    pub const SEALING: u8 = b'W';
    pub const EXPUNGED: u8 = b'X';
    pub const SAVED: u8 = b'Z';
    pub const SHARING: u8 = b'a';
    pub const PEER: u8 = b'b';
    pub const DOMAIN_KEY: u8 = b'c';
    pub const BOOK: u8 = b'd';
    pub const LESSON: u8 = b'e';
    pub const SENT: u8 = b'h';
    pub const TALLY: u8 = b'i';
    pub const TALLY_ROW: u8 = b'j';
    pub const EXPLAINED: u8 = b'k';
    pub const WARMTH: u8 = b'w';
    pub const SENDING: u8 = b'x';
    pub const REPORT: u8 = b'l';
    pub const REPORT_COUNT: u8 = b'm';
    pub const MET: u8 = b'p';
    pub const SENDER: u8 = b'q';
}

/// The longest key with numbers only: a tag, 8 and 4 octets.
const OCTETS_MAX: usize = 13;

/// A key made of numbers. Lives on the stack: a commit of 100,000 changes makes as many.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    octets: [u8; OCTETS_MAX],
    length: u8,
}

impl Key {
    fn new(tag: u8, parts: &[&[u8]]) -> Self {
        let mut key = Self { octets: [0; OCTETS_MAX], length: 1 };
        let octets = [tag];
        let all = octets.iter().chain(parts.iter().copied().flatten());
        let mut length = 0;
        for (slot, octet) in key.octets.iter_mut().zip(all) {
            *slot = *octet;
            length += 1;
        }
        key.length = length;
        key
    }
    pub fn bytes(&self) -> Bytes {
        Bytes::copy_from_slice(self.as_ref())
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        self.octets.get(..usize::from(self.length)).unwrap_or_default()
    }
}

fn text(tag: u8, text: &str) -> Bytes {
    [&[tag], text.as_bytes()].concat().into()
}

/// Counters of the account; in the directory, the next account.
pub(crate) fn version() -> Key {
    Key::new(tag::VERSION, &[])
}
/// The account's key, wrapped.
pub(crate) fn sealing() -> Key {
    Key::new(tag::SEALING, &[])
}
/// A commit of the log.
pub(crate) fn change(modseq: u64) -> Key {
    Key::new(tag::CHANGE, &[&modseq.to_be_bytes()])
}
/// A mailbox.
pub(crate) fn mailbox(mailbox: u32) -> Key {
    Key::new(tag::MAILBOX, &[&mailbox.to_be_bytes()])
}
/// Numbers of a mailbox that its messages do not show.
pub(crate) fn numbers(mailbox: u32) -> Key {
    Key::new(tag::NUMBERS, &[&mailbox.to_be_bytes()])
}
/// A message's membership in a mailbox.
pub(crate) fn member(mailbox: u32, uid: u32) -> Key {
    Key::new(tag::MEMBER, &[&mailbox.to_be_bytes(), &uid.to_be_bytes()])
}
/// Flags of many messages of a mailbox, written by one commit.
pub(crate) fn bulk(mailbox: u32, modseq: u64) -> Key {
    Key::new(tag::BULK, &[&mailbox.to_be_bytes(), &modseq.to_be_bytes()])
}
/// A message's record.
pub(crate) fn record(message: u32) -> Key {
    Key::new(tag::RECORD, &[&message.to_be_bytes()])
}
/// Tombstones of one commit in one mailbox.
pub(crate) fn expunged(mailbox: u32, modseq: u64) -> Key {
    Key::new(tag::EXPUNGED, &[&mailbox.to_be_bytes(), &modseq.to_be_bytes()])
}
/// When a message was copied into a mailbox.
pub(crate) fn saved(message: u32, mailbox: u32, uid: u32) -> Key {
    Key::new(tag::SAVED, &[&message.to_be_bytes(), &mailbox.to_be_bytes(), &uid.to_be_bytes()])
}
/// A message that waits to be erased.
pub(crate) fn trash(erase_at: u64, message: u32) -> Key {
    Key::new(tag::TRASH, &[&erase_at.to_be_bytes(), &message.to_be_bytes()])
}
/// A keyword's name.
pub(crate) fn keyword(keyword: u32) -> Key {
    Key::new(tag::KEYWORD, &[&keyword.to_be_bytes()])
}
/// The thread of a message id's or subject's hash.
pub(crate) fn thread(hash: u64) -> Key {
    Key::new(tag::THREAD, &[&hash.to_be_bytes()])
}
/// How many messages share a blob, when more than one.
pub(crate) fn shared(blob: u64) -> Key {
    Key::new(tag::SHARED, &[&blob.to_be_bytes()])
}
/// Which segments the full-text index has.
pub(crate) fn index() -> Key {
    Key::new(tag::INDEX, &[])
}
/// A subscribed name, by its hash.
pub(crate) fn subscription(hash: u64) -> Key {
    Key::new(tag::SUBSCRIPTION, &[&hash.to_be_bytes()])
}
/// An annotation of a mailbox, or of the server (0), by the hash of whose it is and its name.
pub(crate) fn annotation(mailbox: u32, hash: u64) -> Key {
    Key::new(tag::ANNOTATION, &[&mailbox.to_be_bytes(), &hash.to_be_bytes()])
}
/// A transaction that may be tried again.
pub(crate) fn mark(mark: u64) -> Key {
    Key::new(tag::MARK, &[&mark.to_be_bytes()])
}
/// Queue: a message that waits to leave.
pub(crate) fn queued(number: u64) -> Key {
    Key::new(tag::QUEUED, &[&number.to_be_bytes()])
}
/// Queue: what is remembered of a domain, by a hash of its name.
pub(crate) fn peer(hash: u64) -> Key {
    Key::new(tag::PEER, &[&hash.to_be_bytes()])
}
/// Queue: to how many recipients an account wrote.
pub(crate) fn sent(account: u32) -> Key {
    Key::new(tag::SENT, &[&account.to_be_bytes()])
}
/// Queue: how many messages an address gave to a provider, by a hash of both.
pub(crate) fn warmth(hash: u64) -> Key {
    Key::new(tag::WARMTH, &[&hash.to_be_bytes()])
}
/// Queue: what was counted of a domain on a day, by the kind of report and a hash of the domain.
pub(crate) fn tally((kind, day): (u8, u32), hash: u64) -> Bytes {
    tallied(tag::TALLY, (kind, day), hash)
}
/// Queue: a row of it, by its own hash.
pub(crate) fn tally_row((kind, day): (u8, u32), hash: u64, row: u64) -> Bytes {
    [&tallied(tag::TALLY_ROW, (kind, day), hash)[..], &row.to_be_bytes()].concat().into()
}
/// Queue: all rows of it: from, to.
pub(crate) fn tally_rows((kind, day): (u8, u32), hash: u64) -> (Bytes, Bytes) {
    let from = tallied(tag::TALLY_ROW, (kind, day), hash);
    // No row's key is as long, with all bits set.
    (from.clone(), [&from[..], &[u8::MAX; 9]].concat().into())
}
/// The day that a whole key of a tally names, with its kind and hash.
pub(crate) fn tally_of(key: &[u8]) -> Option<(u8, u32, u64)> {
    let (kind, rest) = key.get(1..)?.split_first()?;
    let (day, hash) = rest.split_first_chunk()?;
    Some((*kind, u32::from_be_bytes(*day), u64::from_be_bytes(hash.try_into().ok()?)))
}
/// The hash that a whole key of a tally's row ends with.
pub(crate) fn tally_row_of(key: &[u8]) -> Option<u64> {
    key.get(14..)?.try_into().ok().map(u64::from_be_bytes)
}
fn tallied(tag: u8, (kind, day): (u8, u32), hash: u64) -> Bytes {
    [&[tag, kind][..], &day.to_be_bytes(), &hash.to_be_bytes()].concat().into()
}
/// Queue: how far a recipient of a message is.
pub(crate) fn progress(number: u64, recipient: u32) -> Key {
    Key::new(tag::PROGRESS, &[&number.to_be_bytes(), &recipient.to_be_bytes()])
}
/// Books of junk: how far an owner's is.
pub(crate) fn book(owner: u32) -> Key {
    Key::new(tag::BOOK, &[&owner.to_be_bytes()])
}
/// Books of junk: a page.
pub(crate) fn book_page(owner: u32, page: u8) -> Key {
    Key::new(tag::BOOK, &[&owner.to_be_bytes(), &[1, page]])
}
/// Books of junk: what was written into a book since its pages were stored.
pub(crate) fn book_entry(owner: u32, number: u32) -> Key {
    Key::new(tag::BOOK, &[&owner.to_be_bytes(), &[2], &number.to_be_bytes()])
}
/// Books of junk: what a person said of a message.
pub(crate) fn lesson(owner: u32, message: u32) -> Key {
    Key::new(tag::LESSON, &[&owner.to_be_bytes(), &message.to_be_bytes()])
}
/// Books of junk: all of an owner's book, or lessons: from, to.
pub(crate) fn of_owner(tag: u8, owner: u32) -> (Bytes, Bytes) {
    let to = match owner.checked_add(1) {
        Some(next) => Key::new(tag, &[&next.to_be_bytes()]),
        None => Key::new(tag + 1, &[]),
    };
    (Key::new(tag, &[&owner.to_be_bytes()]).bytes(), to.bytes())
}
/// Strangers: when one came, by the hash of its name.
pub(crate) fn met(hash: u64) -> Key {
    Key::new(tag::MET, &[&hash.to_be_bytes()])
}
/// Strangers: what is known of a sender, by the hash of its name.
pub(crate) fn sender(hash: u64) -> Key {
    Key::new(tag::SENDER, &[&hash.to_be_bytes()])
}
/// The hash that a whole key of one names.
pub(crate) fn hash_of(key: &[u8]) -> Option<u64> {
    key.get(1..)?.try_into().ok().map(u64::from_be_bytes)
}
/// Why a message is where it came to.
pub(crate) fn explained(message: u32) -> Key {
    Key::new(tag::EXPLAINED, &[&message.to_be_bytes()])
}
/// Reports: one about a domain, by its end and the hash of who sent it. No domain has a space.
pub(crate) fn report(domain: &str, end: u64, number: u64) -> Bytes {
    let name = [&[tag::REPORT], domain.as_bytes(), b" "].concat();
    [&name[..], &end.to_be_bytes(), &number.to_be_bytes()].concat().into()
}
/// Reports: those about a domain that end at a time or later, or, of the empty name, all: from, to.
pub(crate) fn reports(domain: &str, since: u64) -> (Bytes, Bytes) {
    if domain.is_empty() {
        return (text(tag::REPORT, ""), text(tag::REPORT + 1, ""));
    }
    (report(domain, since, 0), text(tag::REPORT, &format!("{domain}!")))
}
/// The domain, end and hash of such a key.
pub(crate) fn of_report(key: &[u8]) -> Option<(&str, u64, u64)> {
    let (name, numbers) = key.split_at_checked(key.len().checked_sub(16)?)?;
    let name = name.strip_prefix(&[tag::REPORT])?.strip_suffix(b" ")?;
    let (end, hash) = numbers.split_at_checked(8)?;
    let number = |octets: &[u8]| Some(u64::from_be_bytes(octets.try_into().ok()?));
    Some((std::str::from_utf8(name).ok()?, number(end)?, number(hash)?))
}
/// Reports: how many there are about a domain.
pub(crate) fn report_count(domain: &str) -> Bytes {
    text(tag::REPORT_COUNT, domain)
}
/// Directory: a domain.
pub(crate) fn domain(name: &str) -> Bytes {
    text(tag::DOMAIN, name)
}
/// Directory: a key that a domain's mail is signed with. No domain has a space.
pub(crate) fn domain_key(domain: &str, selector: &str) -> Bytes {
    text(tag::DOMAIN_KEY, &format!("{domain} {selector}"))
}
/// Directory: all of a domain's: from, to.
pub(crate) fn domain_keys(domain: &str) -> (Bytes, Bytes) {
    (text(tag::DOMAIN_KEY, &format!("{domain} ")), text(tag::DOMAIN_KEY, &format!("{domain}!")))
}
/// The selector that a whole key of these names.
pub(crate) fn selector<'a>(key: &'a [u8], domain: &str) -> Option<&'a str> {
    std::str::from_utf8(key.get(1..)?).ok()?.strip_prefix(domain)?.strip_prefix(' ')
}
/// Directory: an address, folded.
pub(crate) fn address(folded: &str) -> Bytes {
    text(tag::ADDRESS, folded)
}
/// Directory: an account's person.
pub(crate) fn person(account: u32) -> Key {
    Key::new(tag::PERSON, &[&account.to_be_bytes()])
}
/// Directory: what an account may send.
pub(crate) fn sending(account: u32) -> Key {
    Key::new(tag::SENDING, &[&account.to_be_bytes()])
}
/// Directory: an account that is being erased.
pub(crate) fn erasing(account: u32) -> Key {
    Key::new(tag::ERASING, &[&account.to_be_bytes()])
}
/// Blobs from this number on are chunks of the full-text index; those below are bodies, numbered as
/// their messages.
pub(crate) const SEGMENTS_FROM: u64 = 1 << 63;
/// Bits of a chunk's place: 2^24 chunks of 64 KiB are 1 TiB.
const CHUNK_BITS: u32 = 24;

/// The blob of a segment's chunk.
pub(crate) fn segment_chunk(segment: u32, at: u64) -> u64 {
    SEGMENTS_FROM | u64::from(segment) << CHUNK_BITS | at
}
/// The segment of such a blob.
pub(crate) fn segment_of(blob: u64) -> Option<u32> {
    let number = blob.checked_sub(SEGMENTS_FROM)? >> CHUNK_BITS;
    u32::try_from(number).ok()
}
/// Directory: the largest UIDVALIDITY that an erased account gave.
pub(crate) fn uid_validity() -> Key {
    Key::new(tag::UID_VALIDITY, &[])
}
/// Directory: a token of an account, by its hash.
pub(crate) fn token(account: u32, hash: &[u8; 32]) -> Bytes {
    [&[tag::TOKEN][..], &account.to_be_bytes(), hash].concat().into()
}
/// Directory: all tokens of an account: from, to.
pub(crate) fn tokens(account: u32) -> (Bytes, Bytes) {
    let from = Key::new(tag::TOKEN, &[&account.to_be_bytes()]);
    let to = match account.checked_add(1) {
        Some(next) => Key::new(tag::TOKEN, &[&next.to_be_bytes()]),
        None => Key::new(tag::TOKEN + 1, &[]),
    };
    (from.bytes(), to.bytes())
}
/// The hash in a token's key.
pub(crate) fn token_of(key: &[u8]) -> Option<[u8; 32]> {
    key.get(5..)?.try_into().ok()
}
/// All keys of a tag: from, to.
pub(crate) fn all(tag: u8) -> (Bytes, Bytes) {
    (Key::new(tag, &[]).bytes(), Key::new(tag + 1, &[]).bytes())
}

/// Directory: somebody (0 for everybody) may see mailboxes of an owner.
pub(crate) fn sharing(who: u32, owner: u32) -> Key {
    Key::new(tag::SHARING, &[&who.to_be_bytes(), &owner.to_be_bytes()])
}
/// Directory: all owners that share with somebody: from, to.
pub(crate) fn sharers(who: u32) -> (Bytes, Bytes) {
    let to = match who.checked_add(1) {
        Some(next) => sharing(next, 0),
        None => Key::new(tag::SHARING + 1, &[]),
    };
    (sharing(who, 0).bytes(), to.bytes())
}
/// The owner that a whole key of sharing names.
pub(crate) fn sharer(key: &[u8]) -> Option<u32> {
    number(key.get(5..)?)
}
/// The message that a whole key of the queue names.
pub(crate) fn queued_number(key: &[u8]) -> Option<u64> {
    key.get(1..)?.try_into().ok().map(u64::from_be_bytes)
}
/// The recipient that a whole key of progress names.
pub(crate) fn progress_recipient(key: &[u8]) -> Option<u32> {
    number(key.get(9..)?)
}
/// Message, mailbox and Uid that a whole key of a save date names.
pub(crate) fn saved_of(key: &[u8]) -> Option<(u32, u32, u32)> {
    let (message, place) = key.get(1..)?.split_first_chunk()?;
    let (mailbox, uid) = pair(place)?;
    Some((u32::from_be_bytes(*message), mailbox, uid))
}
/// The number that a key of one number names.
pub(crate) fn number(rest: &[u8]) -> Option<u32> {
    rest.try_into().ok().map(u32::from_be_bytes)
}
/// The two numbers that a key of (u32, u32) names.
pub(crate) fn pair(rest: &[u8]) -> Option<(u32, u32)> {
    let (first, second) = rest.split_first_chunk()?;
    Some((u32::from_be_bytes(*first), number(second)?))
}
/// Mailbox and commit of a tombstone's or bulk's key; mailbox and hash of an annotation's.
pub(crate) fn mailbox_and_commit_of(rest: &[u8]) -> Option<(u32, u64)> {
    let (mailbox, modseq) = rest.split_first_chunk()?;
    Some((u32::from_be_bytes(*mailbox), u64::from_be_bytes(modseq.try_into().ok()?)))
}
/// Time and message of a trash key.
pub(crate) fn trash_of(rest: &[u8]) -> Option<(u64, u32)> {
    let (time, message) = rest.split_first_chunk()?;
    Some((u64::from_be_bytes(*time), number(message)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_numbers() {
        assert!(member(1, 255).as_ref() < member(1, 256).as_ref());
        assert!(member(1, u32::MAX).as_ref() < member(2, 0).as_ref());
        assert!(change(u64::from(u32::MAX)).as_ref() < change(1 << 32).as_ref());
        let (from, to) = all(tag::TRASH);
        let last = trash(u64::MAX, u32::MAX);
        assert!(from.as_ref() < last.as_ref() && last.as_ref() < to.as_ref());
        assert_eq!(last.as_ref().len(), OCTETS_MAX);
    }

    #[test]
    fn keys_read_back() {
        let rest = |key: Key| key.as_ref()[1..].to_vec();
        assert_eq!(pair(&rest(member(3, 9))), Some((3, 9)));
        assert_eq!(mailbox_and_commit_of(&rest(expunged(3, 9))), Some((3, 9)));
        assert_eq!(trash_of(&rest(trash(3, 9))), Some((3, 9)));
        assert_eq!(number(&rest(keyword(7))), Some(7));
        assert_eq!(token_of(&token(7, &[9; 32])), Some([9; 32]));
        let whole = tally_row((2, 9), u64::MAX, u64::MAX);
        let (from, to) = tally_rows((2, 9), u64::MAX);
        assert!(from < whole && whole < to && to < tally_row((2, 10), 0, 0));
        assert_eq!(tally_row_of(&whole), Some(u64::MAX));
        assert_eq!(tally_of(&tally((2, 9), 7)), Some((2, 9, 7)));
        let (from, to) = tokens(u32::MAX);
        let last = token(u32::MAX, &[255; 32]);
        assert!(from < last && last < to && tokens(7).1 == tokens(8).0);
        assert_eq!((pair(b"1234567"), number(b"123")), (None, None));
        assert_eq!(segment_of(segment_chunk(u32::MAX, 9)), Some(u32::MAX));
        assert_eq!((segment_of(segment_chunk(0, 0)), segment_of(u32::MAX.into())), (Some(0), None));
    }
}
