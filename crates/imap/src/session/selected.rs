//! What SELECT says of its mailbox (RFC 9051 §6.3.2, RFC 3501 §6.3.1, RFC 7162 §3.1.2,
//! RFC 8474 §4.2).

use super::{Session, State};
use crate::effect::{Enabled, Selected};
use crate::reply::{ListLine, decimal};

impl Session {
    /// The untagged lines, and the state.
    pub(super) fn write_selected(&mut self, selected: &Selected) {
        let Enabled { rev2, uidonly, .. } = self.enabled;
        let mut reply = self.reply();
        reply.flags(&selected.keywords, selected.permanent);
        reply.exists(selected.exists);
        reply.recent(selected.recent);
        if let Some(seq) = selected.first_unseen.filter(|_| !rev2 && !uidonly) {
            self.write_number(b"* OK [UNSEEN ", seq.into(), b"] First unseen message\r\n");
        }
        // Quirks 9 and 18: always, and never 0.
        self.write_number(
            b"* OK [UIDVALIDITY ",
            selected.uid_validity.into(),
            b"] UIDs are valid\r\n",
        );
        self.write_number(b"* OK [UIDNEXT ", selected.uid_next.into(), b"] Predicted next UID\r\n");
        self.write_highest_modseq(selected.highest_modseq);
        self.put(b"* OK [MAILBOXID (");
        self.put(selected.mailbox_id.as_bytes());
        self.put(b")] Mailbox id\r\n");
        if rev2 {
            let mailbox = selected.mailbox.as_str();
            let line = ListLine { separator: Some('/'), mailbox, ..ListLine::default() };
            self.reply().list(&line);
        }
        self.state = State::Selected {
            read_only: selected.read_only,
            highest_modseq: selected.highest_modseq,
        };
    }

    /// With text behind it, which some clients need (quirk 18).
    pub(super) fn write_highest_modseq(&mut self, modseq: u64) {
        self.write_number(b"* OK [HIGHESTMODSEQ ", modseq, b"] Highest mod-sequence\r\n");
    }

    fn write_number(&mut self, start: &[u8], number: u64, end: &[u8]) {
        self.put(start);
        decimal(&mut self.outbox, number);
        self.put(end);
    }
}
