//! Where the keys of SORT and the references of THREAD come from: of indexed messages from the
//! index's columns, of others from their records.

use crate::{
    Account, Error, Record, Row,
    index::order::{Columns, Ordered, Place},
    seal::Kind,
};
use ::search::{HASH_BITS, SortKey};
use mail::{
    MessageId,
    envelope::{EnvelopeRef, MailboxRef, Mailboxes},
    header, text, thread,
};

/// Records read in one go.
const RECORDS_MAX: usize = 256;
/// References of a message that count: the first, and the last ones, which are nearest.
pub const REFERENCES_MAX: usize = 100;

/// What is asked of messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    /// [`Facts::text`], by [`SortKey::place`].
    pub texts: [bool; 6],
    /// [`Facts::sent`].
    pub sent: bool,
    /// [`Facts::message_id`], [`Facts::references`], [`Facts::reply`] and [`Facts::no_subject`].
    pub links: bool,
}

/// A text's place among others: behind a rank of the index's, at it or, with the text itself, above
/// it and below the next. Comparable with those that came from the same [`Source`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Text {
    pub rank: u32,
    pub above: Option<Box<str>>,
}

impl Text {
    /// Where nothing is ranked.
    #[cfg(test)]
    pub fn of(text: &str) -> Self {
        Self { rank: 0, above: Some(text.into()) }
    }
}

/// What is known of a message; what was not asked for may be missing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    /// When it was sent, seconds since 1970 UTC (RFC 5256 §2.2).
    pub sent: i64,
    /// By [`SortKey::place`]; the subject is the base subject.
    pub texts: [Text; 6],
    /// The base subject is empty.
    pub no_subject: bool,
    /// The subject marks an answer or a forward.
    pub reply: bool,
    /// Its Message-ID, hashed; 0 for none.
    pub message_id: u64,
    /// What it refers to, hashed, oldest first (RFC 5256 §3 THREAD).
    pub references: Vec<u64>,
}

impl Facts {
    pub fn text(&self, key: SortKey) -> Option<&Text> {
        self.texts.get(key.place())
    }
}

/// What a message's record tells.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Read {
    /// Casemapped, by [`SortKey::place`].
    pub texts: [String; 6],
    pub reply: bool,
    pub message_id: u64,
    pub references: Vec<u64>,
}

/// Tells of messages. What it tells of one can be compared with what it tells of another.
#[derive(Default)]
pub struct Source {
    wanted: Wanted,
    ordered: Ordered,
    /// The rank of the empty subject, if it has one.
    no_subject: Option<u32>,
}

impl Source {
    /// One that uses the index as it is now.
    ///
    /// # Errors
    /// The store's.
    pub async fn open(account: &Account, wanted: Wanted) -> Result<Self, Error> {
        let Wanted { texts: keys, sent, links } = wanted;
        let ordered = Ordered::open(account, Columns { keys, sent, links }).await?;
        let mut source = Self { wanted, ordered, no_subject: None };
        if links && keys.first() == Some(&true) {
            let empty = source.ordered.places(account, SortKey::Subject, &[""]).await?;
            source.no_subject = empty.first().filter(|(_, equal)| *equal).map(|(rank, _)| *rank);
        }
        Ok(source)
    }

    /// One that reads records alone: what it tells is comparable for ever.
    pub fn reading(wanted: Wanted) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// Tells of each row, in order. Of a message that was erased meanwhile, what the row knows.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn facts(
        &mut self,
        account: &Account,
        rows: &[Row],
        each: &mut (dyn FnMut(&Row, &Facts) + Send),
    ) -> Result<(), Error> {
        let known: Vec<Option<Place>> = match self.wanted == Wanted::default() {
            true => vec![None; rows.len()],
            false => rows.iter().map(|row| self.ordered.place(row.message.0)).collect(),
        };
        let unknown = rows.iter().zip(&known).filter(|(_, place)| place.is_none());
        let unknown: Vec<&Row> = unknown.map(|(row, _)| row).collect();
        let mut read = self.read(account, &unknown).await?.into_iter();
        let mut facts = Facts::default();
        for (row, place) in rows.iter().zip(known) {
            match place {
                Some(place) => {
                    self.look_up(&mut facts, row, place);
                    each(row, &facts);
                }
                None => each(row, &read.next().unwrap_or_default()),
            }
        }
        Ok(())
    }

    fn look_up(&self, facts: &mut Facts, row: &Row, place: Place) {
        facts.sent = self.ordered.sent(place).unwrap_or(row.internal_date);
        let keys = SortKey::ALL.into_iter().zip(self.wanted.texts);
        for ((key, wanted), slot) in keys.zip(&mut facts.texts) {
            if wanted {
                slot.rank = self.ordered.rank(key, place);
            }
        }
        if !self.wanted.links {
            return;
        }
        let subject = facts.texts.first().map(|text| text.rank);
        facts.no_subject = self.no_subject.is_some() && self.no_subject == subject;
        facts.references.clear();
        if let Some((message_id, references, reply)) = self.ordered.links(place) {
            (facts.message_id, facts.reply) = (message_id, reply);
            facts.references.extend_from_slice(references);
        }
    }

    /// Reads records, and finds the places of their texts among those of the index.
    async fn read(&self, account: &Account, rows: &[&Row]) -> Result<Vec<Facts>, Error> {
        let bare = |row: &&Row| Facts { sent: row.internal_date, ..Facts::default() };
        let mut all: Vec<Facts> = rows.iter().map(bare).collect();
        if self.wanted == Wanted::default() {
            return Ok(all);
        }
        let mut texts: Vec<[String; 6]> = Vec::with_capacity(rows.len());
        for (page, facts) in rows.chunks(RECORDS_MAX).zip(all.chunks_mut(RECORDS_MAX)) {
            let ids: Vec<MessageId> = page.iter().map(|row| row.message).collect();
            let records = account.records(&ids).await?;
            for (record, facts) in records.iter().zip(facts) {
                let read = match record {
                    Some(record) => read(account, record, self.wanted.links).await?,
                    None => Read::default(),
                };
                if let Some((seconds, _)) = record.as_ref().and_then(Record::sent_date) {
                    facts.sent = seconds;
                }
                facts.no_subject = read.texts.first().is_some_and(String::is_empty);
                (facts.reply, facts.message_id) = (read.reply, read.message_id);
                facts.references = read.references;
                texts.push(read.texts);
            }
        }
        for key in SortKey::ALL {
            if self.wanted.texts.get(key.place()) == Some(&true) {
                self.rank((account, key), &texts, &mut all).await?;
            }
        }
        Ok(all)
    }

    async fn rank(
        &self,
        (account, key): (&Account, SortKey),
        texts: &[[String; 6]],
        facts: &mut [Facts],
    ) -> Result<(), Error> {
        let text = |texts: &'_ [String; 6]| texts.get(key.place()).cloned().unwrap_or_default();
        let mut order: Vec<(String, usize)> = texts.iter().map(text).zip(0..).collect();
        order.sort_unstable();
        let sorted: Vec<&str> = order.iter().map(|(text, _)| text.as_str()).collect();
        let places = self.ordered.places(account, key, &sorted).await?;
        for ((text, at), (rank, equal)) in order.iter().zip(places) {
            let slot = facts.get_mut(*at).and_then(|facts| facts.texts.get_mut(key.place()));
            if let Some(slot) = slot {
                let above = (!equal).then(|| text.as_str().into());
                *slot = Text { rank, above };
            }
        }
        Ok(())
    }
}

/// Reads a record.
pub(crate) async fn read(account: &Account, record: &Record, links: bool) -> Result<Read, Error> {
    let Some((envelope, _)) = EnvelopeRef::unpack(record.envelope_packed()) else {
        return Ok(Read::default());
    };
    let subject = text::decode_header(envelope.subject.unwrap_or_default());
    let (subject, reply) = thread::base_subject(&subject);
    let ((from, display_from), (to, display_to)) = (first(envelope.from), first(envelope.to));
    let (cc, _) = first(envelope.cc);
    let texts = [text::casemap(&subject), from, to, cc, display_from, display_to];
    let mut read = Read { texts, reply, ..Read::default() };
    if links {
        let own = envelope.message_id.map(thread::message_ids).unwrap_or_default();
        read.message_id = own.first().map_or(0, |id| hash(account, id));
        let ids = references(account, record, envelope.in_reply_to).await?;
        read.references = ids.iter().map(|id| hash(account, id)).collect();
    }
    Ok(read)
}

/// As many bits as the index keeps.
fn hash(account: &Account, id: &[u8]) -> u64 {
    account.seal.hash(Kind::MessageId, &[id]) & ((1 << HASH_BITS) - 1)
}

/// The first address of a list: its mailbox, and what RFC 5957 §3 shows of it; casemapped.
fn first(mut list: Mailboxes<'_>) -> (String, String) {
    let Some(MailboxRef { name, mailbox, host, .. }) = list.next() else { return <_>::default() };
    let decoded = |octets: Option<&[u8]>| text::decode_header(octets.unwrap_or_default());
    let (name, mailbox, host) = (decoded(name), decoded(mailbox), decoded(host));
    let display = match (name.is_empty(), host.is_empty()) {
        (false, _) => name,
        (true, false) => format!("{mailbox}@{host}"),
        (true, true) => mailbox.clone(),
    };
    (text::casemap(&mailbox), text::casemap(&display))
}

/// RFC 5256 §3: the ids of References; without any, the first of In-Reply-To.
async fn references(
    account: &Account,
    record: &Record,
    in_reply_to: Option<&[u8]>,
) -> Result<Vec<Vec<u8>>, Error> {
    let field = |head: &[u8]| {
        header::first(head, "References")
            .map_or_else(Vec::new, |field| thread::message_ids(&field.unfolded()))
    };
    let mut ids = if record.holds_field("References") {
        field(record.fields())
    } else {
        field(&account.body(record, 0..record.header_octets()).await?)
    };
    if ids.is_empty() {
        ids = in_reply_to.map(thread::message_ids).unwrap_or_default();
        ids.truncate(1);
    }
    if ids.len() > REFERENCES_MAX {
        ids.drain(1..=ids.len() - REFERENCES_MAX);
    }
    Ok(ids)
}
