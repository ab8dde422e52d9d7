//! What was learnt of junk: a book of each account and one of the server, under an account id of
//! their own, with a key of their own.
//!
//! Invariants: a lesson is in the books or it is not: what it changes and how far the account's log
//! was heard are one commit, so that none is lost or learnt twice. Words are stored as keyed hashes
//! alone. An account's book goes with the account. Nothing here decides what happens to a message.

mod acts;
mod lesson;
mod open;

use crate::{
    Account, Accounts, Error,
    accounts::Shared,
    directory::turn::Turn,
    explain::Explained,
    keys,
    reputation::Word,
    seal::{Kind, Seal},
};
use acts::{Act, Acts};
use bytes::Bytes;
pub use lesson::Lesson;
use mail::{
    AccountId, MessageId,
    mime::{self, Structure},
};
use open::{Open, What};
use spam::{Book, Class, Limits, Tokens, Verdict};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The books' own account: the directory numbers accounts from 1 on and never comes here.
const BOOKS: u32 = u32::MAX - 1;
/// The server's book; no account has this number.
const SERVER: u32 = 0;
/// Octets of a message that are looked at: the same when it comes, and when it is learnt or taken
/// back.
pub const LOOK_OCTETS: u32 = 512 << 10;
/// Lessons written one by one before the pages are written.
const ENTRIES_MAX: usize = 64;
/// Times that a commit is tried while somebody erases accounts.
const TRIES_MAX: usize = 16;

/// How to learn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Learning {
    /// The server learns what its accounts do.
    pub teaches_server: bool,
    /// Messages of one command that teach; the others of it do not.
    pub messages_max: usize,
}

/// What a step did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Learnt {
    /// What people said of which message; not what was gathered from filing and answering.
    pub said: Vec<(MessageId, Class)>,
    /// All of it, what was gathered as well, with what was known of the message before; not
    /// whether it was filtered.
    pub words: Vec<(MessageId, Word)>,
    /// Whether there is more to be heard.
    pub more: bool,
}

/// Numbers of a book.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Learned {
    /// Wanted messages in it.
    pub wanted: u16,
    /// Messages of junk in it.
    pub junk: u16,
}

type Puts = Vec<(Bytes, Option<Bytes>)>;

/// Books in memory, and a counter that tells which was used last.
#[derive(Default)]
struct Cached {
    books: HashMap<u32, (Open, u64)>,
    used: u64,
    /// How far logs were heard, where that is further than what is stored.
    heard: HashMap<u32, u64>,
}

/// The books.
pub struct Books {
    shared: Arc<Shared>,
    seal: Seal,
    key: spam::Key,
    turn: Turn,
    cached: Mutex<Cached>,
    books_max: usize,
}

/// A lesson that somebody's act asks for.
struct Asked {
    message: MessageId,
    class: Class,
    before: Option<Lesson>,
    /// Somebody said so, as opposed to what can be gathered from what he did.
    told: bool,
}

/// Changes of the books that become one commit.
struct Plan {
    owner: Open,
    server: Open,
    puts: Puts,
}

impl Books {
    /// The books of an installation; made when there are none. At most `books_max` of them are kept
    /// in memory, each of 2 MB at most.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`] when their key does not open.
    pub async fn open(accounts: &Accounts, books_max: usize) -> Result<Arc<Self>, Error> {
        let shared = accounts.share();
        let (seal, made) = match shared.kv.get(BOOKS, keys::sealing().bytes()).await? {
            Some(wrapped) => (Seal::open_key(BOOKS, &shared.master, &wrapped)?, None),
            None => {
                let (seal, wrapped) = Seal::make(BOOKS, &shared.master)?;
                (seal, Some((keys::sealing().bytes(), Some(wrapped.into()))))
            }
        };
        let half = |part: &[u8]| seal.hash(Kind::Book, &[part]).to_be_bytes();
        let mut octets = [0; 16];
        for (slot, octet) in octets.iter_mut().zip(half(b"1").into_iter().chain(half(b"2"))) {
            *slot = octet;
        }
        let books = Arc::new(Self {
            shared,
            seal,
            key: spam::Key::new(octets),
            turn: Turn::default(),
            cached: Mutex::default(),
            books_max: books_max.max(2),
        });
        if let Some(put) = made {
            commit(&books.shared, vec![put]).await?;
        }
        Ok(books)
    }

    fn cached(&self) -> MutexGuard<'_, Cached> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What can be learnt of a message; it may be cut after [`LOOK_OCTETS`].
    #[must_use]
    pub fn tokens(&self, message: &[u8]) -> Tokens {
        let end = message.len().min(LOOK_OCTETS as usize);
        let message = message.get(..end).unwrap_or_default();
        let structure = Structure::parse(message, &mime::Limits::default());
        spam::tokens(message, &structure, &self.key, &Limits::default())
    }

    /// What the server, and an account, think of a message.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn verdict(&self, account: AccountId, tokens: &Tokens) -> Result<Verdict, Error> {
        let (server, own) = (self.book(SERVER).await?, self.book(account.0).await?);
        Ok(spam::score(tokens, &server, &own))
    }

    /// Numbers of the account's book, or of the server's.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn learned(&self, account: Option<AccountId>) -> Result<Learned, Error> {
        let book = self.book(account.map_or(SERVER, |id| id.0)).await?;
        Ok(Learned { wanted: book.totals().ham, junk: book.totals().spam })
    }

    async fn book(&self, owner: u32) -> Result<Arc<Book>, Error> {
        Ok(self.find(owner).await?.book)
    }

    async fn find(&self, owner: u32) -> Result<Open, Error> {
        {
            let cached = &mut *self.cached();
            cached.used += 1;
            if let Some((open, used)) = cached.books.get_mut(&owner) {
                *used = cached.used;
                return Ok(open.clone());
            }
        }
        let (from, to) = keys::of_owner(keys::tag::BOOK, owner);
        let entries_max = usize::MAX;
        let scan = store::Scan { account: BOOKS, from, to, reverse: false, entries_max };
        let open = Open::read(owner, &self.seal, &self.shared.kv.scan(scan).await?)?;
        // Somebody may have learnt meanwhile: what is there is newer.
        let cached = &mut *self.cached();
        let used = cached.used;
        let open = cached.books.entry(owner).or_insert((open, used)).0.clone();
        self.shrink(cached);
        Ok(open)
    }

    fn shrink(&self, cached: &mut Cached) {
        while cached.books.len() > self.books_max {
            let others = cached.books.iter().filter(|(owner, _)| **owner != SERVER);
            let oldest = others.min_by_key(|(_, (_, used))| *used).map(|(owner, _)| *owner);
            let Some(oldest) = oldest else { return };
            cached.books.remove(&oldest);
        }
    }

    /// What a person said of a message.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn lesson(
        &self,
        owner: AccountId,
        message: MessageId,
    ) -> Result<Option<Lesson>, Error> {
        let key = keys::lesson(owner.0, message.0).bytes();
        let Some(sealed) = self.shared.kv.get(BOOKS, key).await? else { return Ok(None) };
        let damaged = || Error::Damaged(format!("lesson of account {owner}, message {message}"));
        let number = u64::from(owner.0) << 32 | u64::from(message.0);
        let plain = self.seal.open(Kind::Lesson, number, &sealed).map_err(|_| damaged())?;
        Lesson::read(&plain).map(Some).ok_or_else(damaged)
    }

    /// Teaches the server's book messages that somebody has sorted; gives how many it did not know
    /// well. All of them are durable when this is ready.
    ///
    /// # Errors
    /// The store's.
    pub async fn teach(&self, messages: &[(Tokens, Class)]) -> Result<usize, Error> {
        let _turn = self.turn.take().await;
        let mut server = self.find(SERVER).await?;
        let (mut puts, mut taught) = (Puts::new(), 0);
        for (tokens, class) in messages {
            let verdict = spam::score(tokens, &server.book, &Book::default());
            if spam::worthwhile(&verdict, *class, &server.book) {
                server.write(What::Learn(*class), tokens, (&self.seal, &mut puts))?;
                taught += 1;
            }
        }
        server.fold(&self.seal, &mut puts)?;
        server.state(&self.seal, &mut puts)?;
        commit(&self.shared, puts).await?;
        self.keep(server);
        Ok(taught)
    }

    fn keep(&self, open: Open) {
        let cached = &mut *self.cached();
        cached.used += 1;
        cached.books.insert(open.owner, (open, cached.used));
        self.shrink(cached);
    }

    /// Hears what was done in an account since it was last heard, and learns of it. Takes as long
    /// as some messages take; call it again while there is more.
    ///
    /// # Errors
    /// The store's; what was learnt before stays.
    pub async fn hear(&self, account: &Account, how: Learning) -> Result<Learnt, Error> {
        let _turn = self.turn.take().await;
        let id = account.id().0;
        let stored = self.find(id).await?.through;
        let heard = self.cached().heard.get(&id).copied().unwrap_or_default().max(stored);
        let Some((all, last)) = account.acts(heard).await? else { return Ok(Learnt::default()) };
        let mut learnt = Learnt { more: true, ..Learnt::default() };
        for acts in &all {
            self.learn(account, acts, (how, &mut learnt)).await?;
        }
        if all.is_empty() && last.saturating_sub(stored) >= acts::STEP_COMMITS as u64 {
            let mut own = self.find(id).await?;
            let mut puts = Puts::new();
            own.through = last;
            own.state(&self.seal, &mut puts)?;
            commit(&self.shared, puts).await?;
            self.keep(own);
        }
        self.cached().heard.insert(id, last);
        Ok(learnt)
    }

    /// Learns what one commit says, and adds what was said.
    async fn learn(
        &self,
        account: &Account,
        acts: &Acts,
        (how, all): (Learning, &mut Learnt),
    ) -> Result<(), Error> {
        let mut plan = Plan {
            owner: self.find(account.id().0).await?,
            server: self.find(SERVER).await?,
            puts: Puts::new(),
        };
        let (mut said, mut words) = (Vec::new(), Vec::new());
        for act in &acts.acts {
            let lesson = match act {
                Act::Erased(message) => {
                    plan.puts.push((keys::lesson(account.id().0, *message).bytes(), None));
                    continue;
                }
                act => self.asked(account, *act).await?,
            };
            let Some(Asked { message, class, before, told }) = lesson else { continue };
            let known = before.is_some_and(|before| before.class == class);
            if !known && words.len() >= how.messages_max {
                continue;
            }
            let keyword = match act {
                Act::Keyword(..) => Some(class),
                _ => before.and_then(|before| before.keyword),
            };
            let time = account.shared.clock.now_seconds();
            let mut now = Lesson { class, of_account: false, of_server: false, time, keyword };
            if let Some(before) = before.filter(|_| known) {
                now = Lesson { keyword, ..before };
            } else if self.change(account, &mut plan, (message, before, how), &mut now).await? {
                let before = before.map(|before| (before.class, before.time));
                words.push((message, Word { class, before, filtered: false }));
                said.extend(told.then_some((message, class)));
            } else {
                continue;
            }
            let number = u64::from(account.id().0) << 32 | u64::from(message.0);
            let sealed = self.seal.seal(Kind::Lesson, number, &now.write())?;
            let key = keys::lesson(account.id().0, message.0).bytes();
            plan.puts.push((key, Some(sealed.into())));
        }
        if !plan.puts.is_empty() {
            plan.owner.through = acts.modseq;
            for open in [&mut plan.owner, &mut plan.server] {
                if open.entries >= ENTRIES_MAX {
                    open.fold(&self.seal, &mut plan.puts)?;
                }
                open.state(&self.seal, &mut plan.puts)?;
            }
            commit(&self.shared, plan.puts).await?;
            self.keep(plan.owner);
            self.keep(plan.server);
        }
        all.said.append(&mut said);
        all.words.append(&mut words);
        Ok(())
    }

    /// What an act asks for; nothing when it says nothing.
    async fn asked(&self, account: &Account, act: Act) -> Result<Option<Asked>, Error> {
        let (message, class) = match act {
            Act::IntoJunk(message) => (message, Class::Spam),
            Act::Kept(message) | Act::Valued(message) => (message, Class::Ham),
            Act::Keyword(message, class) => (message, class),
            Act::Erased(_) => return Ok(None),
        };
        let message = MessageId(message);
        let before = self.lesson(account.id(), message).await?;
        let of_filter = match (act, before) {
            (Act::Kept(_) | Act::Valued(_), None) => {
                account.explained(message).await?.is_some_and(|why| why.junk)
            }
            _ => false,
        };
        let counts = match act {
            // What is in Junk is not wanted because it was flagged there.
            Act::Valued(_) => before.is_none() && !of_filter,
            Act::Keyword(_, class) => before.is_none_or(|before| before.keyword != Some(class)),
            _ => true,
        };
        // Who files or answers mail tells us that it is wanted, but not because we were wrong.
        let told = !matches!(act, Act::Kept(_) | Act::Valued(_)) || before.is_some() || of_filter;
        Ok(counts.then_some(Asked { message, class, before, told }))
    }

    /// Writes a lesson into the books, after what was learnt of the message before was taken back.
    /// False when the message is gone.
    async fn change(
        &self,
        account: &Account,
        plan: &mut Plan,
        (message, before, how): (MessageId, Option<Lesson>, Learning),
        now: &mut Lesson,
    ) -> Result<bool, Error> {
        let Some(Some(record)) = account.records(&[message]).await?.pop() else {
            return Ok(false);
        };
        let tokens = self.tokens(&account.body(&record, 0..LOOK_OCTETS).await?);
        let Plan { owner, server, puts } = plan;
        if let Some(before) = before {
            if before.of_account {
                owner.write(What::TakeBack(before.class), &tokens, (&self.seal, puts))?;
            }
            if before.of_server {
                server.write(What::TakeBack(before.class), &tokens, (&self.seal, puts))?;
            }
        }
        let verdict = spam::score(&tokens, &server.book, &owner.book);
        if spam::worthwhile(&verdict, now.class, &owner.book) {
            owner.write(What::Learn(now.class), &tokens, (&self.seal, puts))?;
            now.of_account = true;
        }
        let verdict = spam::score(&tokens, &server.book, &Book::default());
        if how.teaches_server && spam::worthwhile(&verdict, now.class, &server.book) {
            server.write(What::Learn(now.class), &tokens, (&self.seal, puts))?;
            now.of_server = true;
        }
        Ok(true)
    }

    /// Forgets what is in memory of an account that was erased.
    pub fn forget(&self, account: AccountId) {
        let cached = &mut *self.cached();
        cached.books.remove(&account.0);
        cached.heard.remove(&account.0);
    }
}

impl Account {
    /// Why a message is where it came to, if that is known.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn explained(&self, message: MessageId) -> Result<Option<Explained>, Error> {
        let key = keys::explained(message.0).bytes();
        let Some(sealed) = self.shared.kv.get(self.id.0, key).await? else { return Ok(None) };
        let damaged = || Error::Damaged(format!("account {}: why {message}", self.id));
        let number = message.0.into();
        let plain = self.seal.open(Kind::Explained, number, &sealed).map_err(|_| damaged())?;
        Explained::read(&plain).map(Some).ok_or_else(damaged)
    }
}

/// Erases all that an account taught its own book; what the server has of it are counts.
pub(crate) async fn erase(shared: &Shared, account: AccountId) -> Result<(), Error> {
    let mut puts = Puts::new();
    for tag in [keys::tag::BOOK, keys::tag::LESSON] {
        let (from, to) = keys::of_owner(tag, account.0);
        let entries_max = usize::MAX;
        let scan = store::Scan { account: BOOKS, from, to, reverse: false, entries_max };
        puts.extend(shared.kv.scan(scan).await?.into_iter().map(|(key, _)| (key, None)));
    }
    if puts.is_empty() { Ok(()) } else { commit(shared, puts).await }
}

/// One commit. Lessons of one process come one after the other; only an account that is erased at
/// the same moment may be first.
async fn commit(shared: &Shared, puts: Puts) -> Result<(), Error> {
    let mut tries = 0;
    loop {
        let head = shared.kv.head(BOOKS).await?;
        let (account, puts) = (BOOKS, puts.clone());
        let change =
            store::Commit { account, expected: head, head: head + 1, puts, ..Default::default() };
        match shared.kv.commit(change).await {
            Err(store::Error::Conflict { .. }) if tries < TRIES_MAX => tries += 1,
            done => return Ok(done?),
        }
    }
}
