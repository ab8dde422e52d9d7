//! COPY, MOVE, EXPUNGE (RFC 9051 §6.4.7, §6.4.8, §6.4.3, §6.4.9): one commit each.

use super::{Imap, mailbox, refusal::Stop, uid_set};
use account::{Copied, Refused};
use imap::{
    Session,
    effect::{Done, Refusal},
    types::SequenceSet,
};

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
        let name = mailbox::name(&asked.mailbox)?;
        let target = self.account()?.mailbox(&name).ok_or(Refusal::NoSuchMailbox)?;
        let selected = self.selected.as_deref_mut().ok_or(Refusal::Bug)?;
        let (set, numbers) = selected.resolve(&asked.set, asked.uid);
        let view = &mut selected.view;
        let copied = if asked.remove {
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

/// COPYUID (RFC 4315 §3); `None` when nothing was copied.
fn copy_uid(copied: &Copied) -> Option<String> {
    if copied.pairs.is_empty() {
        return None;
    }
    let from = uid_set(copied.pairs.iter().map(|(source, _)| *source));
    let to = uid_set(copied.pairs.iter().map(|(_, target)| *target));
    Some(format!("COPYUID {} {from} {to}", copied.uid_validity))
}
