//! Planning: what an account will be when all commits on their way have landed. Commits compose on
//! this, so that none waits for the one before it.

use crate::state::{DELETED, Entry, State};
use std::collections::HashMap;

/// What commits on their way do to one message or membership.
#[derive(Clone, Copy, Debug)]
struct Shared {
    system: u8,
    keywords: u32,
    modseq: u64,
}

#[derive(Clone, Copy, Debug)]
enum Own {
    Deleted { set: bool, modseq: u64 },
    Gone { modseq: u64 },
}

/// Counters and the changes that are not visible yet.
#[derive(Default)]
pub(crate) struct Plan {
    pub modseq: u64,
    pub next_mailbox: u32,
    /// The largest UIDVALIDITY given so far.
    pub uid_validity: u32,
    pub octets: u64,
    pub messages: u64,
    uid_next: HashMap<u32, u32>,
    shared: HashMap<u32, Shared>,
    own: HashMap<(u32, u32), Own>,
    /// Copies on their way: (message, mailbox).
    copies: HashMap<(u32, u32), u64>,
}

/// A membership as it will be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effective {
    pub entry: Entry,
    pub modseq: u64,
    pub system: u8,
    pub keywords: u32,
}

impl Plan {
    /// A membership as it will be; `None` when it will be gone.
    pub fn effective(&self, mailbox: u32, entry: &Entry) -> Option<Effective> {
        let mut out = Effective {
            entry: *entry,
            modseq: entry.modseq,
            system: entry.system(),
            keywords: entry.keywords(),
        };
        if let Some(shared) = self.shared.get(&entry.message) {
            out.system = out.system & DELETED | shared.system & !DELETED;
            out.keywords = shared.keywords;
            out.modseq = out.modseq.max(shared.modseq);
        }
        match self.own.get(&(mailbox, entry.uid)) {
            Some(Own::Gone { .. }) => return None,
            Some(Own::Deleted { set, modseq }) => {
                out.system = out.system & !DELETED | if *set { DELETED } else { 0 };
                out.modseq = out.modseq.max(*modseq);
            }
            None => {}
        }
        Some(out)
    }

    pub fn flags(&mut self, message: u32, system: u8, keywords: u32, modseq: u64) {
        self.shared.insert(message, Shared { system, keywords, modseq });
    }
    pub fn deleted(&mut self, membership: (u32, u32), set: bool, modseq: u64) {
        self.own.insert(membership, Own::Deleted { set, modseq });
    }
    /// The membership ends with the commit that is being planned.
    pub fn gone(&mut self, membership: (u32, u32)) {
        self.own.insert(membership, Own::Gone { modseq: self.modseq + 1 });
    }
    pub fn is_gone(&self, membership: (u32, u32)) -> bool {
        matches!(self.own.get(&membership), Some(Own::Gone { .. }))
    }
    pub fn copied(&mut self, message: u32, mailbox: u32, modseq: u64) {
        self.copies.insert((message, mailbox), modseq);
    }
    /// Whether a copy of the message into the mailbox is on its way.
    pub fn is_copied(&self, message: u32, mailbox: u32) -> bool {
        self.copies.contains_key(&(message, mailbox))
    }

    /// The next Uid of a mailbox; `None` when 32 bits are used up.
    pub fn uid(&mut self, state: &State, mailbox: u32) -> Option<u32> {
        let visible = state.mailboxes.get(&mailbox)?.uid_next;
        let next = self.uid_next.entry(mailbox).or_insert(visible);
        *next = (*next).max(visible);
        let uid = *next;
        *next = uid.checked_add(1)?;
        Some(uid)
    }

    /// A commit is visible now: what was planned by it is no longer needed.
    pub fn landed(&mut self, modseq: u64) {
        if self.modseq == modseq {
            // Nothing else is on its way.
            self.shared.clear();
            self.own.clear();
            self.copies.clear();
            self.uid_next.clear();
            return;
        }
        if self.shared.len() + self.own.len() + self.copies.len() == 0 {
            return;
        }
        self.shared.retain(|_, planned| planned.modseq > modseq);
        self.own.retain(|_, planned| match planned {
            Own::Deleted { modseq: at, .. } | Own::Gone { modseq: at } => *at > modseq,
        });
        self.copies.retain(|_, at| *at > modseq);
    }
}
