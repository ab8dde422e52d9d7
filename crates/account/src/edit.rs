//! What a view changes: flags, copies, moves, expunges. Each is one commit.

use crate::{
    Account, Copied, Error, FlagChange, FlagOp, Numbers, Refused, Stored, View,
    account::{Draft, Inner},
    append::settable,
    change::Change,
    keys,
    plan::Effective,
    state::{Applied, DELETED, Entry},
    view::{member, tombstones},
};
use mail::{MailboxId, MessageId, ModSeq, NumberSet, Uid, UidValidity};
use std::sync::Arc;

impl View {
    fn writable(&self) -> Result<(), Error> {
        if self.read_only() { Err(Refused::ReadOnly.into()) } else { Ok(()) }
    }

    /// Changes flags in one commit. Rows gone meanwhile are left out. The answer tells all: the
    /// view's own later polls do not tell of it.
    ///
    /// # Errors
    /// [`Refused::ReadOnly`], [`Refused::Limit`] of keywords; the store's.
    pub async fn store(
        &mut self,
        set: &NumberSet,
        numbers: Numbers,
        change: &FlagChange,
    ) -> Result<Stored, Error> {
        self.writable()?;
        let account = Arc::clone(&self.account);
        let (flight, targets, modified) = {
            let mut guard = account.inner();
            let inner = &mut *guard;
            self.digest(&inner.state);
            let mut draft = Draft::new();
            let wanted = account.keyword_numbers(inner, &change.flags.keywords, &mut draft)?;
            let mut targets = NumberSet::default();
            let mut modified = NumberSet::default();
            for (_, now) in self.entries(inner, set, numbers) {
                let uid = now.entry.uid;
                if change.unchanged_since.is_some_and(|since| now.modseq > since.0) {
                    modified.push(uid);
                    continue;
                }
                targets.push(uid);
                account.draft_flags(inner, &mut draft, self.mailbox, &now, (change, &wanted));
            }
            let flight = match draft.changes.is_empty() {
                true => None,
                false => Some(account.commit(inner, draft)?),
            };
            (flight, targets, modified)
        };
        if let Some(flight) = &flight {
            self.answered(flight.modseq);
            account.landed(flight).await?;
        }
        let rows = self.rows(&targets, Numbers::Uid, 1, usize::MAX);
        Ok(Stored { rows, modified, modseq: flight.map(|flight| ModSeq(flight.modseq)) })
    }

    /// Copies messages, all in one commit; flags and INTERNALDATE come along, `\Deleted` does not.
    ///
    /// # Errors
    /// [`Refused::NoSuchMailbox`], [`Refused::Limit`], [`Refused::OverQuota`]; the store's.
    pub async fn copy(
        &mut self,
        set: &NumberSet,
        numbers: Numbers,
        to: MailboxId,
    ) -> Result<Copied, Error> {
        self.transfer(set, numbers, to, false).await
    }

    /// Moves messages, all in one commit (RFC 6851).
    ///
    /// # Errors
    /// As [`View::copy`], and [`Refused::ReadOnly`].
    pub async fn move_to(
        &mut self,
        set: &NumberSet,
        numbers: Numbers,
        to: MailboxId,
    ) -> Result<Copied, Error> {
        self.writable()?;
        self.transfer(set, numbers, to, true).await
    }

    async fn transfer(
        &mut self,
        set: &NumberSet,
        numbers: Numbers,
        to: MailboxId,
        leave: bool,
    ) -> Result<Copied, Error> {
        let account = Arc::clone(&self.account);
        let twins = self.twins(set, numbers, to, leave).await?;
        let (flight, uid_validity, pairs) = {
            let mut guard = account.inner();
            let inner = &mut *guard;
            self.digest(&inner.state);
            let target = inner.state.mailboxes.get(&to.0).ok_or(Refused::NoSuchMailbox)?;
            let uid_validity = UidValidity(target.record.uid_validity);
            let mut draft = Draft::new();
            let (mut pairs, mut gone) = (Vec::new(), Vec::new());
            for (_, now) in self.entries(inner, set, numbers) {
                let uid = inner.plan.uid(&inner.state, to.0).ok_or(Refused::Limit)?;
                let source = (self.mailbox, now.entry.uid);
                if !account.draft_copy(inner, &mut draft, &now, (source, (to.0, uid), &twins))? {
                    continue;
                }
                pairs.push((Uid(now.entry.uid), Uid(uid)));
                if leave {
                    inner.plan.gone(source);
                    draft.delete(keys::member(source.0, source.1));
                    let message = now.entry.message;
                    let (mailbox, uid) = source;
                    draft.change(Change::Expunged { mailbox, uid, message });
                    gone.push((uid, message));
                }
            }
            if pairs.is_empty() {
                return Ok(Copied { uid_validity, pairs, modseq: None });
            }
            account.room(inner, draft.weight.0, draft.weight.1)?;
            if !gone.is_empty() {
                let key = keys::expunged(self.mailbox, inner.plan.modseq + 1);
                draft.put(key, tombstones(&gone));
            }
            (account.commit(inner, draft)?, uid_validity, pairs)
        };
        account.landed(&flight).await?;
        Ok(Copied { uid_validity, pairs, modseq: Some(ModSeq(flight.modseq)) })
    }

    /// Messages of the set that are in the target already: a copy of those is a message of its own
    /// with the same body. Gives (message, the twin's id and sealed record and blob).
    async fn twins(
        &mut self,
        set: &NumberSet,
        numbers: Numbers,
        to: MailboxId,
        leave: bool,
    ) -> Result<Vec<Twin>, Error> {
        let account = Arc::clone(&self.account);
        let wanted: Vec<MessageId> = {
            let inner = account.inner();
            self.digest(&inner.state);
            let same = self.mailbox == to.0;
            let entries = self.entries(&inner, set, numbers);
            let there = |entry: &Entry| {
                same && !leave || !same && account.is_in(&inner, entry.message, to.0)
            };
            entries
                .iter()
                .filter(|(_, e)| there(&e.entry))
                .map(|(_, e)| MessageId(e.entry.message))
                .collect()
        };
        let mut twins = Vec::with_capacity(wanted.len());
        for record in account.records(&wanted).await?.into_iter().flatten() {
            let message = account.take_messages(1)?;
            let blob = record.blob();
            let key = keys::shared(blob);
            let shared = account.shared.kv.get(account.id.0, key).await?;
            let shared = shared.and_then(|v| v.as_ref().try_into().ok().map(u32::from_be_bytes));
            twins.push(Twin {
                of: record.message().0,
                message,
                record: record
                    .reseal(&account.seal, message, account.shared.options.zstd_level)?
                    .into(),
                blob,
                sharers: shared.unwrap_or(1),
            });
        }
        Ok(twins)
    }

    /// Expunges the messages that have `\Deleted` (of `uids` if given) in one commit. The view is
    /// told by its next poll.
    ///
    /// # Errors
    /// [`Refused::ReadOnly`]; the store's.
    pub async fn expunge(&mut self, uids: Option<&NumberSet>) -> Result<Option<ModSeq>, Error> {
        self.writable()?;
        let all = NumberSet::of([(1, u32::MAX - 1)]);
        self.leave(uids.unwrap_or(&all), true).await
    }

    /// Expunges these Uids whatever their flags, in one commit (POP3 QUIT, JMAP destroy).
    ///
    /// # Errors
    /// The store's.
    pub async fn erase(&mut self, uids: &NumberSet) -> Result<Option<ModSeq>, Error> {
        self.leave(uids, false).await
    }

    async fn leave(&mut self, uids: &NumberSet, marked: bool) -> Result<Option<ModSeq>, Error> {
        let account = Arc::clone(&self.account);
        let flight = {
            let mut guard = account.inner();
            let inner = &mut *guard;
            self.digest(&inner.state);
            let mut draft = Draft::new();
            let mut gone = Vec::new();
            let Some(mailbox) = inner.state.mailboxes.get(&self.mailbox) else {
                return Err(Refused::NoSuchMailbox.into());
            };
            let name = mailbox.record.name.clone();
            for (_, now) in self.entries(inner, uids, Numbers::Uid) {
                if marked && now.system & DELETED == 0 {
                    continue;
                }
                let (mailbox, uid, message) = (self.mailbox, now.entry.uid, now.entry.message);
                inner.plan.gone((mailbox, uid));
                draft.delete(keys::member(mailbox, uid));
                draft.change(Change::Expunged { mailbox, uid, message });
                let others = inner.state.memberships(message, (mailbox, uid));
                let last = others.iter().all(|one| inner.plan.is_gone(*one));
                if last {
                    account.draft_trash(&mut draft, message, &name);
                }
                gone.push((uid, message));
            }
            if gone.is_empty() {
                return Ok(None);
            }
            let key = keys::expunged(self.mailbox, inner.plan.modseq + 1);
            draft.put(key, tombstones(&gone));
            account.commit(inner, draft)?
        };
        account.landed(&flight).await?;
        Ok(Some(ModSeq(flight.modseq)))
    }
}

/// A message made by copying one into a mailbox that has it already.
struct Twin {
    of: u32,
    message: u32,
    record: bytes::Bytes,
    blob: u64,
    sharers: u32,
}

type Places<'a> = ((u32, u32), (u32, u32), &'a [Twin]);

impl Account {
    /// Whether the mailbox has the message or will have it.
    fn is_in(&self, inner: &Inner, message: u32, mailbox: u32) -> bool {
        let many = inner.state.many.get(&message);
        many.is_some_and(|all| all.iter().any(|(other, _)| *other == mailbox))
            || inner.plan.is_copied(message, mailbox)
    }

    fn draft_flags(
        &self,
        inner: &mut Inner,
        draft: &mut Draft,
        mailbox: u32,
        now: &Effective,
        (change, wanted): (&FlagChange, &[u32]),
    ) {
        let old = inner.state.keywords.numbers_of(now.keywords).to_vec();
        let asked = settable(change.flags.system);
        let (system, mut keywords) = match change.op {
            FlagOp::Replace => (asked, wanted.to_vec()),
            FlagOp::Add => (now.system | asked, [old.as_slice(), wanted].concat()),
            FlagOp::Remove => {
                let kept = old.iter().filter(|number| !wanted.contains(number));
                (now.system & !asked, kept.copied().collect())
            }
        };
        keywords.sort_unstable();
        keywords.dedup();
        let modseq = inner.plan.modseq + 1;
        let membership = (mailbox, now.entry.uid);
        let mut written = vec![membership];
        let mut touched = false;
        if system & !DELETED != now.system & !DELETED || keywords != old {
            touched = true;
            let message = now.entry.message;
            let set = inner.state.keywords.set(keywords.clone());
            inner.plan.flags(message, system & !DELETED, set, modseq);
            written = inner.state.memberships(message, membership);
            let shared = system & !DELETED;
            let change = Change::Flags { message, system: shared, keywords: keywords.clone() };
            draft.changes.push(Applied { known: membership, ..Applied::from(change) });
        }
        if system & DELETED != now.system & DELETED {
            touched = true;
            let set = system & DELETED != 0;
            inner.plan.deleted(membership, set, modseq);
            draft.change(Change::Deleted { mailbox, uid: now.entry.uid, set });
        }
        if !touched {
            return;
        }
        for (mailbox, uid) in written {
            let found = inner.state.mailboxes.get(&mailbox).and_then(|m| m.entry(uid));
            let Some(entry) = found.and_then(|entry| inner.plan.effective(mailbox, entry)) else {
                continue;
            };
            let value = member(&entry.entry, (uid, modseq), entry.system, keywords.clone());
            draft.put(keys::member(mailbox, uid), value.value());
        }
    }

    /// Gives false when the message turns out to be in the target meanwhile.
    fn draft_copy(
        &self,
        inner: &mut Inner,
        draft: &mut Draft,
        now: &Effective,
        (source, (to, uid), twins): Places<'_>,
    ) -> Result<bool, Error> {
        let keywords = inner.state.keywords.numbers_of(now.keywords).to_vec();
        let modseq = inner.plan.modseq + 1;
        let mut member = member(&now.entry, (uid, modseq), now.system & !DELETED, keywords);
        let twin = twins.iter().find(|twin| twin.of == now.entry.message);
        let known = source;
        let shares = twin.is_none();
        if let Some(twin) = twin {
            member.message = twin.message;
            draft.put(keys::record(twin.message), twin.record.clone());
            let sharers = twin.sharers.saturating_add(1).to_be_bytes();
            draft.put(keys::shared(twin.blob), bytes::Bytes::copy_from_slice(&sharers));
            draft.weight.0 += u64::from(member.octets);
            draft.weight.1 += 1;
        } else if source.0 != to && self.is_in(inner, now.entry.message, to) {
            // It came there while its twin was looked for: the client may ask again.
            return Err(Refused::Cannot.into());
        } else {
            inner.plan.copied(now.entry.message, to, modseq);
        }
        draft.put(keys::member(to, uid), member.value());
        let change = Change::Added { mailbox: to, member };
        draft.changes.push(Applied { known, shares, ..Applied::from(change) });
        Ok(true)
    }
}
