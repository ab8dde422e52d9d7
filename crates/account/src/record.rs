//! What was written of a message at ingest: all that FETCH needs besides bodies. Immutable.

use crate::{
    Error,
    codec::{Reader, Writer},
    pack::{self, Shape},
    seal::{Kind, Seal},
};
use mail::{Envelope, MessageId, Structure, ThreadId, header, mime, text, thread};
use std::sync::Arc;

/// A header up to this size is kept whole in the record.
const HEADER_WHOLE_OCTETS_MAX: usize = 2_048;
/// Octets of header fields kept of a bigger header.
const FIELDS_OCTETS_MAX: usize = 8_192;
/// Octets of one of them: a To of hundreds is not worth keeping twice.
const FIELD_OCTETS_MAX: usize = 2_048;
/// Characters of the preview.
const PREVIEW_CHARS_MAX: usize = 200;
/// Fields that clients ask for in lists: Thunderbird, Apple Mail, Roundcube, K-9, mutt, mbsync and
/// others, as their connections showed. Their places are part of the stored form: only ever append,
/// up to 64.
const COMMON_FIELDS: [&str; 48] = [
    "Date",
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Subject",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Content-Type",
    "Content-Transfer-Encoding",
    "MIME-Version",
    "Priority",
    "X-Priority",
    "Importance",
    "List-Id",
    "List-Post",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Help",
    "List-Archive",
    "List-Subscribe",
    "List-Owner",
    "Delivered-To",
    "Return-Path",
    "Newsgroups",
    "Followup-To",
    "Autocrypt",
    "Autocrypt-Draft-State",
    "Chat-Version",
    "X-Spam-Flag",
    "X-Spam-Status",
    "X-Spam-Score",
    "X-Mailer",
    "User-Agent",
    "Lines",
    "Mail-Followup-To",
    "Mail-Reply-To",
    "Return-Receipt-To",
    "Disposition-Notification-To",
    "X-Draft-Info",
    "X-Label",
    "X-TUID",
    "X-Original-To",
    "Content-Description",
    "Organization",
];

#[derive(Debug, Default)]
struct Parts {
    message: u32,
    thread: u32,
    blob: u64,
    octets: u32,
    internal_date: i64,
    save_date: i64,
    sent_date: Option<(i64, i16)>,
    header_octets: u32,
    /// The whole header is in `fields`.
    whole: bool,
    /// Common fields that are not all in `fields`, as bits by their place in [`COMMON_FIELDS`].
    missing: u64,
    places: (u32, u32),
    fields: (u32, u32),
    envelope: (u32, u32),
    structure: (u32, u32),
    preview: (u32, u32),
}

/// A message's record, read and unsealed; its parts are unpacked when asked for.
#[derive(Clone, Debug)]
pub struct Record(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    plain: Vec<u8>,
    parts: Parts,
}

/// What a message's own bytes tell: made once, shared by all accounts that receive it.
#[derive(Debug)]
pub(crate) struct Ingest {
    header: Vec<u8>,
    header_octets: u32,
    whole: bool,
    missing: u64,
    sent_date: Option<(i64, i16)>,
    envelope_packed: Vec<u8>,
    structure_packed: Vec<u8>,
    pub has_attachment: bool,
    preview: String,
    pub message_id: Option<Vec<u8>>,
    pub references: Vec<Vec<u8>>,
    /// In the form that is compared.
    pub base_subject: String,
    /// The subject says that this is an answer or forward.
    pub answers: bool,
}

impl Ingest {
    pub fn new(message: &[u8]) -> Self {
        let structure = Structure::parse(message, &mime::Limits::default());
        let header_octets = header::header_octets(message);
        let head = message.get(..header_octets).unwrap_or(message);
        let envelope = Envelope::parse(head);
        let whole = head.len() <= HEADER_WHOLE_OCTETS_MAX;
        let (kept, missing) = if whole { (head.to_vec(), 0) } else { common(head) };
        let (mut envelope_packed, mut structure_packed) = (Vec::new(), Vec::new());
        envelope.pack(&mut envelope_packed);
        structure.pack(&mut structure_packed);
        let subject = text::decode_header(envelope.subject.as_deref().unwrap_or_default());
        let (base_subject, answers) = thread::base_subject(&subject);
        let own = envelope.message_id.as_deref().map(thread::message_ids);
        Self {
            sent_date: envelope.date.as_deref().and_then(header::date),
            header: kept,
            header_octets: u32::try_from(header_octets).unwrap_or(u32::MAX),
            whole,
            missing,
            preview: text::preview(&structure, message, PREVIEW_CHARS_MAX),
            message_id: own.and_then(|ids| ids.into_iter().next()),
            references: references(head),
            base_subject: text::casemap(&base_subject),
            answers,
            envelope_packed,
            has_attachment: structure.has_attachment(),
            structure_packed,
        }
    }
}

impl Ingest {
    fn write(&self, placed: &Placed<'_>) -> Vec<u8> {
        let mut to = Writer::default();
        to.byte(1).number(placed.message.into()).number(placed.thread.into()).number(placed.blob);
        to.number(placed.octets.into()).signed(placed.internal_date).signed(placed.save_date);
        match self.sent_date {
            Some((seconds, zone)) => to.byte(1).signed(seconds).signed(zone.into()),
            None => to.byte(0),
        };
        to.number(self.header_octets.into());
        to.byte(u8::from(self.whole)).number(self.missing);
        let mut places = Writer::default();
        for octets in placed.places {
            places.number(*octets);
        }
        to.bytes(&places.0);
        to.bytes(&self.header).bytes(&self.envelope_packed).bytes(&self.structure_packed);
        to.bytes(self.preview.as_bytes());
        to.0
    }

    /// See [`crate::dictionary_sample`].
    pub fn sample(&self) -> Vec<u8> {
        let (octets, date) = (4_096, 1_790_000_000);
        self.write(&Placed {
            message: 1_000,
            thread: 1_000,
            blob: 1_000,
            places: &[1_000],
            octets,
            internal_date: date,
            save_date: date,
        })
    }
}

/// The common fields of a big header, and which of them are not all there.
fn common(head: &[u8]) -> (Vec<u8>, u64) {
    let (mut kept, mut missing) = (Vec::new(), 0);
    for field in header::fields(head) {
        let Some(at) = COMMON_FIELDS.iter().position(|name| field.is(name)) else { continue };
        if field.raw.len() > FIELD_OCTETS_MAX || kept.len() + field.raw.len() > FIELDS_OCTETS_MAX {
            missing |= 1 << at;
        } else {
            kept.extend_from_slice(field.raw);
        }
    }
    (kept, missing)
}

/// Message ids of References, else of In-Reply-To.
fn references(head: &[u8]) -> Vec<Vec<u8>> {
    let ids = |name| {
        header::first(head, name).map_or_else(Vec::new, |f| thread::message_ids(&f.unfolded()))
    };
    let references = ids("References");
    if references.is_empty() { ids("In-Reply-To") } else { references }
}

/// What an account adds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed<'a> {
    pub message: u32,
    pub thread: u32,
    pub blob: u64,
    /// Octets of each sealed chunk of the blob.
    pub places: &'a [u64],
    pub octets: u32,
    pub internal_date: i64,
    pub save_date: i64,
}

impl Record {
    /// Writes and seals a record.
    pub(crate) fn seal(
        seal: &Seal,
        ingest: &Ingest,
        placed: &Placed<'_>,
        level: i32,
    ) -> Result<Vec<u8>, Error> {
        let plain = ingest.write(placed);
        let packed = pack::compress(Shape::Record, &plain, level);
        seal.seal(Kind::Record, placed.message.into(), &packed)
    }

    /// The same record for another message that shares the blob.
    pub(crate) fn reseal(&self, seal: &Seal, message: u32, level: i32) -> Result<Vec<u8>, Error> {
        let mut from = Reader(&self.0.plain);
        let (Some(1), Some(_)) = (from.byte(), from.number32()) else {
            return Err(Error::Damaged("a record".into()));
        };
        let mut to = Writer::default();
        to.byte(1).number(message.into());
        to.0.extend_from_slice(from.0);
        seal.seal(Kind::Record, message.into(), &pack::compress(Shape::Record, &to.0, level))
    }

    /// Opens and reads a record.
    pub(crate) fn open(seal: &Seal, message: u32, sealed: &[u8]) -> Result<Self, Error> {
        let packed = seal.open(Kind::Record, message.into(), sealed)?;
        let plain = pack::decompress(Shape::Record, &packed, pack::RECORD_OCTETS_MAX)
            .ok_or_else(|| Error::Damaged(format!("record of message {message}")))?;
        let parts =
            parts(&plain).ok_or_else(|| Error::Damaged(format!("record of message {message}")))?;
        Ok(Self(Arc::new(Opened { plain, parts })))
    }

    fn slice(&self, range: (u32, u32)) -> &[u8] {
        self.0.plain.get(range.0 as usize..range.1 as usize).unwrap_or_default()
    }
    /// The message.
    #[must_use]
    pub fn message(&self) -> MessageId {
        MessageId(self.0.parts.message)
    }
    /// Its thread.
    #[must_use]
    pub fn thread(&self) -> ThreadId {
        ThreadId(self.0.parts.thread)
    }
    pub(crate) fn blob(&self) -> u64 {
        self.0.parts.blob
    }
    /// Where each sealed chunk of the body is in the blob.
    pub(crate) fn places(&self) -> impl Iterator<Item = std::ops::Range<u64>> {
        let mut from = Reader(self.slice(self.0.parts.places));
        let mut end = 0_u64;
        std::iter::from_fn(move || {
            let start = end;
            end = start.checked_add(from.number()?)?;
            Some(start..end)
        })
    }
    /// Octets.
    #[must_use]
    pub fn octets(&self) -> u32 {
        self.0.parts.octets
    }
    /// INTERNALDATE, seconds since 1970 UTC.
    #[must_use]
    pub fn internal_date(&self) -> i64 {
        self.0.parts.internal_date
    }
    /// When it came into the account, seconds since 1970 UTC (RFC 8514).
    #[must_use]
    pub fn save_date(&self) -> i64 {
        self.0.parts.save_date
    }
    /// The Date field as seconds UTC and zone in minutes (RFC 9051 SENTSINCE compares the local
    /// day).
    #[must_use]
    pub fn sent_date(&self) -> Option<(i64, i16)> {
        self.0.parts.sent_date
    }
    /// ENVELOPE.
    #[must_use]
    pub fn envelope(&self) -> Envelope {
        Envelope::unpack(self.envelope_packed()).map(|(e, _)| e).unwrap_or_default()
    }
    /// ENVELOPE as [`Envelope::pack`] wrote it.
    #[must_use]
    pub fn envelope_packed(&self) -> &[u8] {
        self.slice(self.0.parts.envelope)
    }
    /// BODYSTRUCTURE and offsets.
    #[must_use]
    pub fn structure(&self) -> Structure {
        Structure::unpack(self.structure_packed()).map(|(s, _)| s).unwrap_or_default()
    }
    /// BODYSTRUCTURE as [`Structure::pack`] wrote it.
    #[must_use]
    pub fn structure_packed(&self) -> &[u8] {
        self.slice(self.0.parts.structure)
    }
    /// Octets of the message's header with its empty line.
    #[must_use]
    pub fn header_octets(&self) -> u32 {
        self.0.parts.header_octets
    }
    /// The raw header fields that the record holds, one after another as they stand in the message.
    #[must_use]
    pub fn fields(&self) -> &[u8] {
        self.slice(self.0.parts.fields)
    }
    /// Whether [`Record::fields`] is the whole header with its empty line.
    #[must_use]
    pub fn holds_header(&self) -> bool {
        self.0.parts.whole
    }
    /// Whether [`Record::fields`] holds every field of that name that the message has, so that an
    /// answer from it is exact.
    #[must_use]
    pub fn holds_field(&self, name: &str) -> bool {
        let common = || COMMON_FIELDS.iter().position(|known| known.eq_ignore_ascii_case(name));
        let Parts { whole, missing, .. } = &self.0.parts;
        *whole || common().is_some_and(|at| *missing >> at & 1 == 0)
    }
    /// The first words of the text.
    #[must_use]
    pub fn preview(&self) -> &str {
        std::str::from_utf8(self.slice(self.0.parts.preview)).unwrap_or_default()
    }
}

fn parts(plain: &[u8]) -> Option<Parts> {
    let mut from = Reader(plain);
    if from.byte()? != 1 {
        return None;
    }
    let mut parts = Parts {
        message: from.number32()?,
        thread: from.number32()?,
        blob: from.number()?,
        octets: from.number32()?,
        internal_date: from.signed()?,
        save_date: from.signed()?,
        ..Parts::default()
    };
    if from.byte()? == 1 {
        parts.sent_date = Some((from.signed()?, from.signed()?.try_into().ok()?));
    }
    parts.header_octets = from.number32()?;
    parts.whole = from.byte()? != 0;
    parts.missing = from.number()?;
    let mut range = || {
        let bytes = from.bytes()?;
        let end = u32::try_from(plain.len() - from.0.len()).ok()?;
        Some((end - u32::try_from(bytes.len()).ok()?, end))
    };
    parts.places = range()?;
    parts.fields = range()?;
    parts.envelope = range()?;
    parts.structure = range()?;
    parts.preview = range()?;
    Some(parts)
}
