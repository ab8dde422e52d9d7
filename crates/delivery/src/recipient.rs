//! Recipients: whose accounts they are, and the message into all of them.

use crate::join;
use account::{Accounts, Error, MailboxName, NewMessage, Recipient, Refused};
use bytes::Bytes;
use mail::{AccountId, Address};
use std::{collections::BTreeMap, sync::Arc};

/// Where a recipient's mail goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// Accounts of ours, each once.
    pub accounts: Vec<AccountId>,
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
}

impl Inbound {
    /// For these accounts.
    #[must_use]
    pub const fn new(accounts: Arc<Accounts>) -> Self {
        Self { accounts }
    }

    /// Where mail for an address goes, if there is room for a message of so many octets in each
    /// mailbox.
    ///
    /// # Errors
    /// Any [`Problem`].
    pub async fn route(&self, address: &Address, octets: u64) -> Result<Route, Problem> {
        let accounts = match self.accounts.directory().resolve(address).await? {
            // Addresses elsewhere that an alias names wait for the outbound queue: an alias that
            // leads only there is refused, one that leads to both delivers here.
            Recipient::Local { accounts, .. } if accounts.is_empty() => {
                return Err(Problem::Elsewhere);
            }
            Recipient::Local { accounts, .. } => accounts,
            Recipient::Unknown => return Err(Problem::NoSuchUser),
            Recipient::Elsewhere => return Err(Problem::Elsewhere),
        };
        for id in &accounts {
            self.accounts.account(*id).await?.room_for(octets)?;
        }
        Ok(Route { accounts })
    }

    /// Stores a message in the INBOX of every account of these routes, each once; gives an outcome
    /// for each route: good only when the message is durable in all its accounts.
    pub async fn deliver(&self, message: Bytes, routes: &[Route]) -> Vec<Result<(), Problem>> {
        let message = NewMessage::new(message);
        let mut ids: Vec<AccountId> =
            routes.iter().flat_map(|route| route.accounts.iter().copied()).collect();
        ids.sort_unstable();
        ids.dedup();
        let outcomes: BTreeMap<AccountId, Result<(), Problem>> = match ids.as_slice() {
            [only] => BTreeMap::from([(*only, self.store(*only, message).await)]),
            _ => {
                let stores = ids.iter().map(|id| {
                    let store: join::Boxed<'_, _> = Box::pin(self.store(*id, message.clone()));
                    store
                });
                ids.iter().copied().zip(join::all(stores.collect()).await).collect()
            }
        };
        let outcome = |route: &Route| {
            let mut worst = route.accounts.iter().filter_map(|id| outcomes.get(id));
            worst.find(|one| one.is_err()).cloned().unwrap_or(Ok(()))
        };
        routes.iter().map(outcome).collect()
    }

    async fn store(&self, id: AccountId, message: NewMessage) -> Result<(), Problem> {
        let account = self.accounts.account(id).await?;
        let inbox = account.mailbox(&MailboxName::inbox());
        let inbox = inbox.ok_or_else(|| Problem::Failed(format!("account {id} has no INBOX")))?;
        account.append(inbox.id, vec![message]).await?;
        Ok(())
    }
}
