//! Which accounts may have mailboxes that another sees: the way back from RFC 4314's lists, which
//! are with the mailboxes. It may name more than there is, never less: a list is written after its
//! way back, and taken away before it.

use super::{DIRECTORY, Directory};
use crate::{
    Error,
    acl::Who,
    keys::{self, tag},
};
use bytes::Bytes;
use mail::AccountId;

const fn number(who: Who) -> u32 {
    match who {
        Who::Anyone => 0,
        Who::Account(id) => id.0,
    }
}

impl Directory {
    /// Owners that may share mailboxes with somebody, by id.
    ///
    /// # Errors
    /// The store's.
    pub async fn sharers(&self, who: Who) -> Result<Vec<AccountId>, Error> {
        let (from, to) = keys::sharers(number(who));
        let entries_max = usize::MAX;
        let scan = store::Scan { account: DIRECTORY, from, to, reverse: false, entries_max };
        let found = self.shared.kv.scan(scan).await?;
        Ok(found.iter().filter_map(|(key, _)| keys::sharer(key)).map(AccountId).collect())
    }

    /// Says that an owner shares mailboxes with somebody, or does so no more.
    ///
    /// # Errors
    /// The store's.
    pub async fn set_sharer(&self, who: Who, owner: AccountId, shares: bool) -> Result<(), Error> {
        let key = keys::sharing(number(who), owner.0).bytes();
        let mut tries = 0;
        loop {
            let head = self.head(&mut tries).await?;
            if self.value(key.clone()).await?.is_some() == shares {
                return Ok(());
            }
            let puts = vec![(key.clone(), shares.then(Bytes::new))];
            if self.won(head, puts).await? {
                return Ok(());
            }
        }
    }

    /// What takes an account out of all that is shared.
    pub(super) async fn unshared(&self, id: AccountId) -> Result<super::Puts, Error> {
        let all = self.all(tag::SHARING).await?;
        let pairs = all.iter().filter_map(|(key, _)| keys::pair(key));
        let about = pairs.filter(|(who, owner)| *who == id.0 || *owner == id.0);
        Ok(about.map(|(who, owner)| (keys::sharing(who, owner).bytes(), None)).collect())
    }

    /// The address of an account; `None` when there is none.
    ///
    /// # Errors
    /// The store's.
    pub async fn address_of(&self, id: AccountId) -> Result<Option<mail::Address>, Error> {
        Ok(self.person(id).await?.map(|person| person.address))
    }
}
