//! Where the keys of SORT and the references of THREAD come from. What an index knows of a message
//! may be taken from it here, and nowhere else.

use crate::{Account, Error, Record, Row, seal::Kind};
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
    /// [`Facts::text`] and [`Facts::reply`].
    pub texts: bool,
    /// [`Facts::sent`].
    pub sent: bool,
    /// [`Facts::message_id`] and [`Facts::references`].
    pub references: bool,
}

/// Texts that order messages, in the order of [`Facts::texts`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Text {
    Subject,
    From,
    To,
    Cc,
    DisplayFrom,
    DisplayTo,
}

/// What is known of a message; what was not asked for may be missing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    /// When it was sent, seconds since 1970 UTC (RFC 5256 §2.2).
    pub sent: i64,
    /// Casemapped, in the order of [`Text`]; the subject is the base subject.
    pub texts: [String; 6],
    /// The subject marks an answer or a forward.
    pub reply: bool,
    /// Its Message-ID, hashed; 0 for none.
    pub message_id: u64,
    /// What it refers to, hashed, oldest first (RFC 5256 §3 THREAD).
    pub references: Vec<u64>,
}

impl Facts {
    pub fn text(&self, text: Text) -> &str {
        self.texts.get(text as usize).map_or("", String::as_str)
    }
}

/// Tells of each row, in order. Of a message that was erased meanwhile, what the row knows.
///
/// # Errors
/// The store's; [`Error::Damaged`].
pub async fn facts(
    account: &Account,
    rows: &[Row],
    wanted: Wanted,
    each: &mut (dyn FnMut(&Row, &Facts) + Send),
) -> Result<(), Error> {
    if wanted == Wanted::default() {
        rows.iter().for_each(|row| each(row, &Facts::default()));
        return Ok(());
    }
    for page in rows.chunks(RECORDS_MAX) {
        let ids: Vec<MessageId> = page.iter().map(|row| row.message).collect();
        let records = account.records(&ids).await?;
        for (row, record) in page.iter().zip(records) {
            let mut facts = Facts { sent: row.internal_date, ..Facts::default() };
            if let Some(record) = record {
                of_record(&mut facts, &record, wanted);
                if wanted.references {
                    references(account, &mut facts, &record).await?;
                }
            }
            each(row, &facts);
        }
    }
    Ok(())
}

fn of_record(facts: &mut Facts, record: &Record, wanted: Wanted) {
    if let Some((seconds, _)) = record.sent_date() {
        facts.sent = seconds;
    }
    if !wanted.texts {
        return;
    }
    let Some((envelope, _)) = EnvelopeRef::unpack(record.envelope_packed()) else { return };
    let subject = text::decode_header(envelope.subject.unwrap_or_default());
    let (subject, reply) = thread::base_subject(&subject);
    let (from, display_from) = first(envelope.from);
    let (to, display_to) = first(envelope.to);
    let (cc, _) = first(envelope.cc);
    facts.texts = [text::casemap(&subject), from, to, cc, display_from, display_to];
    facts.reply = reply;
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
async fn references(account: &Account, facts: &mut Facts, record: &Record) -> Result<(), Error> {
    let hash = |id: &Vec<u8>| account.seal.hash(Kind::MessageId, &[id]);
    let Some((envelope, _)) = EnvelopeRef::unpack(record.envelope_packed()) else { return Ok(()) };
    let own = envelope.message_id.map(thread::message_ids).unwrap_or_default();
    facts.message_id = own.first().map_or(0, hash);
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
        ids = envelope.in_reply_to.map(thread::message_ids).unwrap_or_default();
        ids.truncate(1);
    }
    if ids.len() > REFERENCES_MAX {
        ids.drain(1..=ids.len() - REFERENCES_MAX);
    }
    facts.references = ids.iter().map(hash).collect();
    Ok(())
}
