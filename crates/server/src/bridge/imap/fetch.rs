//! FETCH, in pieces (RFC 9051 §6.4.5): pages of rows, records only when an item needs them, bodies
//! chunk by chunk.
//!
//! Invariants: a line that was begun is ended, or the session is aborted; `\Seen` is durable before
//! a line that tells of it; one message that cannot be read does not stop the others.

use super::{
    PIECE_OCTETS, Selected, email_id, foreign_id,
    memory::Memory,
    page::{Message, Needs, Pages},
    refusal::{self, Stop},
    search::part,
    section::{Content, Found, Source},
    select, thread_id,
};
use account::{Account, Numbers, Record, Row};
use imap::{
    FetchWriter, Session,
    effect::{Done, Refusal},
    types::{FetchItem, FetchModifiers, SequenceSet},
};
use mail::{AccountId, EnvelopeRef, Structure, StructureRef};
use std::sync::Arc;

/// The command.
pub(super) struct Asked {
    pub set: SequenceSet,
    pub uid: bool,
    pub items: Vec<FetchItem>,
    pub modifiers: FetchModifiers,
}

/// A FETCH between two pieces.
pub(super) struct Fetching {
    items: Vec<FetchItem>,
    needs: Needs,
    numbers: Numbers,
    pages: Pages,
    page: std::vec::IntoIter<Message>,
    open: Option<Open>,
    /// Whose the messages are, if another's.
    foreign: Option<AccountId>,
    /// What went wrong with some message.
    refusal: Option<Refusal>,
}

/// A message whose line is open.
struct Open {
    message: Message,
    /// The item at hand.
    item: usize,
    /// The rest of the literal at hand.
    content: Option<Content>,
    structure: Option<Structure>,
}

impl Fetching {
    /// Tells what vanished, if that was asked.
    pub async fn new(
        session: &mut Session,
        selected: &mut Selected,
        asked: Asked,
    ) -> Result<Self, Stop> {
        let (set, numbers) = selected.resolve(&asked.set, asked.uid);
        let changed_since = asked.modifiers.changed_since;
        if let Some(since) = changed_since.filter(|_| asked.modifiers.vanished) {
            // `*` reaches to the last Uid that ever was: clients ask for `1:*`, and what vanished
            // may be the end of the mailbox.
            let uid_next = selected.view.info().map_or(1, |info| info.uid_next.0);
            let last = uid_next.saturating_sub(1);
            let known = asked.set.resolve(last).unwrap_or_else(|| set.clone());
            let known = select::between(&known, 1, last);
            let vanished = select::vanished(&mut selected.view, since, &known).await?;
            session.reply().vanished(true, &vanished);
        }
        let chosen = match asked.modifiers.partial {
            Some(window) => {
                let all = selected.view.sequences(&set, numbers);
                (part(&all, window.places(all.len())), Numbers::Sequence)
            }
            None => (set, numbers),
        };
        let mut needs = Needs::of(&asked.items, session.enabled().condstore);
        needs.seen &= !selected.view.read_only();
        Ok(Self {
            items: asked.items,
            needs,
            numbers,
            pages: Pages::new(chosen, changed_since, needs),
            page: Vec::new().into_iter(),
            open: None,
            foreign: selected.foreign,
            refusal: None,
        })
    }

    pub async fn step(
        &mut self,
        session: &mut Session,
        selected: &mut Selected,
        memory: &Memory,
    ) -> Result<Done, Stop> {
        loop {
            if session.reply().pending_octets() >= PIECE_OCTETS {
                return Ok(Done::More);
            }
            if self.open.is_none() && self.page.as_slice().is_empty() {
                let page = self.pages.next(selected).await?;
                if page.is_empty() {
                    break;
                }
                self.page = page.into_iter();
            }
            let mut reply = session.reply();
            let (mut open, mut line) = match self.open.take() {
                Some(open) => (open, reply.resume_fetch()),
                None => {
                    let Some(message) = self.page.next() else { continue };
                    if self.needs.record && message.record.is_none() {
                        self.skip();
                        continue;
                    }
                    let line = reply.fetch(message.row.sequence, message.row.uid);
                    (Open { message, item: 0, content: None, structure: None }, line)
                }
            };
            let account = selected.view.account();
            match self.write(&mut line, &mut open, (account, memory)).await {
                Ok(true) => line.end(),
                Ok(false) => self.open = Some(open),
                Err(error) => {
                    tracing::error!(%error, "a message broke off while it was sent");
                    return Err(Stop::Aborted);
                }
            }
        }
        Ok(self.refusal.map_or(Done::Ok(None), Done::No))
    }

    /// Passes over a message that was erased meanwhile: its Uid is gone (quirk 4), its number is
    /// told of by EXPUNGE in a moment.
    const fn skip(&mut self) {
        match self.numbers {
            Numbers::Sequence => self.refusal = Some(Refusal::ExpungeIssued),
            Numbers::Uid => {}
        }
    }

    /// Writes as much of a line as a piece takes. Whether that is all of it.
    async fn write(
        &mut self,
        line: &mut FetchWriter<'_>,
        open: &mut Open,
        (account, memory): (&Arc<Account>, &Memory),
    ) -> Result<bool, account::Error> {
        while let Some(item) = self.items.get(open.item) {
            if open.content.is_none() && write_plain(line, item, (&open.message, self.foreign)) {
                open.item += 1;
                continue;
            }
            let Some(record) = open.message.record.as_ref() else {
                open.item += 1;
                continue;
            };
            let body = open.message.body.as_ref();
            let source = Source { account, record, body, memory };
            if open.content.is_none() {
                match source.find(item, &mut open.structure).await {
                    Ok(found) => open.content = announce(line, item, found),
                    // Nothing of it was announced: the other items can still be told.
                    Err(stop) => self.refusal = Some(what_went_wrong(stop)),
                }
            }
            if let Some(content) = &mut open.content {
                while line.literal_left() > 0 {
                    if line.pending_octets() >= PIECE_OCTETS {
                        return Ok(false);
                    }
                    line.chunk(&content.next(&source).await?);
                }
                open.content = None;
            }
            open.item += 1;
        }
        if open.message.newly_seen && !self.needs.flags {
            write_flags(line, &open.message.row);
        }
        if self.needs.modseq {
            line.modseq(open.message.row.modseq);
        }
        Ok(true)
    }
}

/// The log gets the story, the peer the refusal at the end of the command.
fn what_went_wrong(stop: Stop) -> Refusal {
    match stop {
        Stop::Refused(refusal) => refusal,
        Stop::Account(error) => {
            tracing::error!(%error, "a message cannot be read");
            refusal::refusal(&error)
        }
        Stop::Aborted => Refusal::Bug,
    }
}

/// Opens the literal; what is to follow it.
fn announce(line: &mut FetchWriter<'_>, item: &FetchItem, found: Found) -> Option<Content> {
    let binary = matches!(item, FetchItem::Binary { .. });
    match (found, item) {
        (Found::Size(octets), FetchItem::BinarySize { part }) => line.binary_size(part, octets),
        // RFC 3516 has no NIL for BINARY.SIZE.
        (_, FetchItem::BinarySize { part }) => line.binary_size(part, 0),
        (Found::Octets(content, nul), _) => {
            let octets = Some(content.octets());
            if binary {
                line.binary(item, octets, nul);
            } else {
                line.section(item, octets);
            }
            return Some(content);
        }
        (Found::Nil | Found::Size(_), _) if binary => line.binary(item, None, false),
        (Found::Nil | Found::Size(_), _) => line.section(item, None),
    }
    None
}

/// Writes an item that needs no body. Whether it was one.
fn write_plain(
    line: &mut FetchWriter<'_>,
    item: &FetchItem,
    (message, foreign): (&Message, Option<AccountId>),
) -> bool {
    let row = &message.row;
    match item {
        FetchItem::Uid => line.uid(row.uid),
        FetchItem::Flags => write_flags(line, row),
        FetchItem::InternalDate => line.internal_date(row.internal_date),
        FetchItem::SaveDate => {
            let saved = message.record.as_ref().map(account::Record::save_date);
            line.save_date(message.copied_at.or(saved));
        }
        FetchItem::Rfc822Size => line.size(row.octets.into()),
        FetchItem::ModSeq => line.modseq(row.modseq),
        FetchItem::EmailId => line.email_id(&foreign_id(email_id(row.message), foreign)),
        FetchItem::ThreadId => line.thread_id(Some(&foreign_id(thread_id(row.thread), foreign))),
        FetchItem::Envelope | FetchItem::Body | FetchItem::BodyStructure | FetchItem::Preview => {
            if let Some(record) = &message.record {
                write_parts(line, item, record);
            }
        }
        FetchItem::Rfc822
        | FetchItem::Rfc822Header
        | FetchItem::Rfc822Text
        | FetchItem::BodySection { .. }
        | FetchItem::Binary { .. }
        | FetchItem::BinarySize { .. } => return false,
    }
    true
}

/// ENVELOPE, BODYSTRUCTURE and PREVIEW, straight from the record.
fn write_parts(line: &mut FetchWriter<'_>, item: &FetchItem, record: &Record) {
    if *item == FetchItem::Preview {
        line.preview(record.preview());
    } else if *item == FetchItem::Envelope {
        if let Some((envelope, _)) = EnvelopeRef::unpack(record.envelope_packed()) {
            line.envelope(&envelope);
        }
    } else if let Some(structure) = StructureRef::open(record.structure_packed()) {
        if *item == FetchItem::Body {
            line.body(structure);
        } else {
            line.body_structure(structure);
        }
    }
}

fn write_flags(line: &mut FetchWriter<'_>, row: &Row) {
    line.flags(row.system, row.recent, row.keywords.iter().map(mail::Keyword::as_str));
}
