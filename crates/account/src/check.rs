//! `palomar check`: folds an account's log from its first commit and compares what comes out with
//! every stored view, and looks for every record and body. Changes nothing.

use crate::{
    Account, Accounts, Error,
    change::{self, Change, Member},
    codec::Reader,
    keys::{self, tag},
    read::RECORDS_PAGE,
};
use bytes::Bytes;
use mail::{AccountId, MessageId};
use std::collections::{BTreeMap, BTreeSet};

/// Breaches told of one account; more are counted only.
const TOLD_MAX: usize = 100;

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Accounts looked at.
    pub accounts: u64,
    /// Commits folded.
    pub commits: u64,
    /// Messages whose record and body were looked for.
    pub messages: u64,
    /// How many breaches.
    pub breaches: u64,
    /// The first of them, a sentence each.
    pub told: Vec<String>,
}

impl Report {
    fn tell(&mut self, what: String) {
        self.breaches += 1;
        if self.told.len() < TOLD_MAX {
            self.told.push(what);
        }
    }

    /// Adds another report.
    pub fn add(&mut self, other: Self) {
        self.accounts += other.accounts;
        self.commits += other.commits;
        self.messages += other.messages;
        self.breaches += other.breaches;
        let room = TOLD_MAX.saturating_sub(self.told.len());
        self.told.extend(other.told.into_iter().take(room));
    }
}

/// What the log says.
#[derive(Default)]
struct Folded {
    last: u64,
    members: BTreeMap<(u32, u32), Member>,
    places: BTreeMap<u32, BTreeSet<(u32, u32)>>,
    mailboxes: BTreeMap<u32, Bytes>,
    subscriptions: BTreeSet<String>,
    keywords: BTreeMap<u32, String>,
    tombstones: BTreeMap<(u32, u64), Vec<(u32, u32)>>,
}

impl Folded {
    fn fold(&mut self, modseq: u64, change: Change) -> Result<(), String> {
        match change {
            Change::Added { mailbox, member } => {
                self.places.entry(member.message).or_default().insert((mailbox, member.uid));
                let place = (mailbox, member.uid);
                if self.members.insert(place, member).is_some() {
                    return Err(format!("commit {modseq} gives Uid {place:?} again"));
                }
            }
            Change::Flags { message, system, keywords } => {
                for place in self.places.get(&message).into_iter().flatten() {
                    if let Some(member) = self.members.get_mut(place) {
                        member.modseq = modseq;
                        member.system = member.system & crate::state::DELETED | system;
                        member.keywords.clone_from(&keywords);
                    }
                }
            }
            Change::Deleted { mailbox, uid, set } => {
                let Some(member) = self.members.get_mut(&(mailbox, uid)) else {
                    return Err(format!("commit {modseq} marks Uid {uid}, which is not there"));
                };
                member.modseq = modseq;
                let bit = if set { crate::state::DELETED } else { 0 };
                member.system = member.system & !crate::state::DELETED | bit;
            }
            Change::Expunged { mailbox, uid, message } => {
                let gone = self.tombstones.entry((mailbox, modseq)).or_default();
                gone.push((uid, message));
                self.leave((mailbox, uid), message);
            }
            Change::Mailbox { mailbox, sealed } => {
                self.mailboxes.insert(mailbox, sealed);
            }
            Change::Gone { mailbox } => {
                self.mailboxes.remove(&mailbox);
                let all: Vec<_> = self
                    .members
                    .range((mailbox, 0)..=(mailbox, u32::MAX))
                    .map(|(place, member)| (*place, member.message))
                    .collect();
                for (place, message) in all {
                    self.leave(place, message);
                }
            }
            Change::Subscribed { name, wanted: true } => {
                self.subscriptions.insert(name);
            }
            Change::Subscribed { name, wanted: false } => {
                self.subscriptions.remove(&name);
            }
            Change::Keyword { keyword, name } => {
                self.keywords.insert(keyword, name);
            }
        }
        Ok(())
    }

    fn leave(&mut self, place: (u32, u32), message: u32) {
        self.members.remove(&place);
        if let Some(places) = self.places.get_mut(&message) {
            places.remove(&place);
            if places.is_empty() {
                self.places.remove(&message);
            }
        }
    }
}

/// Checks one account.
///
/// # Errors
/// The store's, when it cannot be read at all; what does not agree is in the report.
pub async fn account(accounts: &Accounts, id: AccountId) -> Result<Report, Error> {
    let account = accounts.account(id).await?;
    let mut report = Report { accounts: 1, ..Report::default() };
    let mut folded = Folded::default();
    let say = |what: String| format!("account {id}: {what}");
    account
        .each(tag::CHANGE, |key, value| {
            let modseq = u64::from_be_bytes(key.try_into().ok()?);
            let Some(changes) = change::decode(value) else {
                report.tell(say(format!("commit {modseq} cannot be read")));
                return Some(());
            };
            report.commits += 1;
            folded.last = modseq;
            for change in changes {
                if let Err(what) = folded.fold(modseq, change) {
                    report.tell(say(what));
                }
            }
            Some(())
        })
        .await?;
    let head = account.shared.kv.head(id.0).await?;
    if folded.last != head && head > 1 {
        report.tell(say(format!("the log ends at {}, the head is {head}", folded.last)));
    }
    compare(&account, folded, &mut report).await?;
    Ok(report)
}

async fn compare(account: &Account, mut folded: Folded, report: &mut Report) -> Result<(), Error> {
    let id = account.id;
    let mut messages = BTreeSet::new();
    account
        .each(tag::MEMBER, |key, value| {
            let (mailbox, uid) = key.split_first_chunk()?;
            let mailbox = u32::from_be_bytes(*mailbox);
            let uid = u32::from_be_bytes(uid.try_into().ok()?);
            let stored = Member::read(uid, &mut Reader(value));
            let wanted = folded.members.remove(&(mailbox, uid));
            if let Some(stored) = &stored {
                messages.insert(stored.message);
            }
            if stored != wanted {
                report.tell(format!(
                    "account {id}: mailbox {mailbox}, Uid {uid}: stored {stored:?}, \
                     the log says {wanted:?}"
                ));
            }
            Some(())
        })
        .await?;
    for (mailbox, uid) in folded.members.keys() {
        report.tell(format!("account {id}: mailbox {mailbox}, Uid {uid} is not stored"));
    }
    names(account, &mut folded, report).await?;
    bodies(account, &messages, report).await
}

async fn names(account: &Account, folded: &mut Folded, report: &mut Report) -> Result<(), Error> {
    let id = account.id;
    account
        .each(tag::MAILBOX, |key, value| {
            let mailbox = u32::from_be_bytes(key.try_into().ok()?);
            let wanted = folded.mailboxes.remove(&mailbox);
            if wanted.as_deref() != Some(value) || account.open_mailbox(mailbox, value).is_none() {
                report.tell(format!("account {id}: mailbox {mailbox} is not as the log says"));
            }
            Some(())
        })
        .await?;
    for mailbox in folded.mailboxes.keys() {
        report.tell(format!("account {id}: mailbox {mailbox} is not stored"));
    }
    account
        .each(tag::SUBSCRIPTION, |key, _| {
            let name = String::from_utf8_lossy(key).into_owned();
            if !folded.subscriptions.remove(&name) {
                report.tell(format!("account {id}: subscription {name} is not in the log"));
            }
            Some(())
        })
        .await?;
    account
        .each(tag::KEYWORD, |key, value| {
            let number = u32::from_be_bytes(key.try_into().ok()?);
            let name = String::from_utf8_lossy(value).into_owned();
            if folded.keywords.remove(&number) != Some(name) {
                report.tell(format!("account {id}: keyword {number} is not as the log says"));
            }
            Some(())
        })
        .await?;
    account
        .each(tag::EXPUNGED, |key, value| {
            let (mailbox, modseq) = key.split_first_chunk()?;
            let mailbox = u32::from_be_bytes(*mailbox);
            let modseq = u64::from_be_bytes(modseq.try_into().ok()?);
            let mut from = Reader(value);
            let mut stored = Vec::new();
            while let (Some(uid), Some(message)) = (from.number32(), from.number32()) {
                stored.push((uid, message));
            }
            if folded.tombstones.remove(&(mailbox, modseq)) != Some(stored) {
                report.tell(format!("account {id}: tombstones {mailbox}/{modseq} differ"));
            }
            Some(())
        })
        .await?;
    let left = folded.subscriptions.len() + folded.keywords.len() + folded.tombstones.len();
    if left > 0 {
        report.tell(format!("account {id}: {left} names or tombstones of the log are not stored"));
    }
    Ok(())
}

/// Every message has a record that opens and a body of the size it says.
async fn bodies(
    account: &Account,
    messages: &BTreeSet<u32>,
    report: &mut Report,
) -> Result<(), Error> {
    let id = account.id;
    let ids: Vec<MessageId> = messages.iter().copied().map(MessageId).collect();
    for page in ids.chunks(RECORDS_PAGE) {
        let records = match account.records(page).await {
            Ok(records) => records,
            Err(Error::Damaged(what)) => {
                report.tell(format!("account {id}: {what}"));
                continue;
            }
            Err(error) => return Err(error),
        };
        for (message, record) in page.iter().zip(records) {
            report.messages += 1;
            let Some(record) = record else {
                report.tell(format!("account {id}: message {message} has no record"));
                continue;
            };
            match account.body(&record, 0..u32::MAX).await {
                Ok(body) if body.len() == record.octets() as usize => {}
                Ok(_) => report.tell(format!("account {id}: message {message}: wrong size")),
                Err(Error::Damaged(what)) => report.tell(what),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Checks all accounts.
///
/// # Errors
/// As [`account`].
pub async fn all(accounts: &Accounts) -> Result<Report, Error> {
    let mut report = Report::default();
    let mut after = None;
    loop {
        let page = accounts.directory().accounts(after, 100).await?;
        let Some(last) = page.last() else { return Ok(report) };
        after = Some(last.id);
        for one in page {
            report.add(account(accounts, one.id).await?);
        }
    }
}

/// A key that tests damage.
#[doc(hidden)]
#[must_use]
pub fn member_key(mailbox: u32, uid: u32) -> Bytes {
    keys::member(mailbox, uid)
}
