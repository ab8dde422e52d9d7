//! STORE, and the FETCH lines that answer it (RFC 9051 §6.4.6, RFC 7162 §3.1.3).

use super::{PIECE_OCTETS, Selected, refusal::Stop, tell::FlagLine, uid_set};
use account::{FlagChange, FlagOp, Numbers, Row};
use imap::{
    Session,
    effect::Done,
    types::{SequenceSet, StoreOp},
};
use mail::{Flags, ModSeq, NumberSet};

/// Messages changed in one commit; beyond it a STORE takes several.
const MESSAGES_MAX: usize = 65_536;

/// The command.
pub(super) struct Asked {
    pub set: SequenceSet,
    pub uid: bool,
    pub op: StoreOp,
    pub silent: bool,
    pub flags: Flags,
    pub unchanged_since: Option<ModSeq>,
}

/// A STORE between two pieces of its answer.
pub(super) struct Storing {
    set: NumberSet,
    numbers: Numbers,
    uid: bool,
    silent: bool,
    change: FlagChange,
    /// Where the next commit's messages begin.
    next: u32,
    /// Rows still to be told.
    rows: std::vec::IntoIter<Row>,
    /// Uids or sequence numbers left alone because of UNCHANGEDSINCE.
    modified: Vec<u32>,
}

impl Storing {
    pub fn new(selected: &mut Selected, asked: Asked) -> Self {
        let (set, numbers) = selected.resolve(&asked.set, asked.uid);
        let op = match asked.op {
            StoreOp::Replace => FlagOp::Replace,
            StoreOp::Add => FlagOp::Add,
            StoreOp::Remove => FlagOp::Remove,
        };
        let unchanged_since = asked.unchanged_since;
        Self {
            set,
            numbers,
            uid: asked.uid,
            silent: asked.silent,
            change: FlagChange { op, flags: asked.flags, unchanged_since },
            next: 1,
            rows: Vec::new().into_iter(),
            modified: Vec::new(),
        }
    }

    pub async fn step(
        &mut self,
        session: &mut Session,
        selected: &mut Selected,
    ) -> Result<Done, Stop> {
        let enabled = session.enabled();
        // RFC 7162 §3.1.3: MODSEQ is told even of a STORE that is .SILENT.
        let line = FlagLine {
            uid: self.uid || enabled.qresync,
            flags: !self.silent,
            modseq: enabled.condstore,
        };
        loop {
            if line.flags || line.modseq {
                for row in self.rows.by_ref() {
                    line.write(session, &row);
                    if session.reply().pending_octets() >= PIECE_OCTETS {
                        return Ok(Done::More);
                    }
                }
            }
            if !self.commit(session, selected).await? {
                break;
            }
        }
        let modified = NumberSet::of_numbers(self.modified.iter().copied());
        let code = (!modified.is_empty()).then(|| format!("MODIFIED {modified}"));
        Ok(Done::Ok(code))
    }

    /// Changes the next messages. Whether there were any.
    async fn commit(
        &mut self,
        session: &mut Session,
        selected: &mut Selected,
    ) -> Result<bool, Stop> {
        let view = &mut selected.view;
        let rows = view.rows(&self.set, self.numbers, self.next, MESSAGES_MAX);
        let Some(last) = rows.last() else { return Ok(false) };
        self.next = last.sequence.saturating_add(1);
        let uids = uid_set(rows.iter().map(|row| row.uid));
        let stored = view.store(&uids, Numbers::Uid, &self.change).await?;
        selected.note_changed(&stored.rows);
        if self.uid {
            self.modified.extend(stored.modified.iter());
        } else {
            let left = rows.iter().filter(|row| stored.modified.contains(row.uid.0));
            self.modified.extend(left.map(|row| row.sequence));
        }
        let mut told = stored.rows;
        if self.silent {
            // Of messages that did not change there is nothing to tell.
            told.retain(|row| Some(row.modseq) == stored.modseq);
        }
        if !self.change.flags.keywords.is_empty() {
            selected.tell_keywords(session);
        }
        self.rows = told.into_iter();
        Ok(true)
    }
}
