//! What an account's log says, folded commit by commit in the plainest way: no plan, no index, no
//! counters. `palomar check` compares this with what is stored.

use crate::{
    annotation::SERVER,
    change::{Change, Member},
    state::DELETED,
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A message in the trash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Thrown {
    pub erase_at: u64,
    pub mailbox: u32,
    pub system: u8,
    pub keywords: Vec<u32>,
}

/// What the log says.
#[derive(Default)]
pub(crate) struct Folded {
    /// The last commit.
    pub last: u64,
    pub members: BTreeMap<(u32, u32), Member>,
    pub mailboxes: BTreeMap<u32, Bytes>,
    /// The next Uid of each mailbox.
    pub uid_next: BTreeMap<u32, u32>,
    pub subscriptions: BTreeMap<u64, Bytes>,
    pub keywords: BTreeMap<u32, Bytes>,
    /// (Uid, message) by mailbox and commit.
    pub tombstones: BTreeMap<(u32, u64), BTreeSet<(u32, u32)>>,
    pub trash: BTreeMap<u32, Thrown>,
    /// Hashes of their values, by mailbox and hash.
    pub annotations: BTreeMap<(u32, u64), u64>,
    /// The largest message id.
    pub message_max: u32,
    places: HashMap<u32, BTreeSet<(u32, u32)>>,
}

impl Folded {
    /// Takes a commit in; gives what makes no sense of it.
    pub fn commit(&mut self, modseq: u64, changes: Vec<Change>) -> Vec<String> {
        self.last = modseq;
        let mut wrong = Vec::new();
        for change in changes {
            if let Err(what) = self.change(modseq, change) {
                wrong.push(format!("commit {modseq} {what}"));
            }
        }
        wrong
    }

    fn change(&mut self, modseq: u64, change: Change) -> Result<(), String> {
        match change {
            Change::Added { mailbox, member } => self.added(modseq, mailbox, member)?,
            Change::Flags { system, keywords, messages } => {
                for message in messages {
                    let places = self.places.get(&message);
                    let places = places.ok_or(format!("flags message {message}: not there"))?;
                    for place in places {
                        let Some(member) = self.members.get_mut(place) else { continue };
                        member.modseq = modseq;
                        member.system = member.system & DELETED | system;
                        member.keywords.clone_from(&keywords);
                    }
                }
            }
            Change::Deleted { mailbox, set, uids } => {
                for uid in uids {
                    let member = self.members.get_mut(&(mailbox, uid));
                    let member = member.ok_or(format!("marks {mailbox}/{uid}: not there"))?;
                    member.modseq = modseq;
                    member.system = member.system & !DELETED | if set { DELETED } else { 0 };
                }
            }
            Change::Expunged { mailbox, uids, erase_at } => {
                let mut gone = BTreeSet::new();
                for uid in uids {
                    let message = self.leave((mailbox, uid), erase_at)?;
                    gone.insert((uid, message));
                }
                self.tombstones.insert((mailbox, modseq), gone);
            }
            Change::Gone { mailbox, erase_at } => {
                self.mailboxes.remove(&mailbox).ok_or(format!("ends {mailbox}: not there"))?;
                self.uid_next.remove(&mailbox);
                self.annotations.retain(|(of, _), _| *of != mailbox);
                let range = (mailbox, 0)..=(mailbox, u32::MAX);
                let all: Vec<_> = self.members.range(range).map(|(place, _)| *place).collect();
                for place in all {
                    self.leave(place, erase_at)?;
                }
            }
            Change::Mailbox { mailbox, sealed } => {
                self.mailboxes.insert(mailbox, sealed);
                self.uid_next.entry(mailbox).or_insert(1);
            }
            Change::Subscribed { hash, sealed, wanted: true } => {
                self.subscriptions.insert(hash, sealed);
            }
            Change::Subscribed { hash, wanted: false, .. } => {
                self.subscriptions.remove(&hash);
            }
            Change::Keyword { keyword, sealed } => {
                if self.keywords.insert(keyword, sealed).is_some() {
                    return Err(format!("makes keyword {keyword} again"));
                }
            }
            Change::Annotated { mailbox, hash, value, .. } => {
                self.annotated((mailbox, hash), value)?;
            }
            Change::Erased { messages } => {
                for message in messages {
                    let thrown = self.trash.remove(&message);
                    thrown.ok_or(format!("erases message {message}: not in the trash"))?;
                }
            }
        }
        Ok(())
    }

    fn annotated(&mut self, of: (u32, u64), value: Option<u64>) -> Result<(), String> {
        if of.0 != SERVER && !self.mailboxes.contains_key(&of.0) {
            return Err(format!("annotates mailbox {}: not there", of.0));
        }
        match value {
            Some(value) => self.annotations.insert(of, value),
            None => self.annotations.remove(&of),
        };
        Ok(())
    }

    fn added(&mut self, modseq: u64, mailbox: u32, member: Member) -> Result<(), String> {
        let (uid, message) = (member.uid, member.message);
        if member.modseq != modseq {
            return Err(format!("adds {mailbox}/{uid} under commit {}", member.modseq));
        }
        let next = self.uid_next.get_mut(&mailbox);
        let next = next.ok_or(format!("adds to mailbox {mailbox}: not there"))?;
        if uid < *next {
            return Err(format!("gives {mailbox}/{uid} again"));
        }
        *next = uid.saturating_add(1);
        self.trash.remove(&message);
        self.message_max = self.message_max.max(message);
        self.places.entry(message).or_default().insert((mailbox, uid));
        self.members.insert((mailbox, uid), member);
        Ok(())
    }

    fn leave(&mut self, place: (u32, u32), erase_at: u64) -> Result<u32, String> {
        let member = self.members.remove(&place);
        let member = member.ok_or(format!("expunges {place:?}: not there"))?;
        let message = member.message;
        if let Some(places) = self.places.get_mut(&message) {
            places.remove(&place);
            if places.is_empty() {
                self.places.remove(&message);
                let (mailbox, system) = (place.0, member.system & !DELETED);
                let thrown = Thrown { erase_at, mailbox, system, keywords: member.keywords };
                self.trash.insert(message, thrown);
            }
        }
        Ok(message)
    }

    /// Every message that there is, in a mailbox or in the trash.
    pub fn messages(&self) -> BTreeSet<u32> {
        self.places.keys().chain(self.trash.keys()).copied().collect()
    }
}
