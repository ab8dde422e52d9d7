//! Where a mailbox name leads: to an account of ours and a mailbox there, and what the user may do
//! with it (RFC 4314 §4). The only place that knows of mailboxes of others.
//!
//! Mailboxes of other accounts are below `Other Users/<address>/`. One that the user has no right
//! on is not told from one that is not there.

use super::{Imap, mailbox, refusal::Stop};
use account::{Account, MailboxInfo, MailboxName, Who};
use imap::{
    effect::{Effect, Refusal},
    types::Permanent,
};
use mail::{AccountId, Address, Rights, SystemFlags};
use std::sync::Arc;

/// Below it are the mailboxes of others.
const OTHERS: &str = "Other Users";

/// A mailbox, or the place of one that is to be made.
pub(super) struct Place {
    pub account: Arc<Account>,
    /// Its name in that account.
    pub name: MailboxName,
    /// What the user may do: with the mailbox, or where there is none, with the one above.
    pub rights: Rights,
    /// Of another account.
    pub foreign: bool,
}

impl Place {
    /// The mailbox, if the user has this right on it.
    pub fn existing(&self, needed: Rights) -> Result<MailboxInfo, Refusal> {
        let info = self.account.mailbox(&self.name).ok_or(Refusal::NoSuchMailbox)?;
        self.allow(needed)?;
        Ok(info)
    }

    /// Whose it is, if it is another's: ids of mailboxes and messages are each account's own.
    pub fn foreign_id(&self) -> Option<AccountId> {
        self.foreign.then(|| self.account.id())
    }

    /// Whether the user has these rights.
    pub fn allow(&self, needed: Rights) -> Result<(), Refusal> {
        if self.rights.is_empty() {
            return Err(Refusal::NoSuchMailbox);
        }
        if self.rights.has(needed) { Ok(()) } else { Err(Refusal::NoPermission) }
    }
}

/// A mailbox that another account shares, as LIST tells of it.
pub(super) struct SharedMailbox {
    pub account: Arc<Account>,
    /// With the name under which the user sees it.
    pub info: MailboxInfo,
    pub rights: Rights,
}

/// `Other Users/<address>/<name>`: address and name.
pub(super) fn others(text: &str) -> Option<(Address, &str)> {
    let rest = text.strip_prefix(OTHERS)?.strip_prefix('/')?;
    // A local part may have a `/`, a domain has none.
    let at =
        rest.rfind('@').filter(|_| rest.matches('@').count() == 1).or_else(|| rest.find('@'))?;
    let end = at + rest.get(at..)?.find('/')?;
    let address = Address::parse(rest.get(..end)?)?;
    Some((address, rest.get(end + 1..)?))
}

/// Flags that may be changed with these rights (RFC 4314 §4, STORE).
pub(super) fn permanent(rights: Rights) -> Permanent {
    let mut system = SystemFlags::NONE;
    if rights.has(Rights::SEEN) {
        system = system.union(SystemFlags::SEEN);
    }
    if rights.has(Rights::DELETE_MESSAGES) {
        system = system.union(SystemFlags::DELETED);
    }
    let keywords = rights.has(Rights::WRITE);
    if keywords {
        let [answered, flagged, draft] =
            [SystemFlags::ANSWERED, SystemFlags::FLAGGED, SystemFlags::DRAFT];
        system = system.union(answered).union(flagged).union(draft);
    }
    if rights == Rights::ALL { Permanent::ALL } else { Permanent { system, keywords } }
}

/// What a command needs of the selected mailbox: all of the first, and some of the second.
const fn needed(effect: &Effect) -> (Rights, Rights) {
    const FLAGS: Rights = Rights::SEEN.and(Rights::WRITE).and(Rights::DELETE_MESSAGES);
    match effect {
        Effect::Fetch { .. }
        | Effect::Search { .. }
        | Effect::Sort { .. }
        | Effect::Thread { .. }
        | Effect::UidBatches { .. }
        | Effect::Copy { remove: false, .. } => (Rights::READ, Rights::ALL),
        Effect::Copy { remove: true, .. } => {
            (Rights::READ.and(Rights::DELETE_MESSAGES).and(Rights::EXPUNGE), Rights::ALL)
        }
        Effect::Store { .. } => (Rights::NONE, FLAGS),
        Effect::Expunge { .. } => (Rights::EXPUNGE, Rights::ALL),
        _ => (Rights::NONE, Rights::NONE),
    }
}

impl Imap {
    /// Where a name leads.
    pub(super) async fn place(&self, text: &str) -> Result<Place, Stop> {
        let own = Arc::clone(self.account()?);
        let Some((address, rest)) = others(text) else {
            let name = mailbox::name(text)?;
            if name.as_str() == OTHERS || name.as_str().starts_with("Other Users/") {
                // Nobody's mailbox can be made there.
                return Err(Refusal::NoSuchMailbox.into());
            }
            return Ok(Place { account: own, name, rights: Rights::ALL, foreign: false });
        };
        let owner = self.owner(&address).await?.ok_or(Refusal::NoSuchMailbox)?;
        let name = mailbox::name(rest)?;
        if owner.id() == own.id() {
            return Ok(Place { account: own, name, rights: Rights::ALL, foreign: false });
        }
        let rights = self.rights_at(&owner, &name, self.is_neighbour(&address)?)?;
        Ok(Place { account: owner, name, rights, foreign: true })
    }

    /// What the user may do with a mailbox; where there is none, with the nearest one above it.
    fn rights_at(
        &self,
        owner: &Account,
        name: &MailboxName,
        neighbour: bool,
    ) -> Result<Rights, Refusal> {
        let user = self.account()?.id();
        let mut text = name.as_str();
        loop {
            if let Some(info) = MailboxName::parse(text).ok().and_then(|name| owner.mailbox(&name))
            {
                return Ok(owner.rights(info.id, user, neighbour));
            }
            match text.rsplit_once('/') {
                Some((above, _)) => text = above,
                None => return Ok(Rights::NONE),
            }
        }
    }

    fn is_neighbour(&self, address: &Address) -> Result<bool, Refusal> {
        let login = self.login.as_ref().ok_or(Refusal::Bug)?;
        Ok(login.address.domain() == address.domain())
    }

    /// The account of an address, unless it is switched off.
    pub(super) async fn owner(&self, address: &Address) -> Result<Option<Arc<Account>>, Stop> {
        let found = self.context.accounts.directory().find(address).await?;
        let Some(info) = found.filter(|info| !info.disabled && info.address == *address) else {
            return Ok(None);
        };
        self.load(info.id).await
    }

    async fn load(&self, id: AccountId) -> Result<Option<Arc<Account>>, Stop> {
        match self.context.accounts.account(id).await {
            Ok(account) => Ok(Some(account)),
            Err(account::Error::Refused(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Mailboxes of others that the user sees.
    pub(super) async fn shared_mailboxes(&self) -> Result<Vec<SharedMailbox>, Stop> {
        let directory = self.context.accounts.directory();
        let user = self.account()?.id();
        let mut owners = directory.sharers(Who::Account(user)).await?;
        owners.extend(directory.sharers(Who::Anyone).await?);
        owners.sort_unstable();
        owners.dedup();
        let mut found = Vec::new();
        for id in owners.into_iter().filter(|id| *id != user) {
            let Some(address) = directory.address_of(id).await? else { continue };
            let Some(owner) = self.owner(&address).await? else { continue };
            let neighbour = self.is_neighbour(&address)?;
            for mut info in owner.mailboxes() {
                let rights = owner.rights(info.id, user, neighbour);
                if !rights.has(Rights::LOOKUP) {
                    continue;
                }
                let name = format!("{OTHERS}/{address}/{}", info.name.as_str());
                // Longer than a name may be: it cannot be reached either.
                let Ok(name) = MailboxName::parse(&name) else { continue };
                (info.name, info.special_use, info.subscribed) = (name, None, false);
                found.push(SharedMailbox { account: Arc::clone(&owner), info, rights });
            }
        }
        Ok(found)
    }

    /// What the user may do with the selected mailbox now.
    pub(super) async fn selected_rights(&self) -> Result<Rights, Stop> {
        let Some(selected) = self.selected.as_deref() else { return Ok(Rights::NONE) };
        let (owner, user) = (selected.view.account(), self.account()?.id());
        if owner.id() == user {
            return Ok(Rights::ALL);
        }
        let address = self.context.accounts.directory().address_of(owner.id()).await?;
        let neighbour = address.is_some_and(|address| self.is_neighbour(&address) == Ok(true));
        Ok(owner.rights(selected.view.mailbox(), user, neighbour))
    }

    /// Whether the user may do this with the selected mailbox of another; rights may change at any
    /// time.
    pub(super) async fn check_rights(&mut self, effect: &Effect) -> Result<(), Stop> {
        let (all, some) = needed(effect);
        if some.is_empty() || !self.is_foreign() {
            return Ok(());
        }
        let rights = self.selected_rights().await?;
        if !rights.has(all) || !rights.has_any(some) {
            return Err(Refusal::NoPermission.into());
        }
        if let Some(selected) = self.selected.as_deref_mut() {
            let Permanent { system, keywords } = permanent(rights);
            selected.view.allow(system, keywords);
        }
        Ok(())
    }

    /// The account of the selected mailbox as it is now, which may have been loaded anew.
    pub(super) async fn owner_again(&self) -> Result<Option<Arc<Account>>, Stop> {
        let Some(selected) = self.selected.as_deref() else { return Ok(None) };
        self.load(selected.view.account().id()).await
    }

    /// Whether the selected mailbox is of another account.
    pub(super) fn is_foreign(&self) -> bool {
        let owner = self.selected.as_deref().map(|selected| selected.view.account().id());
        owner.is_some() && owner != self.login.as_ref().map(|login| login.account.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others() {
        let found = |text| others(text).map(|(address, rest)| (address.to_string(), rest));
        let bea = "bea@example.test".to_owned();
        assert_eq!(found("Other Users/bea@example.test/INBOX"), Some((bea.clone(), "INBOX")));
        assert_eq!(found("Other Users/bea@example.test/a/b@c"), Some((bea.clone(), "a/b@c")));
        assert_eq!(found("Other Users/bea@example.test"), None);
        assert_eq!(found("Other Users/bea/INBOX"), None);
        assert_eq!(found("Other Usersbea@example.test/INBOX"), None);
        assert_eq!(found("INBOX"), None);
    }

    #[test]
    fn rights_and_flags() {
        let of = |letters: &str| permanent(Rights::parse(letters).unwrap());
        assert_eq!(of("lrip"), Permanent::NONE);
        assert_eq!(of("s"), Permanent { system: SystemFlags::SEEN, keywords: false });
        assert_eq!(of("t"), Permanent { system: SystemFlags::DELETED, keywords: false });
        assert!(of("w").keywords && !of("w").system.contains(SystemFlags::SEEN));
        assert_eq!(permanent(Rights::ALL), Permanent::ALL);
    }
}
