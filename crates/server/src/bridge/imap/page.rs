//! Pages of messages for FETCH: rows, their records, small bodies. While a page is being sent, the
//! next one is read.
//!
//! Invariants: `\Seen` is committed before the page that tells of it is handed out; a page holds at
//! most [`BODIES_OCTETS_MAX`] of bodies, so a client that does not read holds two of them.

use super::{Selected, refusal::Stop, uid_set};
use account::{Account, Error, FlagChange, FlagOp, Numbers, Record, Row};
use bytes::Bytes;
use imap::types::{FetchItem, SectionText};
use mail::{Flags, MailboxId, ModSeq, NumberSet, SystemFlags};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Rows of a page when nothing but rows is needed.
const ROWS_MAX: usize = 1_024;
/// Rows of a page when their records are needed too.
const RECORDS_MAX: usize = 256;
/// Rows marked `\Seen` at once: the client may leave before it gets the last of them.
const SEEN_MAX: usize = 64;
/// Octets of the bodies of a page.
const BODIES_OCTETS_MAX: u32 = 256 << 10;
/// Octets of a body that is read with its page; larger ones are read as they are sent.
const BODY_OCTETS_MAX: u32 = 64 << 10;

/// What the items of a FETCH need.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Needs {
    pub record: bool,
    /// When it was saved.
    pub saved: bool,
    /// All of the body, or nearly so.
    pub body: bool,
    /// `\Seen` is set.
    pub seen: bool,
    /// FLAGS is among them.
    pub flags: bool,
    /// MODSEQ is to be added.
    pub modseq: bool,
}

impl Needs {
    pub fn of(items: &[FetchItem], condstore: bool) -> Self {
        let mut needs = Self { modseq: condstore, ..Self::default() };
        for item in items {
            match item {
                FetchItem::Flags => needs.flags = true,
                FetchItem::ModSeq => needs.modseq = false,
                FetchItem::SaveDate => (needs.record, needs.saved) = (true, true),
                FetchItem::InternalDate
                | FetchItem::Uid
                | FetchItem::Rfc822Size
                | FetchItem::EmailId
                | FetchItem::ThreadId => {}
                FetchItem::Envelope
                | FetchItem::Body
                | FetchItem::BodyStructure
                | FetchItem::Preview
                | FetchItem::Rfc822Header
                | FetchItem::BinarySize { .. } => needs.record = true,
                FetchItem::Rfc822 | FetchItem::Rfc822Text => {
                    (needs.record, needs.body, needs.seen) = (true, true, true);
                }
                FetchItem::BodySection { section, partial, peek } => {
                    let text = matches!(section.text, SectionText::Whole | SectionText::Text);
                    needs.record = true;
                    needs.body |= text && partial.is_none();
                    needs.seen |= !peek;
                }
                FetchItem::Binary { partial, peek, .. } => {
                    needs.record = true;
                    needs.body |= partial.is_none();
                    needs.seen |= !peek;
                }
            }
        }
        needs
    }
}

/// A message of a page.
pub(super) struct Message {
    pub row: Row,
    pub record: Option<Record>,
    /// When it was copied or moved here, if it was and that is needed.
    pub copied_at: Option<i64>,
    /// All of it, when it is small and needed.
    pub body: Option<Bytes>,
    /// `\Seen` was set just now.
    pub newly_seen: bool,
}

/// Where a FETCH is.
pub(super) struct Pages {
    set: NumberSet,
    numbers: Numbers,
    changed_since: Option<ModSeq>,
    needs: Needs,
    /// Where the next page begins.
    next: u32,
    ahead: Option<JoinHandle<Result<Vec<Message>, Error>>>,
}

impl Pages {
    pub fn new(
        (set, numbers): (NumberSet, Numbers),
        changed_since: Option<ModSeq>,
        needs: Needs,
    ) -> Self {
        Self { set, numbers, changed_since, needs, next: 1, ahead: None }
    }

    /// The next page; empty at the end.
    pub async fn next(&mut self, selected: &mut Selected) -> Result<Vec<Message>, Stop> {
        let place = (Arc::clone(selected.view.account()), selected.view.mailbox());
        let outcome = match self.ahead.take() {
            // A task that panicked is our mistake, and is told as one.
            Some(ahead) => ahead.await.map_err(|error| Error::Damaged(error.to_string()))?,
            None => read(place.clone(), self.rows(selected), self.needs).await,
        };
        let mut page = outcome?;
        if self.needs.record && !page.is_empty() {
            let rows = self.rows(selected);
            if !rows.is_empty() {
                self.ahead = Some(tokio::spawn(read(place, rows, self.needs)));
            }
        }
        if self.needs.seen {
            mark_seen(selected, &mut page).await;
        }
        Ok(page)
    }

    /// Rows of the next page.
    fn rows(&mut self, selected: &mut Selected) -> Vec<Row> {
        let rows_max = match self.needs {
            Needs { seen: true, .. } => SEEN_MAX,
            Needs { record: true, .. } => RECORDS_MAX,
            _ => ROWS_MAX,
        };
        loop {
            let mut rows = selected.view.rows(&self.set, self.numbers, self.next, rows_max);
            let Some(last) = rows.last() else { return rows };
            self.next = last.sequence.saturating_add(1);
            if let Some(since) = self.changed_since {
                rows.retain(|row| row.modseq > since);
            }
            if self.needs.body {
                let kept = within_octets(&rows);
                if let Some(first) = rows.get(kept) {
                    self.next = first.sequence;
                    rows.truncate(kept);
                }
            }
            if !rows.is_empty() {
                return rows;
            }
        }
    }
}

/// How many of the rows make a page, by the octets of their bodies; at least one.
fn within_octets(rows: &[Row]) -> usize {
    let mut octets = 0_u32;
    let fits = |row: &&Row| {
        octets = octets.saturating_add(row.octets);
        octets <= BODIES_OCTETS_MAX
    };
    rows.iter().take_while(fits).count().max(1)
}

/// Reads what a page needs. A message without record was erased meanwhile.
async fn read(
    (account, mailbox): (Arc<Account>, MailboxId),
    rows: Vec<Row>,
    needs: Needs,
) -> Result<Vec<Message>, Error> {
    let records = if needs.record && !rows.is_empty() {
        let ids: Vec<_> = rows.iter().map(|row| row.message).collect();
        account.records(&ids).await?
    } else {
        Vec::new()
    };
    let copied = if needs.saved {
        let places: Vec<_> = rows.iter().map(|row| (row.message, row.uid)).collect();
        account.copied_at(mailbox, &places).await?
    } else {
        Vec::new()
    };
    let (mut records, mut copied) = (records.into_iter(), copied.into_iter());
    let mut page = Vec::with_capacity(rows.len());
    for row in rows {
        let record = records.next().flatten();
        let small = record.as_ref().filter(|_| needs.body && row.octets <= BODY_OCTETS_MAX);
        let body = match small {
            // What cannot be read is met again when it is to be sent, and told then.
            Some(record) => account.body(record, 0..record.octets()).await.ok(),
            None => None,
        };
        let copied_at = copied.next().flatten();
        page.push(Message { row, record, copied_at, body, newly_seen: false });
    }
    Ok(page)
}

/// Sets `\Seen` where it is missing, in one commit, and takes the rows as they are then. A mailbox
/// that cannot be written (disk full) can still be read.
async fn mark_seen(selected: &mut Selected, page: &mut [Message]) {
    let unseen = page.iter().filter(|message| !message.row.system.contains(SystemFlags::SEEN));
    let unseen = uid_set(unseen.map(|message| message.row.uid));
    if unseen.is_empty() {
        return;
    }
    let flags = Flags { system: SystemFlags::SEEN, keywords: Vec::new() };
    let change = FlagChange { op: FlagOp::Add, flags, unchanged_since: None };
    match selected.view.store(&unseen, Numbers::Uid, &change).await {
        Ok(stored) => {
            selected.note_changed(&stored.rows);
            let mut seen = stored.rows.into_iter().peekable();
            for message in page {
                if let Some(row) = seen.next_if(|new| new.uid == message.row.uid) {
                    (message.row, message.newly_seen) = (row, true);
                }
            }
        }
        Err(error) => tracing::warn!(%error, "\\Seen cannot be stored"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail::{MessageId, ThreadId, Uid};

    fn row(octets: u32) -> Row {
        Row {
            sequence: 1,
            uid: Uid(1),
            message: MessageId(1),
            thread: ThreadId(1),
            modseq: ModSeq(1),
            system: SystemFlags::NONE,
            recent: false,
            keywords: Vec::new().into(),
            octets,
            internal_date: 0,
        }
    }

    #[test]
    fn bodies_octets_max() {
        let kept = |octets: &[u32]| {
            within_octets(&octets.iter().map(|octets| row(*octets)).collect::<Vec<_>>())
        };
        assert_eq!(kept(&[BODIES_OCTETS_MAX - 1, 1, 1]), 2);
        assert_eq!(kept(&[BODIES_OCTETS_MAX - 1, 2, 1]), 1);
        // A message that is larger is a page of its own.
        assert_eq!(kept(&[u32::MAX, 1]), 1);
        assert_eq!(kept(&[1, u32::MAX, u32::MAX]), 1);
    }

    #[test]
    fn what_items_need() {
        let of = |items: &[FetchItem]| Needs::of(items, true);
        let none = Needs { modseq: true, ..Needs::default() };
        assert_eq!(of(&[FetchItem::Uid, FetchItem::Rfc822Size]), none);
        assert_eq!(of(&[FetchItem::Flags]), Needs { flags: true, ..none });
        assert_eq!(of(&[FetchItem::ModSeq]), Needs { modseq: false, ..none });
        assert_eq!(of(&[FetchItem::Envelope]), Needs { record: true, ..none });
        assert_eq!(of(&[FetchItem::Rfc822Header]), Needs { record: true, ..none });
        assert_eq!(of(&[FetchItem::SaveDate]), Needs { record: true, saved: true, ..none });
        let all = Needs { record: true, body: true, seen: true, ..none };
        assert_eq!(of(&[FetchItem::Rfc822]), all);
    }
}
