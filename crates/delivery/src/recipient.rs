//! Recipients: whose accounts they are, and the message into all of them.

use crate::classify::Classifier;
use crate::hops;
use crate::join;
use crate::srs::Srs;
use account::{
    Account, Accounts, Error, MailboxName, NewMessage, Recipient, Refused, SpecialUse,
    explain::Explained,
    once::Transaction,
    reputation::{Evidence, Name, Reputation},
};
use bytes::Bytes;
use mail::{AccountId, Address};
use spam::Tokens;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// Where a recipient's mail goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// Accounts of ours, each once.
    pub accounts: Vec<AccountId>,
    /// Addresses elsewhere that it goes on to.
    pub forwards: Vec<Address>,
}

impl Route {
    /// Whether a message for this address would be sent on from it once more.
    #[must_use]
    pub fn goes_round(&self, message: &[u8], address: &Address) -> bool {
        !self.forwards.is_empty() && hops::came_from(message, address)
    }
}

/// Why mail is not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Problem {
    /// The address is nobody's.
    NoSuchUser,
    /// The domain is not ours.
    Elsewhere,
    /// The quota is used up.
    MailboxFull,
    /// Larger than `message_octets_max`.
    TooBig,
    /// The disk is full: nothing was stored, later it may work.
    NoRoom,
    /// It was sent on from this address before: it goes round.
    Loop,
    /// The store failed (its story for the log).
    Failed(String),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(Refused::OverQuota) => Self::MailboxFull,
            Error::Refused(Refused::MessageTooBig) => Self::TooBig,
            Error::Refused(Refused::NoSuchEntry) => Self::NoSuchUser,
            Error::Store(store::Error::Full) => Self::NoRoom,
            other => Self::Failed(other.to_string()),
        }
    }
}

/// Takes mail in.
#[derive(Clone)]
pub struct Inbound {
    accounts: Arc<Accounts>,
    srs: Srs,
    classifier: Option<Classifier>,
    reputation: Option<Arc<Reputation>>,
}

impl Inbound {
    /// For these accounts. `secret`: for senders of mail that goes on elsewhere.
    #[must_use]
    pub fn new(accounts: Arc<Accounts>, secret: &[u8; 32]) -> Self {
        Self { accounts, srs: Srs::new(secret), classifier: None, reputation: None }
    }

    /// With a classifier for mail of strangers.
    #[must_use]
    pub fn with_classifier(self, classifier: Option<Classifier>) -> Self {
        Self { classifier, ..self }
    }

    /// With what is told which mail of strangers comes to an INBOX.
    #[must_use]
    pub fn with_reputation(self, reputation: &Arc<Reputation>) -> Self {
        Self { reputation: Some(Arc::clone(reputation)), ..self }
    }

    /// What rewrites senders.
    #[must_use]
    pub const fn srs(&self) -> &Srs {
        &self.srs
    }

    /// Where mail for an address goes, if there is room for a message of so many octets in each
    /// mailbox.
    ///
    /// # Errors
    /// Any [`Problem`].
    pub async fn route(&self, address: &Address, octets: u64) -> Result<Route, Problem> {
        let found = match self.accounts.directory().resolve(address).await? {
            Recipient::Local { accounts, elsewhere } => (accounts, elsewhere),
            // What comes back of mail that went on from here.
            Recipient::Unknown => match self.srs.reverse(address.local(), today()) {
                Ok(sender) => (Vec::new(), vec![sender]),
                Err(_) => return Err(Problem::NoSuchUser),
            },
            Recipient::Elsewhere => return Err(Problem::Elsewhere),
        };
        let (accounts, forwards) = found;
        for id in &accounts {
            self.accounts.account(*id).await?.room_for(octets)?;
        }
        Ok(Route { accounts, forwards })
    }

    /// Stores a message in the INBOX, or Junk, of every account of these routes, each once; gives
    /// an outcome for each route: good only when the message is durable in all its accounts. An
    /// account that got it when the sender tried before, and heard no good answer, does not get it
    /// again.
    pub async fn deliver(
        &self,
        message: Bytes,
        routes: &[Route],
        submitted: &Submitted<'_>,
    ) -> Vec<Result<(), Problem>> {
        let tell_attachments = self.accounts.options().attachment_keywords;
        let message = NewMessage { tell_attachments, ..NewMessage::new(message) };
        let mut ids: Vec<AccountId> =
            routes.iter().flat_map(|route| route.accounts.iter().copied()).collect();
        ids.sort_unstable();
        ids.dedup();
        let shared = match submitted.one_answer {
            true => ids.len() > 1,
            false => routes.iter().any(|route| route.accounts.len() > 1),
        };
        let transaction = shared.then(|| Transaction::new(submitted.sender, submitted.content));
        let tokens = match (&self.classifier, &submitted.explained) {
            (Some(classifier), Some(_)) => classifier.tokens(&ids, &message.bytes).await,
            _ => None,
        };
        let judged = Judged { explained: submitted.explained.as_ref(), tokens: tokens.as_ref() };
        let transaction_of = transaction.as_ref();
        let stores = ids.iter().map(|id| {
            let store: join::Boxed<'_, _> =
                Box::pin(self.store(*id, message.clone(), (transaction_of, judged)));
            store
        });
        let stored = match ids.as_slice() {
            [only] => vec![self.store(*only, message, (transaction_of, judged)).await],
            _ => join::all(stores.collect()).await,
        };
        let stored: BTreeMap<AccountId, Result<Arc<Account>, Problem>> =
            ids.iter().copied().zip(stored).collect();
        let outcome = |route: &Route| {
            let all = route.accounts.iter().filter_map(|id| stored.get(id));
            all.filter_map(|one| one.as_ref().err()).next().map_or(Ok(()), |why| Err(why.clone()))
        };
        let outcomes: Vec<_> = routes.iter().map(outcome).collect();
        if let Some(transaction) = &transaction {
            settle(&stored, (routes, &outcomes), (transaction, submitted.one_answer));
        }
        outcomes
    }

    /// Stores a message in the INBOX, or Junk, of every account of a route unless this very
    /// transaction has done so before; that is remembered for [`account::once::MARK_SECONDS`]. For
    /// the queue, which may have to try again what it does not know to be done. `explained`: as
    /// [`Submitted::explained`].
    pub async fn deliver_once(
        &self,
        message: Bytes,
        route: &Route,
        (transaction, explained): (&Transaction, Option<&Explained>),
    ) -> Result<(), Problem> {
        let message = NewMessage {
            tell_attachments: self.accounts.options().attachment_keywords,
            ..NewMessage::new(message)
        };
        let tokens = match (&self.classifier, explained) {
            (Some(classifier), Some(_)) => classifier.tokens(&route.accounts, &message.bytes).await,
            _ => None,
        };
        let judged = Judged { explained, tokens: tokens.as_ref() };
        for id in &route.accounts {
            self.store(*id, message.clone(), (Some(transaction), judged)).await?;
        }
        Ok(())
    }

    async fn store(
        &self,
        id: AccountId,
        mut message: NewMessage,
        (transaction, judged): (Option<&Transaction>, Judged<'_>),
    ) -> Result<Arc<Account>, Problem> {
        let account = self.accounts.account(id).await?;
        let mut junk = false;
        if let Some(why) = judged.explained {
            let mut why = why.clone();
            if let (Some(classifier), Some(tokens)) = (&self.classifier, judged.tokens) {
                classifier.judge(id, tokens, &mut why).await;
            }
            junk = why.junk;
            message.explained = Some(Arc::new(why));
        }
        let inbox = if junk { account.special(SpecialUse::Junk) } else { None };
        let inbox = inbox.or_else(|| account.mailbox(&MailboxName::inbox()));
        let inbox = inbox.ok_or_else(|| Problem::Failed(format!("account {id} has no INBOX")))?;
        match transaction {
            Some(transaction) => account.append_once(inbox.id, message, transaction).await?,
            None => {
                account.append(inbox.id, vec![message]).await?;
            }
        }
        if let (Some(reputation), Some(why), false) = (&self.reputation, judged.explained, junk) {
            let names: Vec<Name> = why.senders.iter().filter_map(|one| Name::parse(one)).collect();
            reputation.count(&names, Evidence::Inbox(id));
        }
        Ok(account)
    }
}

/// Days since 1970.
#[must_use]
pub fn today() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(now / 86_400).unwrap_or(0)
}

/// A message as its sender gave it, to know it when it comes again.
#[derive(Clone, Debug)]
pub struct Submitted<'a> {
    /// The reverse-path; empty for `<>`.
    pub sender: &'a str,
    /// The content as it came.
    pub content: &'a [u8],
    /// One answer is given for all recipients (SMTP), not one for each (LMTP).
    pub one_answer: bool,
    /// What is known of a stranger's mail, and whether it goes to Junk, where an account has that;
    /// what recipients have learnt is asked as well. `None`: it goes to the INBOX.
    pub explained: Option<Explained>,
}

/// What is known of a message before each recipient is asked.
#[derive(Clone, Copy, Default)]
struct Judged<'a> {
    explained: Option<&'a Explained>,
    tokens: Option<&'a Tokens>,
}

/// Accounts forget a transaction whose good answer speaks for them: it is not tried again.
fn settle(
    stored: &BTreeMap<AccountId, Result<Arc<Account>, Problem>>,
    (routes, outcomes): (&[Route], &[Result<(), Problem>]),
    (transaction, one_answer): (&Transaction, bool),
) {
    let all_well = outcomes.iter().all(Result::is_ok);
    for (id, account) in stored {
        let Ok(account) = account else { continue };
        let mut of_it =
            routes.iter().zip(outcomes).filter(|(route, _)| route.accounts.contains(id));
        if all_well || !one_answer && of_it.all(|(_, outcome)| outcome.is_ok()) {
            account.conclude(transaction);
        }
    }
}
