//! The IMAP bridge: performs what the IMAP machine asks, on the account that is logged in.
//!
//! Invariants: one effect at a time; what streams is written in pieces of about [`PIECE_OCTETS`]
//! and is kept in one boxed state between them, so an idle session costs little more than its view;
//! nothing is told before its commit is durable; message text never reaches the log.

mod acl;
mod append;
mod batches;
mod context;
mod copy;
mod fetch;
mod limited;
mod list;
mod mailbox;
mod memory;
mod metadata;
mod multisearch;
mod notify;
mod page;
mod pattern;
mod place;
mod query;
mod refusal;
mod reopen;
mod search;
mod section;
mod select;
mod sort;
mod store;
mod tell;
mod thread;

use crate::{
    auth,
    bridge::Bridge,
    context::{Context, Peer},
};
use account::{Account, Numbers, View};
use append::Appending;
use imap::{
    Options, Session,
    effect::{Done, Effect, Refusal},
    types::{Permanent, SequenceSet},
};
use mail::{ModSeq, NumberSet, Uid};
use memory::Memory;
pub use metadata::ServerEntries;
use refusal::Stop;
use std::{future::pending, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until};

/// Octets of output after which a streaming command pauses, so that the peer can take them.
pub const PIECE_OCTETS: usize = 64 << 10;
/// How often an idle client hears that we are there (quirk 10; NAT gateways forget sooner than
/// IMAP's 29 minutes).
pub const KEEP_ALIVE: Duration = Duration::from_secs(120);
/// Characters of a client's name in the log.
const CLIENT_CHARS_MAX: usize = 40;

/// What all IMAP sessions of a server share.
#[derive(Clone, Debug)]
pub struct Shared {
    options: Arc<Options>,
    memory: Memory,
    server_entries: Arc<ServerEntries>,
}

impl Shared {
    /// `append_memory_octets_max`: octets of messages in memory that are being appended or decoded,
    /// all sessions together; at least that of one message.
    #[must_use]
    pub fn new(options: Options, append_memory_octets_max: u64) -> Self {
        let octets_max = append_memory_octets_max.max(2 * options.append_octets_max);
        let server_entries = Arc::default();
        Self { options: Arc::new(options), memory: Memory::new(octets_max), server_entries }
    }

    /// With these `/shared` entries of the server.
    #[must_use]
    pub fn with_entries(self, entries: ServerEntries) -> Self {
        Self { server_entries: Arc::new(entries), ..self }
    }

    /// A machine and a bridge for a new connection.
    #[must_use]
    pub fn session(&self, context: &Arc<Context>, peer: Peer) -> (Session, Imap) {
        let bridge = Imap {
            context: Arc::clone(context),
            memory: self.memory.clone(),
            peer,
            login: None,
            selected: None,
            work: None,
            append: None,
            limited: None,
            notifying: None,
            keep_alive: None,
            server_entries: Arc::clone(&self.server_entries),
            metadata_told: None,
        };
        (Session::new(Arc::clone(&self.options)), bridge)
    }
}

/// The world's side of one IMAP connection.
pub struct Imap {
    context: Arc<Context>,
    memory: Memory,
    peer: Peer,
    login: Option<auth::Session>,
    selected: Option<Box<Selected>>,
    /// What streams.
    work: Option<Work>,
    append: Option<Box<Appending>>,
    /// What NOTIFY asked for.
    notifying: Option<Box<notify::Notifying>>,
    /// What the end of the command tells of messages that were left out (RFC 9738).
    limited: Option<Box<str>>,
    /// When an idle client hears from us next; set while it idles.
    keep_alive: Option<Instant>,
    server_entries: Arc<ServerEntries>,
    /// Set once the client enabled METADATA.
    metadata_told: Option<Box<metadata::Told>>,
}

/// The selected mailbox.
struct Selected {
    view: View,
    /// The saved search result `$` (RFC 5182), as Uids.
    saved: NumberSet,
    /// Keywords that the client was told of in FLAGS.
    keywords_told: usize,
    /// Whose the mailbox is, if another's.
    foreign: Option<mail::AccountId>,
    /// Flags that it was told that it may change.
    permanent: Permanent,
    /// Of all commits up to this one the client knows all.
    told: ModSeq,
    /// Results of searches that are kept up to date.
    contexts: Option<Box<context::Contexts>>,
}

/// What streams, between two pieces.
enum Work {
    Fetch(Box<fetch::Fetching>),
    Search(Box<search::Searching>),
    MultiSearch(Box<multisearch::MultiSearching>),
    Sort(Box<sort::Sorting>),
    Thread(Box<thread::Threading>),
    Store(Box<store::Storing>),
    List(Box<list::Listing>),
    Metadata(Box<metadata::Getting>),
    Tell(Box<tell::Telling>),
    Resync(Box<select::Resync>),
}

impl Selected {
    /// The numbers that a set means now.
    fn resolve(&mut self, set: &SequenceSet, uid: bool) -> (NumberSet, Numbers) {
        let largest = if uid { self.view.uid_max().0 } else { self.view.exists() };
        match set.resolve(largest) {
            Some(numbers) if uid => (numbers, Numbers::Uid),
            Some(numbers) => (numbers, Numbers::Sequence),
            None => (self.saved.clone(), Numbers::Uid),
        }
    }

    /// Tells of keywords that came up since FLAGS was said.
    fn tell_keywords(&mut self, session: &mut Session) {
        let keywords = self.view.keywords();
        if keywords.len() > self.keywords_told {
            self.keywords_told = keywords.len();
            session.reply().flags(&keywords, self.permanent);
        }
    }
}

impl Bridge for Imap {
    type Machine = Session;

    async fn perform(&mut self, session: &mut Session, effect: Effect) {
        self.refresh().await;
        match effect {
            Effect::Auth(ask) => {
                let Self { context, peer, .. } = self;
                let (answer, login) =
                    context.auth.answer(&context.accounts, peer, "imap", ask).await;
                if let Some(login) = login {
                    session.hide(&login.hidden_capabilities);
                    self.login = Some(login);
                }
                session.auth(answer);
            }
            Effect::Unauthenticate => self.unauthenticate(),
            Effect::Id(fields) => self.log_client(&fields),
            Effect::Idle(begins) => self.keep_alive = begins.then(|| Instant::now() + KEEP_ALIVE),
            Effect::AppendAbort => self.append = None,
            Effect::AppendEnd => {
                let appended = self.append_end().await;
                session.appended(appended.map_err(|stop| self.refusal(stop)));
            }
            Effect::Select { mailbox, read_only, qresync } => {
                match self.select(&mailbox, read_only).await {
                    Ok(selected) => session.selected(Ok(selected)),
                    Err(stop) => {
                        session.selected(Err(self.refusal(stop)));
                        return;
                    }
                }
                if let Some(qresync) = qresync {
                    self.begin_resync(qresync);
                    self.perform_more(session).await;
                }
            }
            Effect::More => self.perform_more(session).await,
            effect => {
                let done = self.run(session, effect).await;
                self.conclude(session, done);
            }
        }
    }

    fn access(&self) -> Option<&Arc<auth::Access>> {
        self.login.as_ref().map(|login| &login.access)
    }

    async fn news(&mut self) {
        let Some(at) = self.keep_alive else { return self.notified().await };
        let selected = async {
            match &self.selected {
                Some(selected) if self.hears_selected() => selected.view.wait().await,
                Some(_) => pending().await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = selected => {}
            () = self.metadata_news() => {}
            () = self.notified() => {}
            () = sleep_until(at) => {}
        }
    }
}

impl Imap {
    /// Commands that are answered by [`Session::done`].
    async fn run(&mut self, session: &mut Session, effect: Effect) -> Result<Done, Stop> {
        self.check_tag(session, &effect)?;
        self.check_rights(&effect).await?;
        match self.within_limits(session, effect)? {
            Effect::Unselect { expunge } => self.unselect(expunge).await,
            Effect::List { select, reference, patterns, returns, lsub } => {
                let append_octets_max = self.context.accounts.options().message_octets_max;
                let asked =
                    list::Asked { select, reference, patterns, returns, lsub, append_octets_max };
                let shared = self.shared_mailboxes().await?;
                let listing = list::Listing::new((self.account()?, shared), asked);
                self.begin(session, Work::List(Box::new(listing))).await
            }
            Effect::Status { mailbox, items } => self.status(session, &mailbox, &items).await,
            Effect::Create { mailbox, special_use } => self.create(&mailbox, &special_use).await,
            Effect::Delete { mailbox } => self.delete(&mailbox).await,
            Effect::Rename { from, to } => self.rename(session, &from, &to).await,
            Effect::Subscribe { mailbox, wanted } => self.subscribe(&mailbox, wanted).await,
            Effect::Quota { mailbox } => self.quota(session, mailbox.as_deref()).await,
            Effect::GetMetadata { mailbox, query } => self.metadata(session, mailbox, &query).await,
            Effect::SetMetadata { mailbox, entries } => {
                self.set_metadata(mailbox.as_deref(), entries).await
            }
            effect @ (Effect::AppendBegin { .. }
            | Effect::AppendText { .. }
            | Effect::AppendUrl(_)
            | Effect::AppendData(_)) => self.append_part(effect).await,
            Effect::Fetch { set, uid, items, modifiers } => {
                let asked = fetch::Asked { set, uid, items, modifiers };
                let selected = self.selected.as_deref_mut().ok_or(Refusal::Bug)?;
                let fetching = fetch::Fetching::new(session, selected, asked).await?;
                self.begin(session, Work::Fetch(Box::new(fetching))).await
            }
            Effect::Store { set, uid, op, silent, flags, unchanged_since } => {
                let asked = store::Asked { set, uid, op, silent, flags, unchanged_since };
                let selected = self.selected.as_deref_mut().ok_or(Refusal::Bug)?;
                let storing = store::Storing::new(selected, asked);
                self.begin(session, Work::Store(Box::new(storing))).await
            }
            Effect::Copy { set, uid, mailbox, remove } => {
                let asked = copy::Asked { set, uid, mailbox, remove };
                self.copy(session, asked).await
            }
            Effect::Expunge { uids } => self.expunge(session, uids.as_ref()).await,
            effect @ (Effect::Search { .. } | Effect::Sort { .. } | Effect::Thread { .. }) => {
                self.find(session, effect).await
            }
            Effect::Notify(set) => self.notify(session, set.map(|set| *set)).await,
            effect @ (Effect::Acl { .. } | Effect::SetAcl { .. }) => {
                self.rights(session, effect).await
            }
            Effect::UidBatches { messages, wanted } => self.uid_batches(session, messages, wanted),
            Effect::CancelUpdate(tags) => {
                self.cancel_updates(&tags);
                Ok(Done::Ok(None))
            }
            Effect::MultiSearch { sources, key, returns } => {
                self.multi_search(session, (sources, key, returns)).await
            }
            Effect::Poll { expunges } => self.poll(session, expunges).await,
            Effect::Auth(_)
            | Effect::Unauthenticate
            | Effect::Id(_)
            | Effect::Select { .. }
            | Effect::AppendEnd
            | Effect::AppendAbort
            | Effect::More
            | Effect::Idle(_) => Err(Refusal::Bug.into()),
        }
    }

    /// The first piece of what streams.
    async fn begin(&mut self, session: &mut Session, work: Work) -> Result<Done, Stop> {
        self.work = Some(work);
        self.more(session).await
    }

    /// Another piece.
    async fn more(&mut self, session: &mut Session) -> Result<Done, Stop> {
        let mut work = self.work.take().ok_or(Refusal::Bug)?;
        let done = match &mut work {
            Work::List(listing) => listing.step(session, self.account()?).await?,
            Work::Metadata(getting) => getting.step(session),
            Work::MultiSearch(searching) => {
                let account = Arc::clone(self.account()?);
                searching.step(session, (&mut self.selected, &account)).await?
            }
            work => {
                let selected = self.selected.as_deref_mut().ok_or(Refusal::Bug)?;
                match work {
                    Work::Fetch(fetching) => fetching.step(session, selected, &self.memory).await?,
                    Work::Search(searching) => searching.step(session, selected).await?,
                    Work::Sort(sorting) => sorting.step(session, selected).await?,
                    Work::Thread(threading) => threading.step(session, selected).await?,
                    Work::Store(storing) => storing.step(session, selected).await?,
                    Work::Tell(telling) => telling.step(session, selected, &self.memory).await?,
                    Work::Resync(resync) => resync.step(session, selected).await?,
                    Work::List(_) | Work::MultiSearch(_) | Work::Metadata(_) => {
                        Done::No(Refusal::Bug)
                    }
                }
            }
        };
        if done == Done::More {
            self.work = Some(work);
        } else if let Work::Tell(telling) = &mut work
            && let Some(new) = telling.new.take()
        {
            return self.begin_new(session, *new).await;
        }
        Ok(done)
    }

    async fn perform_more(&mut self, session: &mut Session) {
        let done = self.more(session).await;
        self.conclude(session, done);
    }

    /// Tells the machine how an effect ended.
    fn conclude(&mut self, session: &mut Session, done: Result<Done, Stop>) {
        match done {
            Ok(Done::Ok(code)) if self.limited.is_some() => {
                let limited = self.limited.take().map(String::from);
                // The tagged answer has room for one code.
                if let (Some(limited), true) = (&limited, code.is_some()) {
                    session.reply().ok(limited, "Some messages were left out");
                }
                session.done(Done::Ok(code.or(limited)));
            }
            Ok(done) => session.done(done),
            Err(Stop::Aborted) => session.break_off(),
            Err(stop) => session.done(Done::No(self.refusal(stop))),
        }
    }

    /// The peer's side of a story that the log gets whole.
    fn refusal(&self, stop: Stop) -> Refusal {
        match stop {
            Stop::Refused(refusal) => refusal,
            Stop::Account(error) => {
                self.log(&error);
                refusal::refusal(&error)
            }
            Stop::Aborted => Refusal::Bug,
        }
    }

    fn log(&self, error: &account::Error) {
        let connection = self.peer.id;
        let account = self.login.as_ref().map(|login| login.account.id().0);
        if refusal::is_ours(error) {
            tracing::error!(connection, account, %error, "imap");
            self.context.metrics.error("imap");
        } else {
            tracing::debug!(connection, account, %error, "imap");
        }
    }

    /// RFC 8437 §3: nothing of the login stays.
    fn unauthenticate(&mut self) {
        (self.selected, self.work, self.append) = (None, None, None);
        self.notifying = None;
        (self.login, self.keep_alive, self.metadata_told) = (None, None, None);
    }

    /// RFC 2971 §3.3: "useful for statistics and for analyzing bug reports".
    fn log_client(&self, fields: &[(String, Option<String>)]) {
        let field = |wanted: &str| {
            let found = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            let value = found.and_then(|(_, value)| value.as_deref()).unwrap_or_default();
            value.chars().take(CLIENT_CHARS_MAX).collect::<String>()
        };
        let (name, version) = (field("name"), field("version"));
        tracing::info!(connection = self.peer.id, ?name, ?version, "imap client");
    }

    fn account(&self) -> Result<&Arc<Account>, Refusal> {
        self.login.as_ref().map(|login| &login.account).ok_or(Refusal::Bug)
    }
}

/// A message's permanent id (RFC 8474 §5.1); the other kinds have other letters.
fn email_id(id: mail::MessageId) -> String {
    format!("M{id}")
}

fn thread_id(id: mail::ThreadId) -> String {
    format!("T{id}")
}

fn mailbox_id(id: mail::MailboxId) -> String {
    format!("F{id}")
}

/// An id of another account's: RFC 8474 §4: ids of different things the user sees must differ.
fn foreign_id(id: String, owner: Option<mail::AccountId>) -> String {
    match owner {
        Some(owner) => format!("{id}-{owner}"),
        None => id,
    }
}

/// The number of an id as it was written, if it is one of ours.
fn id_number(letter: char, id: &str) -> Option<u32> {
    let digits = id.strip_prefix(letter)?;
    let canonical = !digits.starts_with(['0', '+']) || digits == "0";
    digits.parse().ok().filter(|_| canonical)
}

/// A set of Uids.
fn uid_set(uids: impl IntoIterator<Item = Uid>) -> NumberSet {
    NumberSet::of_numbers(uids.into_iter().map(|uid| uid.0))
}

#[cfg(test)]
mod tests;
