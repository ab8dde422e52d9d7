//! Copies and moves: another membership of the same message. A message that the target has already
//! gets a twin: a message of its own with the same record and blob.

use crate::{
    Account, Copied, Error, Numbers, Refused, View,
    account::{Inner, Sent},
    codec::Writer,
    draft::Draft,
    edit::{finish_expunge, leave},
    keys,
    plan::Effective,
    state::{DELETED, Entry},
};
use mail::{MailboxId, MessageId, ModSeq, NumberSet, Uid, UidValidity};
use std::{collections::HashMap, sync::Arc};

/// What is transferred where.
#[derive(Clone, Copy)]
struct Transfer<'a> {
    set: &'a NumberSet,
    numbers: Numbers,
    from: u32,
    to: u32,
    /// Leave the source (MOVE).
    leave: bool,
}

/// A message made by copying one into a mailbox that has it already.
struct Twin {
    message: u32,
    record: Vec<u8>,
}

/// Twins by the message that each is of, and how many messages share each blob then.
#[derive(Default)]
struct Twins {
    by_message: HashMap<u32, Twin>,
    sharers: HashMap<u64, u32>,
}

/// What came of planning.
enum Planned {
    Done(Option<Sent>, UidValidity, Vec<(Uid, Uid)>),
    /// The target has some of the messages: twins are needed.
    NeedsTwins,
}

impl View {
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
        let (from, to) = (self.mailbox, to.0);
        self.transfer(Transfer { set, numbers, from, to, leave: false }).await
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
        let (from, to) = (self.mailbox, to.0);
        self.transfer(Transfer { set, numbers, from, to, leave: true }).await
    }

    async fn transfer(&mut self, transfer: Transfer<'_>) -> Result<Copied, Error> {
        let account = Arc::clone(&self.account);
        let planned = {
            let mut guard = account.turn().await?;
            self.plan_transfer(&mut guard, transfer, &Twins::default())?
        };
        let planned = match planned {
            Planned::Done(..) => planned,
            Planned::NeedsTwins => {
                // Records are read meanwhile: nothing else may change what they are of.
                let _hold = account.hold().await?;
                let twins = self.twins(transfer).await?;
                self.plan_transfer(&mut account.inner(), transfer, &twins)?
            }
        };
        let Planned::Done(sent, uid_validity, pairs) = planned else {
            return Err(Error::Damaged("a twin is missing".to_owned()));
        };
        let Some(sent) = sent else { return Ok(Copied { uid_validity, pairs, modseq: None }) };
        sent.landed().await?;
        Ok(Copied { uid_validity, pairs, modseq: Some(ModSeq(sent.modseq)) })
    }

    fn plan_transfer(
        &self,
        inner: &mut Inner,
        transfer: Transfer<'_>,
        twins: &Twins,
    ) -> Result<Planned, Error> {
        let target = inner.state.mailboxes.get(&transfer.to).ok_or(Refused::NoSuchMailbox)?;
        let uid_validity = UidValidity(target.record.uid_validity);
        let rows = self.effective(inner, transfer.set, transfer.numbers);
        if rows.is_empty() {
            return Ok(Planned::Done(None, uid_validity, Vec::new()));
        }
        let lacks_twin = |now: &Effective| {
            is_there(inner, transfer, now) && !twins.by_message.contains_key(&now.entry.message)
        };
        if rows.iter().any(lacks_twin) {
            return Ok(Planned::NeedsTwins);
        }
        let count = u32::try_from(rows.len()).map_err(|_| Error::from(Refused::Limit))?;
        let first = inner.plan.uid_next(&inner.state, transfer.to);
        first.checked_add(count).ok_or(Refused::Limit)?;
        let twinned: Vec<_> = rows.iter().filter(|now| is_there(inner, transfer, now)).collect();
        let octets = twinned.iter().map(|now| u64::from(now.entry.octets)).sum();
        inner.room(octets, twinned.len() as u64)?;
        let mut draft = self.account.draft(inner);
        draft.taken = (octets, twinned.len() as u64);
        let (mut pairs, mut gone) = (Vec::new(), Vec::new());
        for (now, uid) in rows.iter().zip(first..) {
            copy(inner, &mut draft, (transfer, now, uid), twins);
            pairs.push((Uid(now.entry.uid), Uid(uid)));
            if transfer.leave {
                leave(&mut draft, transfer.from, now);
                gone.push((now.entry.uid, now.entry.message));
            }
        }
        if !gone.is_empty() {
            // All of them are in the target: nothing goes to the trash.
            finish_expunge(&mut draft, transfer.from, &gone, 0);
        }
        for (blob, sharers) in &twins.sharers {
            draft.put_with(keys::shared(*blob), |to| write_sharers(*sharers, to));
        }
        Ok(Planned::Done(Some(self.account.commit(inner, draft)), uid_validity, pairs))
    }

    /// Makes twins of the messages that the target has. The account must be held.
    async fn twins(&self, transfer: Transfer<'_>) -> Result<Twins, Error> {
        let account = &self.account;
        let wanted: Vec<MessageId> = {
            let inner = account.inner();
            let rows = self.effective(&inner, transfer.set, transfer.numbers);
            let there = rows.iter().filter(|now| is_there(&inner, transfer, now));
            there.map(|now| MessageId(now.entry.message)).collect()
        };
        let level = account.shared.options.zstd_level;
        let mut twins = Twins::default();
        let records = account.records(&wanted).await?;
        let first = account.take_messages(wanted.len())?;
        for ((of, record), message) in wanted.iter().zip(records).zip(first..) {
            let Some(record) = record else {
                return Err(Error::Damaged(format!("message {of} has no record")));
            };
            let blob = record.blob();
            let sharers = match twins.sharers.get(&blob) {
                Some(sharers) => *sharers,
                None => account.sharers(blob).await?,
            };
            twins.sharers.insert(blob, sharers.saturating_add(1));
            let record = record.reseal(&account.seal, message, level)?;
            twins.by_message.insert(of.0, Twin { message, record });
        }
        Ok(twins)
    }
}

/// Whether the target will have the message, apart from the place that it leaves.
fn is_there(inner: &Inner, transfer: Transfer<'_>, now: &Effective) -> bool {
    let source = (transfer.from, now.entry.uid);
    let mut all = inner.plan.memberships(&inner.state, now.entry.message, source);
    all.any(|one| one.0 == transfer.to && !(transfer.leave && one == source))
}

fn copy(
    inner: &Inner,
    draft: &mut Draft,
    (transfer, now, uid): (Transfer<'_>, &Effective, u32),
    twins: &Twins,
) {
    let flags = Entry::with_flags(now.system & !DELETED, now.keywords);
    let mut entry = Entry { uid, flags, modseq: draft.modseq, ..now.entry };
    let numbers = inner.state.keywords.numbers_of(now.keywords);
    if is_there(inner, transfer, now)
        && let Some(twin) = twins.by_message.get(&now.entry.message)
    {
        entry.message = twin.message;
        draft.put(keys::record(twin.message), &twin.record);
        draft.add(transfer.to, entry, numbers);
        draft.save(twin.message, transfer.to, uid);
    } else {
        draft.join((transfer.to, entry), numbers, (transfer.from, now.entry.uid));
    }
}

/// How many messages share a blob, as a value.
pub(crate) fn write_sharers(sharers: u32, to: &mut Writer) {
    to.number(sharers.into());
}

impl Account {
    /// How many messages share a blob.
    pub(crate) async fn sharers(&self, blob: u64) -> Result<u32, Error> {
        let value = self.shared.kv.get(self.id.0, keys::shared(blob).bytes()).await?;
        let damaged = || Error::Damaged(format!("account {}: sharers of blob {blob}", self.id));
        value.map_or(Ok(1), |value| read_sharers(&value).ok_or_else(damaged))
    }
}

/// Reads what [`write_sharers`] wrote.
pub(crate) fn read_sharers(value: &[u8]) -> Option<u32> {
    crate::codec::Reader(value).number32()
}
