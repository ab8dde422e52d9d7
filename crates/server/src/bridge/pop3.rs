//! The POP3 bridge: performs what the POP3 machine asks, on the INBOX of the account that is logged
//! in.
//!
//! Invariants: one POP3 session of an account at a time, IMAP beside it as it likes; a message is
//! named by its Uid and its permanent id, so that none is ever sent or erased in place of another;
//! what DELE marked is erased by one commit at QUIT and never otherwise; what RETR sent is marked
//! `\Seen` when the session ends, however it does; message text never reaches the log.

mod lock;

use crate::{
    auth,
    bridge::Bridge,
    context::{Context, Peer},
};
use account::{Account, FlagChange, FlagOp, MailboxName, Numbers, Record, Refused, View};
use bytes::Bytes;
use lock::{Lock, Locks};
use mail::{Flags, MailboxId, NumberSet, SystemFlags};
use pop3::{Effect, Message, Opened, Options, Refusal, Session};
use std::{future::pending, sync::Arc};

/// Octets of a message that are given to the machine at once.
const PIECE_OCTETS: usize = 64 << 10;
/// Octets of a body that are read at once: the size of the chunks that the account stores.
const CHUNK_OCTETS: u32 = 256 << 10;
/// Rows of INBOX that are listed in one go.
const ROWS_MAX: usize = 1_024;

/// What all POP3 sessions of a server share.
#[derive(Clone, Debug)]
pub struct Shared {
    options: Arc<Options>,
    locks: Locks,
}

impl Shared {
    /// Of a server whose sessions are told this.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options: Arc::new(options), locks: Locks::default() }
    }

    /// A machine and a bridge for a new connection.
    #[must_use]
    pub fn session(&self, context: &Arc<Context>, peer: Peer) -> (Session, Pop3) {
        let bridge = Pop3 {
            context: Arc::clone(context),
            locks: self.locks.clone(),
            peer,
            login: None,
            open: None,
        };
        (Session::new(Arc::clone(&self.options)), bridge)
    }
}

/// The world's side of one POP3 connection.
pub struct Pop3 {
    context: Arc<Context>,
    locks: Locks,
    peer: Peer,
    login: Option<auth::Session>,
    open: Option<Box<Open>>,
}

/// A session that has its maildrop.
struct Open {
    account: Arc<Account>,
    inbox: MailboxId,
    reading: Option<Reading>,
    /// Held until dropped.
    _lock: Lock,
}

/// The message that is being sent.
struct Reading {
    message: Message,
    record: Record,
    /// Octets read and not yet given out, which begin at `offset`.
    chunk: Bytes,
    offset: u32,
}

/// Why an effect cannot be performed.
enum Stop {
    Refused(Refusal),
    Account(account::Error),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
impl From<account::Error> for Stop {
    fn from(error: account::Error) -> Self {
        Self::Account(error)
    }
}

impl Bridge for Pop3 {
    type Machine = Session;

    async fn perform(&mut self, session: &mut Session, effect: Effect) {
        match effect {
            Effect::Auth(ask) => {
                let Self { context, peer, .. } = self;
                let (answer, login) =
                    context.auth.answer(&context.accounts, peer, "pop3", ask).await;
                if login.is_some() {
                    self.login = login;
                }
                session.auth(answer);
            }
            Effect::Open => {
                let opened = self.open().await.map_err(|stop| self.refusal(stop));
                if opened.is_err() {
                    self.leave();
                }
                session.opened(opened);
            }
            Effect::Read { message, offset } => match self.read(message, offset).await {
                Ok(octets) => session.content(Ok(&octets)),
                Err(stop) => {
                    let refusal = self.refusal(stop);
                    session.content(Err(refusal));
                }
            },
            Effect::Update { erase, seen } => {
                let updated = self.update(&erase, &seen).await;
                // Before the client hears of it: its next session may come at once.
                let updated = updated.map_err(|stop| self.refusal(stop));
                self.leave();
                session.updated(updated);
            }
            Effect::Drain => {}
        }
    }

    fn access(&self) -> Option<&Arc<auth::Access>> {
        self.login.as_ref().map(|login| &login.access)
    }

    async fn news(&mut self) {
        // The machine waits for its client: what TOP left of a message is not wanted any more.
        if let Some(open) = &mut self.open {
            open.reading = None;
        }
        pending().await
    }
}

impl Pop3 {
    fn leave(&mut self) {
        self.open = None;
        self.login = None;
    }

    async fn open(&mut self) -> Result<Opened, Stop> {
        let login = self.login.as_ref().ok_or(Refusal::Unavailable)?;
        let account = Arc::clone(&login.account);
        let lock = self.locks.take(account.id()).await.ok_or(Refusal::InUse)?;
        // After the lock: what the session before erased is not listed.
        let inbox = account.mailbox(&MailboxName::inbox()).ok_or(Refusal::Unavailable)?;
        let messages = list(account.select(inbox.id, true)?).await;
        let opened = Opened { account: account.id(), uid_validity: inbox.uid_validity, messages };
        let open = Open { account, inbox: inbox.id, reading: None, _lock: lock };
        self.open = Some(Box::new(open));
        Ok(opened)
    }

    async fn read(&mut self, message: Message, offset: u32) -> Result<Bytes, Stop> {
        let open = self.open.as_deref_mut().ok_or(Refusal::Unavailable)?;
        let mut reading = match open.reading.take() {
            Some(reading) if reading.message == message && reading.offset == offset => reading,
            _ => open.find(message, offset).await?,
        };
        if reading.chunk.is_empty() {
            reading.chunk = open.chunk(&reading).await?;
        }
        let piece = reading.chunk.split_to(reading.chunk.len().min(PIECE_OCTETS));
        reading.offset = reading.offset.saturating_add(u32::try_from(piece.len()).unwrap_or(0));
        if reading.offset < message.octets {
            open.reading = Some(reading);
        }
        Ok(piece)
    }

    async fn update(&mut self, erase: &NumberSet, seen: &NumberSet) -> Result<(), Stop> {
        let open = self.open.as_deref_mut().ok_or(Refusal::Unavailable)?;
        if !seen.is_empty()
            && let Err(error) = open.mark_seen(seen).await
        {
            // The client has its messages; that they show as new is all that is lost.
            tracing::warn!(connection = self.peer.id, %error, "\\Seen cannot be stored");
        }
        if !erase.is_empty() {
            let mut view = open.account.select(open.inbox, true)?;
            view.erase(erase).await?;
        }
        Ok(())
    }

    /// The peer's side of a story that the log gets whole.
    fn refusal(&self, stop: Stop) -> Refusal {
        match stop {
            Stop::Refused(refusal) => refusal,
            Stop::Account(error) => {
                let connection = self.peer.id;
                let account = self.login.as_ref().map(|login| login.account.id().0);
                let refusal = refusal(&error);
                if refusal == Refusal::Gone {
                    tracing::debug!(connection, account, %error, "pop3");
                } else {
                    tracing::error!(connection, account, %error, "pop3");
                    self.context.metrics.error("pop3");
                }
                refusal
            }
        }
    }
}

impl Open {
    /// Begins a message, if it still is in INBOX.
    async fn find(&self, message: Message, offset: u32) -> Result<Reading, Stop> {
        let mut view = self.account.select(self.inbox, true)?;
        let wanted = NumberSet::of_numbers([message.uid.0]);
        let rows = view.rows(&wanted, Numbers::Uid, 1, 1);
        let is_there = rows.first().is_some_and(|row| row.message == message.id);
        if !is_there {
            return Err(Refusal::Gone.into());
        }
        let records = self.account.records(&[message.id]).await?;
        let record = records.into_iter().flatten().next().ok_or(Refusal::Gone)?;
        Ok(Reading { message, record, chunk: Bytes::new(), offset })
    }

    /// The octets of a message up to the next border of what the account stores.
    async fn chunk(&self, reading: &Reading) -> Result<Bytes, Stop> {
        let Reading { message, record, offset, .. } = reading;
        let border = (offset / CHUNK_OCTETS).saturating_add(1).saturating_mul(CHUNK_OCTETS);
        let wanted = *offset..message.octets.min(border);
        let octets = self.account.body(record, wanted.clone()).await?;
        if octets.len() != wanted.len() {
            let id = message.id;
            let why = format!("body of message {id} is not as long as its index says");
            return Err(account::Error::Damaged(why).into());
        }
        Ok(octets)
    }

    async fn mark_seen(&self, seen: &NumberSet) -> Result<(), account::Error> {
        let flags = Flags { system: SystemFlags::SEEN, keywords: Vec::new() };
        let change = FlagChange { op: FlagOp::Add, flags, unchanged_since: None };
        let mut view = self.account.select(self.inbox, false)?;
        view.store(seen, Numbers::Uid, &change).await?;
        Ok(())
    }
}

/// All messages of a view.
async fn list(mut view: View) -> Vec<Message> {
    let all = NumberSet::of([(1, u32::MAX)]);
    let mut messages = Vec::with_capacity(view.exists() as usize);
    let mut from = 1;
    loop {
        let rows = view.rows(&all, Numbers::Sequence, from, ROWS_MAX);
        messages.extend(rows.iter().map(|row| Message {
            uid: row.uid,
            id: row.message,
            octets: row.octets,
        }));
        match rows.last() {
            Some(last) if rows.len() == ROWS_MAX => from = last.sequence.saturating_add(1),
            _ => return messages,
        }
        tokio::task::yield_now().await;
    }
}

/// What the peer hears of the account's error.
const fn refusal(error: &account::Error) -> Refusal {
    match error {
        account::Error::Refused(refused) => match refused {
            Refused::NoSuchMessage => Refusal::Gone,
            // INBOX is always there, and no POP3 command leads to the others.
            Refused::NoSuchMailbox
            | Refused::MailboxExists
            | Refused::BadMailboxName
            | Refused::Cannot
            | Refused::SpecialUseTaken
            | Refused::OverQuota
            | Refused::MessageTooBig
            | Refused::Limit
            | Refused::AnnotationTooBig
            | Refused::TooManyAnnotations
            | Refused::NoPrivateAnnotations
            | Refused::ReadOnly
            | Refused::NoSuchEntry
            | Refused::EntryExists => Refusal::Unavailable,
        },
        account::Error::Store(_) => Refusal::Unavailable,
        account::Error::Damaged(_) => Refusal::Damaged,
    }
}
