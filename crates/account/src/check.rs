//! `palomar check`: folds an account's log from its first commit and compares what comes out with
//! every stored view, and looks for every record and body. Changes nothing.
//!
//! Beside a running server: the keys are compared while the account is held, so that nothing
//! changes meanwhile; bodies are read after that.

use crate::{
    Account, Accounts, Error, Record,
    bulk::{self, Group},
    change,
    change::Member,
    explain::Explained,
    fold::{Folded, Thrown},
    index::manifest::{Manifest, Place},
    keys::{self, tag},
    load::Numbers,
    read::RECORDS_PAGE,
    saved,
    seal::Kind,
    transfer::read_sharers,
};
use bytes::Bytes;
use mail::{AccountId, MessageId};
use std::collections::{BTreeMap, BTreeSet};

/// Breaches told; more are counted only.
const TOLD_MAX: usize = 100;
/// Accounts looked at in one page.
const ACCOUNTS_PAGE: usize = 100;
/// Blobs listed in one page.
const BLOBS_PAGE: usize = 10_000;

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Accounts looked at.
    pub accounts: u64,
    /// Commits folded.
    pub commits: u64,
    /// Messages whose record and body were read.
    pub messages: u64,
    /// Octets of those bodies.
    pub octets: u64,
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
        self.octets += other.octets;
        self.breaches += other.breaches;
        let room = TOLD_MAX.saturating_sub(self.told.len());
        self.told.extend(other.told.into_iter().take(room));
    }
}

/// One account being checked.
struct Check<'a> {
    account: &'a Account,
    report: Report,
}

/// Checks one account.
///
/// # Errors
/// The store's, when it cannot be read at all; what does not agree is in the report.
pub async fn account(accounts: &Accounts, id: AccountId) -> Result<Report, Error> {
    let account = accounts.account(id).await?;
    let report = Report { accounts: 1, ..Report::default() };
    let mut check = Check { account: &account, report };
    let messages = {
        let _hold = account.hold().await?;
        let mut folded = check.fold().await?;
        let messages = folded.messages();
        check.counters(&folded).await?;
        check.members(&mut folded).await?;
        check.mailboxes(&mut folded).await?;
        check.names(&mut folded).await?;
        check.annotations(&mut folded).await?;
        check.tombstones(&mut folded).await?;
        check.trash(&mut folded).await?;
        check.records(&messages).await?;
        messages
    };
    check.index().await?;
    check.bodies(&messages).await?;
    Ok(check.report)
}

/// Checks all accounts.
///
/// # Errors
/// As [`account`].
pub async fn all(accounts: &Accounts) -> Result<Report, Error> {
    let mut report = Report::default();
    let mut after = None;
    loop {
        let page = accounts.directory().accounts(after, ACCOUNTS_PAGE).await?;
        let Some(last) = page.last() else { return Ok(report) };
        after = Some(last.id);
        for one in page {
            report.add(account(accounts, one.id).await?);
        }
    }
}

impl Check<'_> {
    fn tell(&mut self, what: impl std::fmt::Display) {
        self.report.tell(format!("account {}: {what}", self.account.id));
    }

    /// All keys of a tag with their values.
    async fn stored(&self, tag: u8) -> Result<Vec<(Bytes, Bytes)>, Error> {
        let mut all = Vec::new();
        let copy = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
        self.account
            .each(tag, |key, value| {
                all.push((copy(key), copy(value)));
                Some(())
            })
            .await?;
        Ok(all)
    }

    async fn fold(&mut self) -> Result<Folded, Error> {
        let mut folded = Folded::default();
        let (mut commits, mut wrong) = (0, Vec::new());
        self.account
            .each(tag::CHANGE, |key, value| {
                let modseq = u64::from_be_bytes(key.try_into().ok()?);
                match change::decode(value) {
                    Some((_, changes)) => wrong.extend(folded.commit(modseq, changes)),
                    None => wrong.push(format!("commit {modseq} cannot be read")),
                }
                commits += 1;
                Some(())
            })
            .await?;
        self.report.commits += commits;
        for what in wrong {
            self.tell(what);
        }
        Ok(folded)
    }

    async fn counters(&mut self, folded: &Folded) -> Result<(), Error> {
        let head = self.account.shared.kv.head(self.account.id.0).await?;
        // The first commit makes the account's key, before there is a log.
        if folded.last != head && head > 1 {
            self.tell(format_args!("the log ends at {}, the head is {head}", folded.last));
        }
        let next = self.account.next_message.load(std::sync::atomic::Ordering::Relaxed);
        if next <= folded.message_max {
            let most = folded.message_max;
            self.tell(format_args!("the next message is {next}, there is one of {most}"));
        }
        let (octets, messages) = {
            let inner = self.account.inner();
            (inner.state.octets, inner.state.messages)
        };
        let sizes: BTreeMap<u32, u32> =
            folded.members.values().map(|member| (member.message, member.octets)).collect();
        let sum = sizes.values().map(|octets| u64::from(*octets)).sum::<u64>();
        if (octets, messages) != (sum, sizes.len() as u64) {
            self.tell(format_args!(
                "{octets} octets of {messages} messages counted, the log says {sum} of {}",
                sizes.len()
            ));
        }
        Ok(())
    }

    async fn members(&mut self, folded: &mut Folded) -> Result<(), Error> {
        let mut wanted = std::mem::take(&mut folded.members);
        let mut bulks: BTreeMap<u32, Vec<Group>> = BTreeMap::new();
        for (key, value) in self.stored(tag::BULK).await? {
            match (keys::mailbox_and_commit_of(&key), bulk::read(&value)) {
                (Some((mailbox, _)), Some(groups)) if folded.mailboxes.contains_key(&mailbox) => {
                    bulks.entry(mailbox).or_default().extend(groups);
                }
                (of, _) => {
                    self.tell(format_args!("flags {of:?} cannot be read or have no mailbox"))
                }
            }
        }
        for (key, value) in self.stored(tag::MEMBER).await? {
            let place = keys::pair(&key);
            let mut stored = place.and_then(|(_, uid)| Member::of_value(uid, &value));
            if let (Some(stored), Some((mailbox, _))) = (&mut stored, place) {
                bulks.get(&mailbox).into_iter().flatten().for_each(|group| group.over(stored));
            }
            let says = place.and_then(|place| wanted.remove(&place));
            if stored.is_none() || stored != says {
                self.tell(format_args!("place {place:?} holds {stored:?}, the log says {says:?}"));
            }
        }
        for place in wanted.keys() {
            self.tell(format_args!("place {place:?} is not stored"));
        }
        Ok(())
    }

    async fn mailboxes(&mut self, folded: &mut Folded) -> Result<(), Error> {
        let mut wanted = std::mem::take(&mut folded.mailboxes);
        for (key, value) in self.stored(tag::MAILBOX).await? {
            let id = keys::number(&key);
            let says = id.and_then(|id| wanted.remove(&id));
            let opens = id.and_then(|id| self.account.open_mailbox(id, &value));
            if says != Some(value) || opens.is_none() {
                self.tell(format_args!("mailbox {id:?} is not as the log says"));
            }
        }
        for id in wanted.keys() {
            self.tell(format_args!("mailbox {id} is not stored"));
        }
        for (key, value) in self.stored(tag::NUMBERS).await? {
            let id = keys::number(&key);
            let next = id.and_then(|id| folded.uid_next.get(&id)).copied();
            if Numbers::read(&value).is_none_or(|n| next.is_none_or(|next| n.uid_next > next)) {
                self.tell(format_args!("numbers of mailbox {id:?} are not as the log says"));
            }
        }
        for (id, next) in &folded.uid_next {
            let info = self.account.mailbox_by_id(mail::MailboxId(*id));
            if info.is_none_or(|info| info.uid_next.0 != *next) {
                self.tell(format_args!(
                    "mailbox {id}: the next Uid is not {next}, as the log says"
                ));
            }
        }
        Ok(())
    }

    async fn names(&mut self, folded: &mut Folded) -> Result<(), Error> {
        let mut wanted = std::mem::take(&mut folded.subscriptions);
        for (key, value) in self.stored(tag::SUBSCRIPTION).await? {
            let hash = key.as_ref().try_into().ok().map(u64::from_be_bytes);
            if hash.and_then(|hash| wanted.remove(&hash)) != Some(value) {
                self.tell(format_args!("subscription {hash:?} is not as the log says"));
            }
        }
        for hash in wanted.keys() {
            self.tell(format_args!("subscription {hash} is not stored"));
        }
        let mut wanted = std::mem::take(&mut folded.keywords);
        for (key, value) in self.stored(tag::KEYWORD).await? {
            let number = keys::number(&key);
            if number.and_then(|number| wanted.remove(&number)) != Some(value) {
                self.tell(format_args!("keyword {number:?} is not as the log says"));
            }
        }
        for number in wanted.keys() {
            self.tell(format_args!("keyword {number} is not stored"));
        }
        Ok(())
    }

    async fn annotations(&mut self, folded: &mut Folded) -> Result<(), Error> {
        let mut wanted = std::mem::take(&mut folded.annotations);
        for (key, value) in self.stored(tag::ANNOTATION).await? {
            let of = keys::mailbox_and_commit_of(&key);
            let opens = of.and_then(|(_, hash)| self.account.open_annotation(hash, &value));
            let stored = Some(self.account.annotation_value_hash(&value));
            if of.and_then(|of| wanted.remove(&of)) != stored || opens.is_none() {
                self.tell(format_args!("annotation {of:?} is not as the log says"));
            }
        }
        for of in wanted.keys() {
            self.tell(format_args!("annotation {of:?} is not stored"));
        }
        Ok(())
    }

    async fn tombstones(&mut self, folded: &mut Folded) -> Result<(), Error> {
        let mut wanted = std::mem::take(&mut folded.tombstones);
        for (key, value) in self.stored(tag::EXPUNGED).await? {
            let of = keys::mailbox_and_commit_of(&key);
            let stored: Option<BTreeSet<_>> =
                crate::edit::read_tombstones(&value).map(|all| all.into_iter().collect());
            if stored.is_none() || of.and_then(|of| wanted.remove(&of)) != stored {
                self.tell(format_args!("tombstones {of:?} are not as the log says"));
            }
        }
        for of in wanted.keys() {
            self.tell(format_args!("tombstones {of:?} are not stored"));
        }
        Ok(())
    }

    async fn trash(&mut self, folded: &mut Folded) -> Result<(), Error> {
        let mut wanted = std::mem::take(&mut folded.trash);
        for (key, value) in self.stored(tag::TRASH).await? {
            let of = keys::trash_of(&key);
            let stored =
                of.zip(crate::trash::Row::read(&value)).map(|((erase_at, _), row)| Thrown {
                    erase_at,
                    mailbox: row.mailbox,
                    system: row.system,
                    keywords: row.keywords,
                });
            let says = of.and_then(|(_, message)| wanted.remove(&message));
            if stored.is_none() || stored != says {
                self.tell(format_args!("trash {of:?} holds {stored:?}, the log says {says:?}"));
            }
        }
        for message in wanted.keys() {
            self.tell(format_args!("message {message} is not in the trash"));
        }
        Ok(())
    }

    /// Every message has a record, every record a message; blobs have as many records as they say,
    /// and none is without.
    async fn records(&mut self, messages: &BTreeSet<u32>) -> Result<(), Error> {
        let mut missing = messages.clone();
        let mut sharers: BTreeMap<u64, u32> = BTreeMap::new();
        for (key, value) in self.stored(tag::RECORD).await? {
            let message = keys::number(&key).unwrap_or_default();
            if !missing.remove(&message) {
                self.tell(format_args!("the record of message {message} has no message"));
            }
            match Record::open(&self.account.seal, message, &value) {
                Ok(record) => *sharers.entry(record.blob()).or_default() += 1,
                Err(error) => self.tell(format_args!("message {message}: {error}")),
            }
        }
        for message in missing {
            self.tell(format_args!("message {message} has no record"));
        }
        for (key, value) in self.stored(tag::SAVED).await? {
            let message = key.first_chunk().map(|message| u32::from_be_bytes(*message));
            if message.is_none_or(|message| !messages.contains(&message)) {
                self.tell(format_args!("a save date has no message {message:?}"));
            }
            if saved::read(&value).is_none() {
                self.tell(format_args!("the save date of message {message:?} cannot be read"));
            }
        }
        for (key, value) in self.stored(tag::EXPLAINED).await? {
            let message = keys::number(&key);
            if message.is_none_or(|message| !messages.contains(&message)) {
                self.tell(format_args!("why message {message:?} is there has no message"));
            }
            let number = message.unwrap_or_default().into();
            let plain = self.account.seal.open(Kind::Explained, number, &value).ok();
            if plain.and_then(|plain| Explained::read(&plain)).is_none() {
                self.tell(format_args!("why message {message:?} is there cannot be read"));
            }
        }
        let mut after = None;
        loop {
            let id = self.account.id.0;
            let page = self.account.shared.blobs.list(id, after, BLOBS_PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(*last);
            for blob in page {
                // Chunks of the full-text index that no segment has are dropped when it is next
                // worked on.
                if !sharers.contains_key(&blob) && blob < keys::SEGMENTS_FROM {
                    self.tell(format_args!("blob {blob} has no message"));
                }
            }
        }
        sharers.retain(|_, count| *count > 1);
        for (key, value) in self.stored(tag::SHARED).await? {
            let blob = key.as_ref().try_into().ok().map(u64::from_be_bytes);
            let count = blob.and_then(|blob| sharers.remove(&blob));
            if count.is_none() || count != read_sharers(&value) {
                self.tell(format_args!("blob {blob:?} is not shared by as many as it says"));
            }
        }
        for blob in sharers.keys() {
            self.tell(format_args!("blob {blob} is shared and does not say so"));
        }
        Ok(())
    }

    /// Every segment of the full-text index opens. Nothing is lost with one that does not: its
    /// messages are read when searched, and the server makes it anew.
    async fn index(&mut self) -> Result<(), Error> {
        for place in self.segments().await?.unwrap_or_default() {
            match self.account.verify_segment(place).await {
                Ok(()) => {}
                Err(error @ Error::Damaged(_)) => {
                    // What a merge made superfluous meanwhile is no damage.
                    if self.segments().await?.is_some_and(|all| all.contains(&place)) {
                        let number = place.number;
                        self.tell(format_args!("search segment {number}: {error}; run reindex"));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn segments(&mut self) -> Result<Option<Vec<Place>>, Error> {
        let value = self.account.shared.kv.get(self.account.id.0, keys::index().bytes()).await?;
        let Some(value) = value else { return Ok(None) };
        let manifest = Manifest::read(&value);
        if manifest.is_none() {
            self.tell("the list of search segments cannot be read; run reindex");
        }
        Ok(manifest.map(|manifest| manifest.places))
    }

    /// Every body opens and has the size that its record says.
    async fn bodies(&mut self, messages: &BTreeSet<u32>) -> Result<(), Error> {
        let ids: Vec<MessageId> = messages.iter().copied().map(MessageId).collect();
        for page in ids.chunks(RECORDS_PAGE) {
            let records = match self.account.records(page).await {
                Ok(records) => records,
                // Told above.
                Err(Error::Damaged(_)) => continue,
                Err(error) => return Err(error),
            };
            // A record that is gone by now was erased meanwhile: that there was one was seen above.
            for (message, record) in page.iter().zip(records) {
                let Some(record) = record else { continue };
                self.report.messages += 1;
                self.report.octets += u64::from(record.octets());
                match self.account.body(&record, 0..u32::MAX).await {
                    Ok(_) => {}
                    Err(error @ Error::Damaged(_)) => {
                        if self.account.records(&[*message]).await?.iter().any(Option::is_some) {
                            self.tell(format_args!("message {message}: {error}"));
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

/// A key that tests damage.
#[doc(hidden)]
#[must_use]
pub fn member_key(mailbox: u32, uid: u32) -> Bytes {
    keys::member(mailbox, uid).bytes()
}
