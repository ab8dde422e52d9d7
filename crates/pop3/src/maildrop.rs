//! The list of messages that a session sees: frozen at login, as RFC 1939 §4 wants it.

use crate::{
    effect::Opened,
    reply::{self, Reply},
};
use mail::{AccountId, MessageId, NumberSet, Uid, UidValidity};

/// A message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message {
    /// Its Uid in INBOX.
    pub uid: Uid,
    /// Its permanent id.
    pub id: MessageId,
    /// Octets as stored.
    pub octets: u32,
}

const DELETED: u8 = 1;
const SEEN: u8 = 2;

/// What of a maildrop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Listed {
    Sizes,
    UniqueIds,
}

/// The messages of a session and what it did to them.
#[derive(Debug)]
pub(crate) struct Maildrop {
    account: AccountId,
    uid_validity: UidValidity,
    messages: Box<[(Message, u8)]>,
}

impl Maildrop {
    pub fn new(opened: Opened) -> Self {
        let messages = opened.messages.into_iter().map(|message| (message, 0)).collect();
        Self { account: opened.account, uid_validity: opened.uid_validity, messages }
    }

    /// Messages that are not marked as deleted, and the sum of their octets.
    pub fn status(&self) -> (usize, u64) {
        let left = self.messages.iter().filter(|(_, marks)| marks & DELETED == 0);
        left.fold((0, 0), |(count, sum), (one, _)| (count + 1, sum + u64::from(one.octets)))
    }

    /// The message of that number, unless it is marked as deleted.
    pub fn message(&self, number: u32) -> Result<Message, Reply> {
        match self.entry(number) {
            None => Err(reply::NO_SUCH_MESSAGE),
            Some((_, marks)) if marks & DELETED != 0 => Err(reply::IS_DELETED),
            Some((message, _)) => Ok(*message),
        }
    }

    fn entry(&self, number: u32) -> Option<&(Message, u8)> {
        self.messages.get((number as usize).checked_sub(1)?)
    }

    fn mark(&mut self, number: u32, mark: u8) {
        let at = (number as usize).checked_sub(1);
        if let Some((_, marks)) = at.and_then(|at| self.messages.get_mut(at)) {
            *marks |= mark;
        }
    }

    pub fn delete(&mut self, number: u32) {
        self.mark(number, DELETED);
    }

    pub fn seen(&mut self, number: u32) {
        self.mark(number, SEEN);
    }

    pub fn undelete_all(&mut self) {
        for (_, marks) in &mut self.messages {
            *marks &= !DELETED;
        }
    }

    /// Uids that are marked as deleted.
    pub fn deleted(&self) -> NumberSet {
        self.uids(|marks| marks & DELETED != 0)
    }

    /// Uids that were read and are to stay.
    pub fn read(&self) -> NumberSet {
        self.uids(|marks| marks == SEEN)
    }

    fn uids(&self, wanted: impl Fn(u8) -> bool) -> NumberSet {
        let wanted = self.messages.iter().filter(|(_, marks)| wanted(*marks));
        NumberSet::of_numbers(wanted.map(|(message, _)| message.uid.0))
    }

    /// The first number from `from` on that is not marked as deleted.
    pub fn next(&self, from: u32) -> Option<(u32, Message)> {
        let mut number = from.max(1);
        loop {
            match self.entry(number)? {
                (message, marks) if marks & DELETED == 0 => return Some((number, *message)),
                _ => number = number.checked_add(1)?,
            }
        }
    }

    /// A message's line in a listing. Its unique-id (RFC 1939 §7: 1 to 70 printable characters that
    /// "never" come back) is made of INBOX's UIDVALIDITY and the account's number, which differ
    /// when an account of that name is made anew, here or on a new server, and of the message's
    /// permanent id.
    pub fn line(&self, number: u32, message: &Message, listed: Listed) -> String {
        match listed {
            Listed::Sizes => format!("{number} {}", message.octets),
            Listed::UniqueIds => {
                let Self { account, uid_validity, .. } = self;
                format!("{number} {:08x}{:x}.{:x}", uid_validity.0, account.0, message.id.0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maildrop() -> Maildrop {
        let message = |uid, octets| Message { uid: Uid(uid), id: MessageId(uid + 100), octets };
        let messages = vec![message(3, 10), message(4, 20), message(9, u32::MAX)];
        Maildrop::new(Opened { account: AccountId(18), uid_validity: UidValidity(0xabc), messages })
    }

    #[test]
    fn numbers_stay() {
        let mut maildrop = maildrop();
        assert_eq!(maildrop.status(), (3, 30 + u64::from(u32::MAX)));
        maildrop.delete(1);
        maildrop.seen(1);
        maildrop.seen(2);
        assert_eq!(maildrop.message(0), Err(reply::NO_SUCH_MESSAGE));
        assert_eq!(maildrop.message(1), Err(reply::IS_DELETED));
        assert_eq!(maildrop.message(2).unwrap().uid, Uid(4));
        assert_eq!(maildrop.message(4), Err(reply::NO_SUCH_MESSAGE));
        assert_eq!(maildrop.next(0).unwrap().0, 2);
        assert_eq!(maildrop.next(4), None);
        assert_eq!(maildrop.deleted().to_string(), "3");
        assert_eq!(maildrop.read().to_string(), "4");
        maildrop.undelete_all();
        assert!(maildrop.deleted().is_empty());
        assert_eq!(maildrop.read().to_string(), "3:4");
        assert_eq!(maildrop.next(u32::MAX), None);
    }

    #[test]
    fn lines() {
        let maildrop = maildrop();
        let (number, message) = maildrop.next(2).unwrap();
        assert_eq!(maildrop.line(number, &message, Listed::Sizes), "2 20");
        let id = maildrop.line(number, &message, Listed::UniqueIds);
        assert_eq!(id, "2 00000abc12.68");
    }
}
