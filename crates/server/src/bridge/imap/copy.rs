//! COPY, MOVE, EXPUNGE (RFC 9051 §6.4.7, §6.4.8, §6.4.3, §6.4.9): one commit each.

use super::{
    Imap,
    append::append_all,
    memory::Memory,
    place::{Place, permanent},
    refusal::Stop,
    uid_set,
};
use account::{Copied, NewMessage, Numbers, Refused, View};
use imap::{
    Session,
    effect::{Done, Refusal},
    types::{Permanent, SequenceSet},
};
use mail::{Flags, MailboxId, NumberSet, Rights, SystemFlags};
use std::sync::Arc;

/// The command.
pub(super) struct Asked {
    pub set: SequenceSet,
    pub uid: bool,
    pub mailbox: String,
    /// MOVE.
    pub remove: bool,
}

impl Imap {
    /// Messages that are gone are left out; when all are, the answer is a plain OK (quirk 4).
    pub(super) async fn copy(&mut self, session: &mut Session, asked: Asked) -> Result<Done, Stop> {
        let place = self.place(&asked.mailbox).await?;
        let target = place.existing(Rights::INSERT)?;
        let selected = self.selected.as_deref_mut().ok_or(Refusal::Bug)?;
        let (set, numbers) = selected.resolve(&asked.set, asked.uid);
        let view = &mut selected.view;
        let copied = if view.account().id() != place.account.id() {
            across(view, (&set, numbers, asked.remove), (&place, target.id), &self.memory).await?
        } else if asked.remove {
            view.move_to(&set, numbers, target.id).await?
        } else {
            view.copy(&set, numbers, target.id).await?
        };
        let Some(code) = copy_uid(&copied) else { return Ok(Done::Ok(None)) };
        if !asked.remove {
            return Ok(Done::Ok(Some(code)));
        }
        // RFC 6851 §4.3: COPYUID comes before the EXPUNGE responses, which the poll at the end of
        // the command sends.
        session.reply().ok(&code, "Messages are moved");
        let modseq = copied.modseq.filter(|_| session.enabled().qresync);
        Ok(Done::Ok(modseq.map(|modseq| format!("HIGHESTMODSEQ {modseq}"))))
    }

    /// The messages are told by the poll at the end of the command.
    pub(super) async fn expunge(
        &mut self,
        session: &mut Session,
        uids: Option<&SequenceSet>,
    ) -> Result<Done, Stop> {
        let selected = self.selected.as_deref_mut().ok_or(Refusal::Bug)?;
        let uids = uids.map(|uids| selected.resolve(uids, true).0);
        let modseq = match selected.view.expunge(uids.as_ref()).await {
            Ok(modseq) => modseq,
            // The poll says so in its own words.
            Err(account::Error::Refused(Refused::NoSuchMailbox)) => None,
            Err(error) => return Err(error.into()),
        };
        // RFC 7162 §3.2.7: "If at least one message got expunged and QRESYNC was enabled, the
        // server MUST send the updated per-mailbox modification sequence".
        let modseq = modseq.filter(|_| session.enabled().qresync);
        Ok(Done::Ok(modseq.map(|modseq| format!("HIGHESTMODSEQ {modseq}"))))
    }
}

/// Into another account: the messages are read and appended there in one commit, with the flags
/// that the user may set there. MOVE takes them away after that: between the two commits they are
/// in both places, never in none.
async fn across(
    view: &mut View,
    (set, numbers, remove): (&NumberSet, Numbers, bool),
    (place, mailbox): (&Place, MailboxId),
    memory: &Memory,
) -> Result<Copied, Stop> {
    let info = place.account.mailbox_by_id(mailbox).ok_or(Refusal::NoSuchMailbox)?;
    let rows = view.rows(set, numbers, 1, usize::MAX);
    let octets: u64 = rows.iter().map(|row| u64::from(row.octets)).sum();
    let _room = memory.reserve(octets).await?;
    let Permanent { system, keywords } = permanent(place.rights);
    let (mut messages, mut uids) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in &rows {
        let record = view.account().records(&[row.message]).await?.pop().flatten();
        // Gone meanwhile: left out, as everywhere.
        let Some(record) = record else { continue };
        let bytes = view.account().body(&record, 0..record.octets()).await?;
        let flags = Flags {
            system: SystemFlags(row.system.0 & system.0 & !SystemFlags::DELETED.0),
            keywords: if keywords { row.keywords.to_vec() } else { Vec::new() },
        };
        let internal_date = Some(row.internal_date);
        messages.push(NewMessage { flags, internal_date, ..NewMessage::new(bytes) });
        uids.push(row.uid);
    }
    if messages.is_empty() {
        return Ok(Copied { uid_validity: info.uid_validity, pairs: Vec::new(), modseq: None });
    }
    let account = Arc::clone(&place.account);
    let appended = append_all(account, mailbox, (messages, octets)).await?;
    let modseq = if remove { view.erase(&uid_set(uids.iter().copied())).await? } else { None };
    let pairs = uids.into_iter().zip(appended.uids).collect();
    Ok(Copied { uid_validity: appended.uid_validity, pairs, modseq })
}

/// COPYUID (RFC 4315 §3); `None` when nothing was copied.
fn copy_uid(copied: &Copied) -> Option<String> {
    if copied.pairs.is_empty() {
        return None;
    }
    let from = uid_set(copied.pairs.iter().map(|(source, _)| *source));
    let to = uid_set(copied.pairs.iter().map(|(_, target)| *target));
    Some(format!("COPYUID {} {from} {to}", copied.uid_validity))
}
