//! GETACL, SETACL, DELETEACL, LISTRIGHTS, MYRIGHTS (RFC 4314).

use super::{Imap, place::Place, refusal::Stop};
use account::{AclEntry, MailboxName, Who};
use imap::{
    Session,
    effect::{Done, Effect, Refusal},
    types::{AclQuery, RightsOp},
};
use mail::{AccountId, Address, Rights};

/// Everybody of the owner's domain.
const ANYONE: &str = "anyone";

impl Imap {
    /// The commands of RFC 4314.
    pub(super) async fn rights(
        &mut self,
        session: &mut Session,
        effect: Effect,
    ) -> Result<Done, Stop> {
        match effect {
            Effect::Acl { mailbox, query } => self.acl(session, &mailbox, query).await,
            Effect::SetAcl { mailbox, identifier, op, rights } => {
                self.set_acl(&mailbox, &identifier, (op, rights)).await
            }
            _ => Err(Refusal::Bug.into()),
        }
    }

    async fn acl(
        &mut self,
        session: &mut Session,
        mailbox: &str,
        query: AclQuery,
    ) -> Result<Done, Stop> {
        let place = self.place(mailbox).await?;
        // §3.8: MYRIGHTS is for who has any of some rights; the others are administration.
        let needed = if query == AclQuery::Own { Rights::NONE } else { Rights::ADMINISTER };
        let info = place.existing(needed)?;
        match query {
            AclQuery::Own => session.reply().my_rights(mailbox, place.rights),
            AclQuery::All => {
                let entries = self.identifiers(&place, &place.account.acl(info.id)).await?;
                session.reply().acl(mailbox, &entries);
            }
            AclQuery::Grantable(identifier) => {
                let (who, _) = self.who(&identifier).await?;
                let rights = if who == Who::Account(place.account.id()) {
                    // The owner has all of them always.
                    (Rights::ALL, Rights::NONE)
                } else {
                    (Rights::NONE, Rights::ALL)
                };
                session.reply().list_rights(mailbox, &identifier, rights);
            }
        }
        Ok(Done::Ok(None))
    }

    /// A list with identifiers; the owner first. Accounts that are gone are left out.
    async fn identifiers(
        &self,
        place: &Place,
        entries: &[AclEntry],
    ) -> Result<Vec<(String, Rights)>, Stop> {
        let directory = self.context.accounts.directory();
        let mut named = Vec::with_capacity(entries.len() + 1);
        let owner = directory.address_of(place.account.id()).await?;
        named.extend(owner.map(|owner| (owner.to_string(), Rights::ALL)));
        for entry in entries {
            let name = match entry.who {
                Who::Anyone => ANYONE.to_owned(),
                Who::Account(id) => match directory.address_of(id).await? {
                    Some(address) => address.to_string(),
                    None => continue,
                },
            };
            let name = if entry.negative { format!("-{name}") } else { name };
            named.push((name, entry.rights));
        }
        Ok(named)
    }

    /// Whom an identifier names, and whether rights are taken away by it.
    async fn who(&self, identifier: &str) -> Result<(Who, bool), Stop> {
        let (name, negative) = match identifier.strip_prefix('-') {
            Some(name) => (name, true),
            None => (identifier, false),
        };
        if name.eq_ignore_ascii_case(ANYONE) {
            return Ok((Who::Anyone, negative));
        }
        let address = Address::parse(name).ok_or(Refusal::NoSuchIdentifier)?;
        let found = self.context.accounts.directory().find(&address).await?;
        let info = found.ok_or(Refusal::NoSuchIdentifier)?;
        Ok((Who::Account(info.id), negative))
    }

    async fn set_acl(
        &mut self,
        mailbox: &str,
        identifier: &str,
        (op, rights): (RightsOp, Rights),
    ) -> Result<Done, Stop> {
        let place = self.place(mailbox).await?;
        let info = place.existing(Rights::ADMINISTER)?;
        let (who, negative) = self.who(identifier).await?;
        let owner = place.account.id();
        if who == Who::Account(owner) {
            // What is always granted cannot be taken away (§3.1, §3.7).
            return Err(Refusal::Cannot.into());
        }
        let mut entries = place.account.acl(info.id);
        let same = |entry: &&mut AclEntry| entry.who == who && entry.negative == negative;
        let had = entries.iter_mut().find(same);
        let before = had.as_ref().map_or(Rights::NONE, |entry| entry.rights);
        let after = match op {
            RightsOp::Replace => rights,
            RightsOp::Add => before.and(rights),
            RightsOp::Remove => before.without(rights),
        };
        match had {
            Some(entry) => entry.rights = after,
            None => entries.push(AclEntry { who, negative, rights: after }),
        }
        entries.retain(|entry| !entry.rights.is_empty());
        self.write_acl(&place, &entries, who, owner).await?;
        Ok(Done::Ok(None))
    }

    /// A mailbox that was made gets the list of the one above it.
    pub(super) async fn inherit(&self, place: &Place) -> Result<(), Stop> {
        let mut text = place.name.as_str();
        while let Some((above, _)) = text.rsplit_once('/') {
            text = above;
            let found =
                MailboxName::parse(above).ok().and_then(|name| place.account.mailbox(&name));
            let Some(info) = found else { continue };
            let entries = place.account.acl(info.id);
            if !entries.is_empty() {
                // Those it names have their way back already.
                place.account.set_acl(&place.name, &entries).await?;
            }
            return Ok(());
        }
        Ok(())
    }

    /// The way back to the owner is there before the list, and goes after it.
    async fn write_acl(
        &self,
        place: &Place,
        entries: &[AclEntry],
        who: Who,
        owner: AccountId,
    ) -> Result<(), Stop> {
        let directory = self.context.accounts.directory();
        if entries.iter().any(|entry| entry.who == who) {
            directory.set_sharer(who, owner, true).await?;
        }
        place.account.set_acl(&place.name, entries).await?;
        if !place.account.shares_with(who) {
            directory.set_sharer(who, owner, false).await?;
            // One that was given meanwhile keeps its way back.
            if place.account.shares_with(who) {
                directory.set_sharer(who, owner, true).await?;
            }
        }
        Ok(())
    }
}
