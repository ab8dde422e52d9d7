//! Keeps the accounts' search indexes up to date, in the background: one account at a time, in a
//! thread of its own that lets all others go first. Nobody waits for it: what it has not reached
//! is found by reading.
//!
//! Invariants: work begins by hints of commits, which may be lost; at the start every account is
//! looked at once. What fails is tried again at the next hint, never in a loop. An account with
//! much to do does a step, then others have their turn.

use crate::config::SearchLimits;
use account::{Account, Accounts, IndexProgress as Progress};
use mail::AccountId;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    time::{Instant, sleep},
};

/// After idle time a batch of this part of the usual is worth it.
const IDLE_PART: u32 = 8;
/// Accounts looked at in one page at the start.
const ACCOUNTS_PAGE: usize = 500;
/// Rest between two pages.
const PAGE_REST: Duration = Duration::from_millis(50);

/// What hints left.
#[derive(Default)]
struct Heard {
    /// Accounts to be looked at: those with new commits, and those with more work.
    queue: VecDeque<u32>,
    queued: HashSet<u32>,
    /// Accounts whose last step said that there is more.
    unfinished: HashSet<u32>,
    /// Accounts with messages that wait, and when the last commit was.
    waiting: HashMap<u32, Instant>,
}

impl Heard {
    fn push(&mut self, account: u32) {
        if self.queued.insert(account) {
            self.queue.push_back(account);
        }
    }

    fn pop(&mut self) -> Option<AccountId> {
        let account = self.queue.pop_front()?;
        self.queued.remove(&account);
        Some(AccountId(account))
    }
}

/// Where hints arrive.
#[derive(Default)]
struct Desk {
    heard: Mutex<Heard>,
    notify: Notify,
}

impl Desk {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hint(&self, account: AccountId) {
        self.heard().push(account.0);
        self.notify.notify_one();
    }
}

struct Indexer {
    accounts: Arc<Accounts>,
    desk: Arc<Desk>,
    limits: SearchLimits,
}

/// Starts the thread. It ends soon after `shutdown`.
pub fn start(
    accounts: Arc<Accounts>,
    limits: SearchLimits,
    shutdown: watch::Receiver<bool>,
) -> io::Result<()> {
    let handle = Handle::current();
    let work = move || {
        be_nice(limits.index_nice_levels);
        handle.block_on(serve(accounts, limits, shutdown));
    };
    std::thread::Builder::new().name("indexer".into()).spawn(work).map(drop)
}

/// Of this thread alone: on Linux a thread has its own priority.
fn be_nice(levels: u32) {
    let levels = i32::try_from(levels.min(19)).unwrap_or(19);
    if let Err(error) = rustix::process::nice(levels) {
        tracing::debug!(%error, "the indexer's priority stays");
    }
}

async fn serve(accounts: Arc<Accounts>, limits: SearchLimits, mut shutdown: watch::Receiver<bool>) {
    let desk = Arc::<Desk>::default();
    let hints = Arc::clone(&desk);
    let _hearing = accounts.hear(Box::new(move |account| hints.hint(account)));
    let indexer = Indexer { accounts, desk, limits };
    tokio::select! {
        _ = shutdown.wait_for(|down| *down) => {}
        () = indexer.run() => {}
    }
}

impl Indexer {
    async fn run(&self) {
        self.look_at_all().await;
        let idle = Duration::from_secs(self.limits.index_idle_seconds.max(1).into());
        loop {
            loop {
                let Some(id) = self.desk.heard().pop() else { break };
                self.look(id, self.limits.index_messages_min).await;
            }
            tokio::select! {
                () = self.desk.notify.notified() => {}
                () = sleep(idle / 4) => self.look_at_idle(idle).await,
            }
        }
    }

    /// What came before this process, or was not indexed by the version before.
    async fn look_at_all(&self) {
        let mut after = None;
        loop {
            let page = self.accounts.directory().accounts(after, ACCOUNTS_PAGE).await;
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    tracing::error!(%error, "accounts cannot be listed");
                    return;
                }
            };
            let Some(last) = page.last() else { return };
            after = Some(last.id);
            for one in page {
                match self.accounts.index_waiting(one.id).await {
                    Ok(waiting) if waiting >= self.limits.index_messages_min => {
                        self.desk.hint(one.id);
                    }
                    Ok(_) => {}
                    Err(error) => tracing::warn!(account = one.id.0, %error, "not indexed"),
                }
            }
            sleep(PAGE_REST).await;
        }
    }

    /// Accounts that were left alone for a while.
    async fn look_at_idle(&self, idle: Duration) {
        let least = (self.limits.index_messages_min / IDLE_PART).max(1);
        let due: Vec<u32> = {
            let heard = self.desk.heard();
            let waiting = heard.waiting.iter();
            waiting.filter(|(_, since)| since.elapsed() >= idle).map(|(id, _)| *id).collect()
        };
        for id in due {
            self.desk.heard().waiting.remove(&id);
            // It need not be loaded to know that there is too little.
            match self.accounts.index_waiting(AccountId(id)).await {
                Ok(waiting) if waiting >= least => self.look(AccountId(id), least).await,
                Ok(_) => {}
                Err(error) => tracing::warn!(account = id, %error, "not indexed"),
            }
        }
    }

    /// A step for an account, if enough waits. Where more is to be done others come first.
    async fn look(&self, id: AccountId, least: u32) {
        // Refused: it was removed meanwhile.
        let Ok(account) = self.accounts.account(id).await else { return };
        match self.step(&account, least).await {
            Ok(Progress { more: true, .. }) => {
                let mut heard = self.desk.heard();
                heard.unfinished.insert(id.0);
                heard.push(id.0);
            }
            Ok(Progress { waiting: 0, .. }) => {
                self.desk.heard().waiting.remove(&id.0);
            }
            Ok(Progress { .. }) => {
                self.desk.heard().waiting.insert(id.0, Instant::now());
            }
            Err(error) => tracing::warn!(account = id.0, %error, "not indexed"),
        }
    }

    async fn step(&self, account: &Account, least: u32) -> Result<Progress, account::Error> {
        let waiting = account.index_waiting().await?;
        let unfinished = self.desk.heard().unfinished.remove(&account.id().0);
        if waiting < least && !unfinished {
            return Ok(Progress { waiting, ..Progress::default() });
        }
        let begun = Instant::now();
        let step = account.index_step(least).await?;
        if step.messages > 0 {
            let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            let (account, messages) = (account.id().0, step.messages);
            tracing::debug!(account, messages, millis, "indexed");
        }
        Ok(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use account::{MailboxName, MasterKey, NewMessage, Options};
    use bytes::Bytes;
    use mail::{Address, Domain};
    use store::{LocalBus, Memory};
    use tokio::time::timeout;

    const SOON: Duration = Duration::from_secs(30);

    struct World {
        accounts: Arc<Accounts>,
        ana: Arc<Account>,
        _down: watch::Sender<bool>,
    }

    async fn open(memory: &Arc<Memory>) -> (Arc<Accounts>, Arc<Account>) {
        let options =
            Options { index_messages_min: 8, argon2_cost: (8, 1, 1), ..Options::default() };
        let accounts = Accounts::open(
            Arc::clone(memory) as Arc<dyn store::Kv>,
            Arc::clone(memory) as Arc<dyn store::Blobs>,
            Arc::new(LocalBus::default()),
            MasterKey([7; 32]),
            Arc::new(SystemClock),
            options,
        );
        let accounts = accounts.await.unwrap();
        let directory = accounts.directory();
        let address = Address::parse("ana@example.test").unwrap();
        let id = match directory.find(&address).await.unwrap() {
            Some(info) => info.id,
            None => {
                directory.add_domain(&Domain::parse("example.test").unwrap()).await.unwrap();
                directory.add_account(&address, b"secret").await.unwrap()
            }
        };
        let ana = accounts.account(id).await.unwrap();
        (accounts, ana)
    }

    fn started((accounts, ana): (Arc<Accounts>, Arc<Account>)) -> World {
        let (down, shutdown) = watch::channel(false);
        let limits =
            SearchLimits { index_messages_min: 8, index_idle_seconds: 1, ..<_>::default() };
        start(Arc::clone(&accounts), limits, shutdown).unwrap();
        World { accounts, ana, _down: down }
    }

    async fn append(ana: &Account, count: u32) {
        let inbox = ana.mailbox(&MailboxName::inbox()).unwrap().id;
        let one = |n| NewMessage::new(Bytes::from(format!("Subject: {n}\r\n\r\nbody {n}\r\n")));
        ana.append(inbox, (0..count).map(one).collect()).await.unwrap();
    }

    /// Waits for commits until so many messages are indexed.
    async fn indexed(ana: &Account, wanted: u64) {
        let wait = async {
            loop {
                let seen = ana.modseq();
                ana.index_settled().await;
                if ana.indexed().await.unwrap().1 == wanted {
                    return;
                }
                ana.wait(seen).await;
            }
        };
        timeout(SOON, wait).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn mail_is_indexed_as_it_comes_and_what_is_little_after_idle_time() {
        let memory = Arc::new(Memory::new());
        let world = started(open(&memory).await);
        append(&world.ana, 8).await;
        indexed(&world.ana, 8).await;
        append(&world.ana, 3).await;
        indexed(&world.ana, 11).await;
        assert_eq!(world.accounts.index_waiting(world.ana.id()).await.unwrap(), 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_came_before_the_start_is_indexed() {
        let memory = Arc::new(Memory::new());
        let (_, ana) = open(&memory).await;
        append(&ana, 20).await;
        let world = started(open(&memory).await);
        indexed(&world.ana, 20).await;
    }
}
