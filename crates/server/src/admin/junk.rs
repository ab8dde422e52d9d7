//! Why a message is where it is, and what was learnt of junk, as whoever runs the server sees it.

use super::{Failure, Reply, Request, perform::Admin};
use account::{
    Account, MailboxName, Numbers, Row,
    explain::Explained,
    junk::{Books, Lesson},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use mail::{MailboxId, MessageId, NumberSet, Uid};
use serde::{Deserialize, Serialize};
use spam::{Class, Tokens};
use std::sync::Arc;

/// Messages looked through at a time for a Message-ID.
const RECORDS_PAGE: usize = 256;
/// Books of a command that opened the store itself.
const BOOKS_MAX: usize = 4;

/// How much was learnt.
#[derive(Clone, Serialize, Deserialize, Debug, Default)]
pub struct JunkReport {
    /// Wanted messages in the book.
    pub wanted: u16,
    /// Messages of junk in it.
    pub junk: u16,
    /// Messages of the request that taught something.
    #[serde(default)]
    pub learnt: usize,
}

/// Why a message is where it is.
#[derive(Clone, Serialize, Deserialize, Debug, Default)]
pub struct WhyReport {
    /// Its permanent number.
    pub message: u32,
    /// Its UID.
    pub uid: u32,
    /// Its mailbox.
    pub mailbox: String,
    /// Its subject.
    pub subject: String,
    /// Its Message-ID.
    pub message_id: String,
    /// What was found out when it came.
    pub explained: Option<Explanation>,
    /// What somebody did with it since.
    pub sorted: Option<Sorted>,
}

/// What somebody's moving, filing or marking says.
#[derive(Clone, Serialize, Deserialize, Debug, Default)]
pub struct Sorted {
    /// It is junk.
    pub junk: bool,
    /// When that was learnt, in seconds since 1970 UTC.
    pub time: i64,
    /// It taught something.
    pub learnt: bool,
}

/// See [`Explained`].
#[derive(Clone, Serialize, Deserialize, Debug, Default)]
#[allow(missing_docs)]
pub struct Explanation {
    pub id: String,
    pub time: i64,
    pub client: String,
    pub hello: String,
    pub from: String,
    pub checks: Vec<CheckRow>,
    pub reasons: Vec<ReasonRow>,
    pub junk_percent: Option<f64>,
    pub words: Vec<WordRow>,
    pub junk: bool,
    /// Whose reputation it is counted for.
    #[serde(default)]
    pub senders: Vec<String>,
}

/// See [`account::explain::Check`].
#[derive(Clone, Serialize, Deserialize, Debug, Default)]
#[allow(missing_docs)]
pub struct CheckRow {
    pub method: String,
    pub result: String,
    pub of: String,
}

/// See [`account::explain::Reason`].
#[derive(Clone, Serialize, Deserialize, Debug, Default)]
#[allow(missing_docs)]
pub struct ReasonRow {
    pub by: String,
    pub score: f64,
    pub text: String,
}

/// See [`account::explain::Word`].
#[derive(Clone, Serialize, Deserialize, Debug, Default)]
#[allow(missing_docs)]
pub struct WordRow {
    pub place: String,
    pub text: String,
    pub junk_percent: f64,
}

impl From<Explained> for Explanation {
    fn from(from: Explained) -> Self {
        let check =
            |account::explain::Check { method, result, of }| CheckRow { method, result, of };
        let reason = |account::explain::Reason { by, score, text }| ReasonRow { by, score, text };
        let word = |account::explain::Word { place, text, probability }| WordRow {
            place,
            text,
            junk_percent: probability * 100.0,
        };
        Self {
            id: from.id,
            time: from.time,
            client: from.client,
            hello: from.hello,
            from: from.from,
            checks: from.checks.into_iter().map(check).collect(),
            reasons: from.reasons.into_iter().map(reason).collect(),
            junk_percent: from.probability.map(|one| one * 100.0),
            words: from.words.into_iter().map(word).collect(),
            junk: from.junk,
            senders: from.senders,
        }
    }
}

/// Where a message is.
struct Place {
    message: MessageId,
    uid: Uid,
    mailbox: String,
}

impl Admin {
    pub(super) async fn junk(&self, request: Request) -> Result<Reply, Failure> {
        match request {
            Request::Why { address, mailbox, uid, message_id } => {
                let account = self.open(&address).await?;
                let place = match (uid, message_id) {
                    (Some(uid), _) => named(&account, &mailbox, uid)?,
                    (None, Some(id)) => found(&account, &id).await?,
                    (None, None) => return Err(Failure::refused("which message?")),
                };
                Ok(Reply::Why(Box::new(self.why(&account, place).await?)))
            }
            Request::JunkStatus { address } => {
                let of = match address {
                    Some(address) => Some(self.find(&address).await?.id),
                    None => None,
                };
                let learned = self.books().await?.learned(of).await.map_err(Failure::ours)?;
                let (wanted, junk) = (learned.wanted, learned.junk);
                Ok(Reply::Junk(JunkReport { wanted, junk, learnt: 0 }))
            }
            Request::JunkLearn { junk, messages } => self.learn(junk, messages).await,
            _ => Err(Failure::ours("not a request about junk")),
        }
    }

    /// The books: the server's, or opened for this command.
    async fn books(&self) -> Result<Arc<Books>, Failure> {
        match self.server() {
            Some(server) => Ok(Arc::clone(&server.books)),
            None => Books::open(&self.accounts, BOOKS_MAX).await.map_err(Failure::ours),
        }
    }

    async fn learn(&self, junk: bool, messages: Vec<String>) -> Result<Reply, Failure> {
        let books = self.books().await?;
        let class = if junk { Class::Spam } else { Class::Ham };
        let tokens = |text: &String| -> Result<(Tokens, Class), Failure> {
            let message = STANDARD.decode(text);
            let message = message.map_err(|_| Failure::refused("a message is not base64"))?;
            Ok((books.tokens(&message), class))
        };
        let messages = messages.iter().map(tokens).collect::<Result<Vec<_>, _>>()?;
        let learnt = books.teach(&messages).await.map_err(Failure::ours)?;
        let all = books.learned(None).await.map_err(Failure::ours)?;
        Ok(Reply::Junk(JunkReport { wanted: all.wanted, junk: all.junk, learnt }))
    }

    async fn why(&self, account: &Account, place: Place) -> Result<WhyReport, Failure> {
        let records = account.records(&[place.message]).await.map_err(Failure::ours)?;
        let record = records.into_iter().next().flatten();
        let record = record.ok_or_else(|| Failure::refused("the message is gone"))?;
        let envelope = record.envelope();
        let explained = account.explained(place.message).await.map_err(Failure::ours)?;
        let lesson = self.books().await?.lesson(account.id(), place.message).await;
        let sorted = |lesson: Lesson| Sorted {
            junk: lesson.class == Class::Spam,
            time: lesson.time,
            learnt: lesson.of_account || lesson.of_server,
        };
        Ok(WhyReport {
            message: place.message.0,
            uid: place.uid.0,
            mailbox: place.mailbox,
            subject: text(envelope.subject.as_deref()),
            message_id: text(envelope.message_id.as_deref()),
            explained: explained.map(Into::into),
            sorted: lesson.map_err(Failure::ours)?.map(sorted),
        })
    }
}

fn text(octets: Option<&[u8]>) -> String {
    octets.map(mail::text::decode_header).unwrap_or_default()
}

fn no_such() -> Failure {
    Failure::refused("there is no such message")
}

/// A message by its mailbox and Uid.
fn named(account: &Account, mailbox: &str, uid: u32) -> Result<Place, Failure> {
    let name = MailboxName::parse(mailbox).map_err(|_| Failure::refused("not a mailbox"))?;
    let found = account.mailbox(&name);
    let found = found.ok_or_else(|| Failure::refused(format!("{mailbox}: no such mailbox")))?;
    let message = account.message_of(found.id, Uid(uid)).ok_or_else(no_such)?;
    Ok(Place { message, uid: Uid(uid), mailbox: found.name.as_str().to_owned() })
}

/// The newest message with a Message-ID, in any mailbox.
async fn found(account: &Arc<Account>, wanted: &str) -> Result<Place, Failure> {
    let wanted = wanted.trim().trim_matches(['<', '>']);
    for mailbox in account.mailboxes() {
        for page in rows(account, mailbox.id)?.chunks(RECORDS_PAGE) {
            let ids: Vec<MessageId> = page.iter().map(|row| row.message).collect();
            let records = account.records(&ids).await.map_err(Failure::ours)?;
            for (row, record) in page.iter().zip(records) {
                let Some(record) = record else { continue };
                let id = text(record.envelope().message_id.as_deref());
                if id.trim().trim_matches(['<', '>']) == wanted {
                    let (message, uid) = (row.message, row.uid);
                    return Ok(Place { message, uid, mailbox: mailbox.name.as_str().to_owned() });
                }
            }
        }
    }
    Err(no_such())
}

/// All messages of a mailbox, the newest first.
fn rows(account: &Arc<Account>, mailbox: MailboxId) -> Result<Vec<Row>, Failure> {
    let mut view = account.select(mailbox, true).map_err(Failure::ours)?;
    let all = NumberSet::of([(1, u32::MAX)]);
    let mut rows = view.rows(&all, Numbers::Uid, 1, usize::MAX);
    rows.reverse();
    Ok(rows)
}
