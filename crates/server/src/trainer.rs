//! Learns what people do with their mail: each account's log is heard some time after it changed.
//!
//! Invariants: nobody waits for it; what it has not heard is in the log, and is heard when the
//! account next changes, whatever happened meanwhile. What fails is tried again then, never in a
//! loop.

use crate::{clock::SystemClock, context::Context};
use account::{
    Account, Clock as _, Error, Refused,
    junk::{Learning, Learnt},
    reputation::{Name, Word},
};
use mail::{AccountId, MessageId};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};

/// Changes gather for so long: a client moves messages one by one.
const GATHER: Duration = Duration::from_millis(500);

/// Settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// Whether mail of strangers is judged.
    pub enabled: bool,
    /// From so many percent on it is Junk.
    pub junk_percent_min: u32,
    /// Messages of each kind that are learnt before.
    pub lessons_min: u32,
    /// Whether the server learns from its accounts.
    pub server_learns: bool,
    /// Messages of one command that teach.
    pub command_lessons_max: u32,
    /// Books in memory.
    pub books_cached_max: u32,
}

/// Where hints arrive.
#[derive(Default)]
struct Desk {
    changed: Mutex<BTreeSet<u32>>,
    notify: Notify,
}

impl Desk {
    fn changed(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs until `shutdown`.
pub async fn run(context: Arc<Context>, settings: Settings, mut shutdown: watch::Receiver<bool>) {
    let desk = Arc::<Desk>::default();
    let hints = Arc::clone(&desk);
    let _hearing = context.accounts.hear(Box::new(move |account| {
        hints.changed().insert(account.0);
        hints.notify.notify_one();
    }));
    let how = Learning {
        teaches_server: settings.server_learns,
        messages_max: usize::try_from(settings.command_lessons_max).unwrap_or(usize::MAX),
    };
    let work = async {
        loop {
            desk.notify.notified().await;
            sleep(GATHER).await;
            let changed = std::mem::take(&mut *desk.changed());
            for id in changed {
                hear(&context, AccountId(id), how).await;
            }
        }
    };
    tokio::select! {
        _ = shutdown.wait_for(|down| *down) => {}
        () = work => {}
    }
}

async fn hear(context: &Context, id: AccountId, how: Learning) {
    loop {
        match hear_some(context, id, how).await {
            Ok(true) => {}
            // It was removed meanwhile, or is no account of people.
            Ok(false) | Err(Error::Refused(Refused::NoSuchEntry)) => return,
            Err(error) => {
                tracing::warn!(account = id.0, %error, "nothing learnt");
                return;
            }
        }
    }
}

/// A step; whether there may be more.
async fn hear_some(context: &Context, id: AccountId, how: Learning) -> Result<bool, Error> {
    let account = context.accounts.account(id).await?;
    let Learnt { said, words, more } = context.books.hear(&account, how).await?;
    // Who does not teach the server does not tell others of senders either.
    for (message, word) in words.into_iter().filter(|_| how.teaches_server) {
        speak(context, &account, (message, word)).await;
    }
    for (message, class) in said {
        tracing::info!(account = id.0, message = message.0, ?class, "learnt");
        if !context.inspection.teaches() {
            continue;
        }
        if let Some(Some(record)) = account.records(&[message]).await?.pop() {
            let whole = account.body(&record, 0..u32::MAX).await?;
            context.inspection.learn(class, whole).await;
        }
    }
    Ok(more)
}

/// What somebody says of a message is said of its senders.
async fn speak(context: &Context, account: &Account, (message, word): (MessageId, Word)) {
    match account.explained(message).await {
        Ok(Some(why)) => {
            let names: Vec<Name> = why.senders.iter().filter_map(|one| Name::parse(one)).collect();
            let word = Word { filtered: why.junk, ..word };
            context.reputation.hear(&names, (account.id(), word), SystemClock.now_seconds());
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(account = account.id().0, %error, "senders not judged"),
    }
}
