//! Planning: what an account will be when all commits on their way have landed. Commits compose on
//! this, so that none waits for the one before it.
//!
//! Invariant: everything here belongs to a commit on its way; what a refused operation would have
//! planned never gets here, and what landed is taken out again.

use crate::state::{DELETED, Entry, State};
use hashbrown::HashMap;
use std::collections;

/// What a commit on its way does to one message or membership.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Planned {
    /// Flags of a message, without `\Deleted`.
    Shared { message: u32, system: u8, keywords: u32 },
    /// `\Deleted` of a membership.
    Deleted { mailbox: u32, uid: u32, set: bool },
    /// The membership ends.
    Gone { mailbox: u32, uid: u32 },
    /// A visible message gets another membership.
    Joined { mailbox: u32, uid: u32, message: u32 },
    /// A transaction is stored; looked for in the commits themselves.
    Marked(u64),
}

/// Changes that a table grows for by itself.
const FEW: usize = 64;

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

/// Counters as they will be, and the changes that are not visible yet.
#[derive(Default)]
pub(crate) struct Plan {
    pub modseq: u64,
    pub octets: u64,
    pub messages: u64,
    pub next_mailbox: u32,
    /// The largest UIDVALIDITY given so far.
    pub uid_validity: u32,
    uid_next: HashMap<u32, u32>,
    /// The last commit on its way that expunges from a mailbox.
    expunged: HashMap<u32, u64>,
    shared: HashMap<u32, Shared>,
    own: HashMap<(u32, u32), Own>,
    joined: HashMap<u32, Vec<(u32, u32)>>,
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

    /// All memberships that a message will have, one of which is known.
    pub fn memberships(
        &self,
        state: &State,
        message: u32,
        known: (u32, u32),
    ) -> impl Iterator<Item = (u32, u32)> {
        let many = state.many.get(&message);
        let single = if many.is_none() { Some(known) } else { None };
        let visible = many.into_iter().flatten().copied().chain(single);
        let staying = visible.filter(|one| !matches!(self.own.get(one), Some(Own::Gone { .. })));
        staying.chain(self.joined.get(&message).into_iter().flatten().copied())
    }

    /// The next Uid of a mailbox.
    pub fn uid_next(&self, state: &State, mailbox: u32) -> u32 {
        let visible = state.mailboxes.get(&mailbox).map_or(1, |found| found.uid_next);
        self.uid_next.get(&mailbox).copied().unwrap_or(1).max(visible)
    }

    /// The last commit that will have expunged from a mailbox or touched it visibly.
    pub fn highest(&self, mailbox: u32, visible: u64) -> u64 {
        self.expunged.get(&mailbox).copied().unwrap_or(0).max(visible)
    }

    /// Takes a commit's changes in.
    pub fn take(
        &mut self,
        modseq: u64,
        planned: &[Planned],
        uid_next: &collections::HashMap<u32, u32>,
    ) {
        self.modseq = modseq;
        self.uid_next.extend(uid_next);
        self.shared.reserve(planned.len().saturating_sub(FEW));
        for one in planned {
            match *one {
                Planned::Shared { message, system, keywords } => {
                    self.shared.insert(message, Shared { system, keywords, modseq });
                }
                Planned::Deleted { mailbox, uid, set } => {
                    self.own.insert((mailbox, uid), Own::Deleted { set, modseq });
                }
                Planned::Gone { mailbox, uid } => {
                    self.own.insert((mailbox, uid), Own::Gone { modseq });
                    self.expunged.insert(mailbox, modseq);
                }
                Planned::Joined { mailbox, uid, message } => {
                    self.joined.entry(message).or_default().push((mailbox, uid));
                }
                Planned::Marked(_) => {}
            }
        }
    }

    /// A commit is visible now: what it planned is no longer needed.
    pub fn landed(&mut self, modseq: u64, planned: &[Planned]) {
        if modseq == self.modseq {
            // Nothing else is on its way.
            self.clear();
            return;
        }
        for one in planned {
            match *one {
                Planned::Shared { message, .. } => {
                    if self.shared.get(&message).is_some_and(|found| found.modseq == modseq) {
                        self.shared.remove(&message);
                    }
                }
                Planned::Deleted { mailbox, uid, .. } | Planned::Gone { mailbox, uid } => {
                    let at = self.own.get(&(mailbox, uid)).map(|own| match own {
                        Own::Deleted { modseq, .. } | Own::Gone { modseq } => *modseq,
                    });
                    if at == Some(modseq) {
                        self.own.remove(&(mailbox, uid));
                    }
                }
                Planned::Joined { mailbox, uid, message } => {
                    if let Some(all) = self.joined.get_mut(&message) {
                        all.retain(|one| *one != (mailbox, uid));
                        if all.is_empty() {
                            self.joined.remove(&message);
                        }
                    }
                }
                Planned::Marked(_) => {}
            }
        }
    }

    /// Plans nothing. What a change of very many needed is given back.
    fn clear(&mut self) {
        self.uid_next.clear();
        self.expunged.clear();
        self.shared.clear();
        self.own.clear();
        self.joined.clear();
        self.shared.shrink_to(FEW);
        self.own.shrink_to(FEW);
    }

    /// Everything on its way failed: the plan is what is visible.
    pub fn reset(&mut self, state: &State) {
        self.modseq = state.modseq;
        (self.octets, self.messages) = (state.octets, state.messages);
        self.clear();
    }
}
