//! What people did that says what they think of a message, read from the account's log: whatever
//! protocol or program they did it with.
//!
//! A message that comes into a mailbox for the first time says nothing: the server put it there.
//! One that was copied or moved there has a save date of its own.

use crate::{
    Account, Error, SpecialUse,
    change::{self, Change},
    keys,
};
use mail::{Keyword, SystemFlags};
use spam::Class;

/// Commits read in one step.
pub(super) const STEP_COMMITS: usize = 1_000;

/// Flags that people set on mail they want.
const VALUED: u8 = SystemFlags::ANSWERED.0 | SystemFlags::FLAGGED.0;

/// One thing that somebody did with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Act {
    /// It was put into Junk.
    IntoJunk(u32),
    /// It was put somewhere else, where mail is kept.
    Kept(u32),
    /// It was answered, or flagged.
    Valued(u32),
    /// It has `$Junk` or `$NotJunk` (RFC 9051 §2.3.2).
    Keyword(u32, Class),
    /// It is gone for ever.
    Erased(u32),
}

/// What one commit says.
pub(super) struct Acts {
    pub modseq: u64,
    pub acts: Vec<Act>,
}

/// What decides, as it is now.
struct Now {
    junk: Option<u32>,
    /// Trash, drafts, mail that was sent: what is put there says nothing.
    others: Vec<u32>,
    is_junk: Option<u32>,
    is_wanted: Option<u32>,
}

impl Now {
    fn class(&self, keywords: &[u32]) -> Option<Class> {
        let has = |wanted: Option<u32>| wanted.is_some_and(|one| keywords.contains(&one));
        match (has(self.is_junk), has(self.is_wanted)) {
            (true, false) => Some(Class::Spam),
            (false, true) => Some(Class::Ham),
            _ => None,
        }
    }

    /// What a commit's changes say; with each act that a save date has to confirm, its key.
    fn of(&self, changes: Vec<Change>) -> Vec<(Act, Option<keys::Key>)> {
        let mut acts = Vec::new();
        for change in changes {
            match change {
                Change::Added { mailbox, member } if !self.others.contains(&mailbox) => {
                    let message = member.message;
                    let saved = keys::saved(message, mailbox, member.uid);
                    let act = match Some(mailbox) == self.junk {
                        true => Act::IntoJunk(message),
                        false => Act::Kept(message),
                    };
                    acts.push((act, Some(saved)));
                }
                Change::Flags { system, keywords, messages } => {
                    let act = |one| match self.class(&keywords) {
                        Some(class) => Some((Act::Keyword(one, class), None)),
                        None => (system & VALUED != 0).then_some((Act::Valued(one), None)),
                    };
                    acts.extend(messages.into_iter().filter_map(act));
                }
                Change::Erased { messages } => {
                    acts.extend(messages.into_iter().map(|one| (Act::Erased(one), None)));
                }
                _ => {}
            }
        }
        acts
    }
}

impl Account {
    fn now(&self) -> Now {
        let inner = self.inner();
        let keyword = |name: &str| inner.state.keywords.number(&Keyword::parse(name)?);
        Now {
            junk: inner.state.special(SpecialUse::Junk),
            others: [SpecialUse::Trash, SpecialUse::Drafts, SpecialUse::Sent]
                .into_iter()
                .filter_map(|one| inner.state.special(one))
                .collect(),
            is_junk: keyword("$Junk"),
            is_wanted: keyword("$NotJunk"),
        }
    }

    /// What was done after a commit: commits that say something, and the last that was read;
    /// `None` when there is none after it. At most [`STEP_COMMITS`] are read.
    pub(super) async fn acts(&self, after: u64) -> Result<Option<(Vec<Acts>, u64)>, Error> {
        let now = self.now();
        let scan = store::Scan {
            account: self.id.0,
            from: keys::change(after.saturating_add(1)).bytes(),
            to: keys::all(keys::tag::CHANGE).1,
            reverse: false,
            entries_max: STEP_COMMITS,
        };
        let mut all = Vec::new();
        let mut last = None;
        for (key, value) in self.shared.kv.scan(scan).await? {
            let damaged = || Error::Damaged(format!("account {}: key {key:?}", self.id));
            let number = key.get(1..).and_then(|rest| rest.try_into().ok());
            let modseq = u64::from_be_bytes(number.ok_or_else(damaged)?);
            let changes = change::decode(&value).ok_or_else(damaged)?.1;
            last = Some(modseq);
            let acts = now.of(changes);
            if !acts.is_empty() {
                all.push((modseq, acts));
            }
        }
        let Some(last) = last else { return Ok(None) };
        let mut confirmed = Vec::new();
        for (modseq, acts) in all {
            let acts = self.confirmed(acts).await?;
            if !acts.is_empty() {
                confirmed.push(Acts { modseq, acts });
            }
        }
        Ok(Some((confirmed, last)))
    }

    /// Without those that came in for the first time.
    async fn confirmed(&self, acts: Vec<(Act, Option<keys::Key>)>) -> Result<Vec<Act>, Error> {
        let names = acts.iter().filter_map(|(_, saved)| saved.as_ref().map(keys::Key::bytes));
        let names: Vec<_> = names.collect();
        if names.is_empty() {
            return Ok(acts.into_iter().map(|(act, _)| act).collect());
        }
        let mut found = self.shared.kv.get_many(self.id.0, names).await?.into_iter();
        let confirmed = acts.into_iter().filter(|(_, saved)| match saved {
            Some(_) => found.next().flatten().is_some(),
            None => true,
        });
        Ok(confirmed.map(|(act, _)| act).collect())
    }
}
