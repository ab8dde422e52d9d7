//! Changes of mailboxes. They plan on what is visible: each waits until nothing is on its way.

use crate::{
    Account, Error, Refused, SpecialUse,
    account::{Draft, Inner},
    change::Change,
    keys,
    mailbox::MailboxRecord,
    state::Applied,
    types::MailboxName,
    view::tombstones,
};
use mail::MailboxId;
use std::sync::MutexGuard;

/// The mailboxes that are made with an account.
const FIRST: [(&str, Option<SpecialUse>); 6] = [
    ("INBOX", None),
    ("Drafts", Some(SpecialUse::Drafts)),
    ("Sent", Some(SpecialUse::Sent)),
    ("Archive", Some(SpecialUse::Archive)),
    ("Junk", Some(SpecialUse::Junk)),
    ("Trash", Some(SpecialUse::Trash)),
];

impl Account {
    /// Makes the mailboxes of a new account.
    pub(crate) async fn make_first(&self) -> Result<(), Error> {
        let flight = {
            let mut inner = self.still().await?;
            let mut draft = Draft::new();
            for (name, special_use) in FIRST {
                let name = MailboxName::parse(name)?;
                if !inner.state.names.contains_key(&name) {
                    self.draft_subscription(&mut draft, &name, true);
                    self.draft_mailbox(&mut inner, &mut draft, name, special_use)?;
                }
            }
            self.commit(&mut inner, draft)?
        };
        self.landed(&flight).await
    }

    fn draft_subscription(&self, draft: &mut Draft, name: &MailboxName, wanted: bool) {
        let key = keys::subscription(name.as_str());
        if wanted {
            draft.put(key, bytes::Bytes::new());
        } else {
            draft.delete(key);
        }
        draft.change(Change::Subscribed { name: name.as_str().to_owned(), wanted });
    }

    fn draft_record(
        &self,
        draft: &mut Draft,
        mailbox: u32,
        record: MailboxRecord,
    ) -> Result<(), Error> {
        let sealed = self.seal_mailbox(mailbox, &record)?;
        draft.put(keys::mailbox(mailbox), sealed.clone());
        let change = Change::Mailbox { mailbox, sealed };
        draft.changes.push(Applied { mailbox: Some(record), ..Applied::from(change) });
        Ok(())
    }

    fn draft_mailbox(
        &self,
        inner: &mut Inner,
        draft: &mut Draft,
        name: MailboxName,
        special_use: Option<SpecialUse>,
    ) -> Result<u32, Error> {
        if inner.state.mailboxes.len() >= self.shared.options.mailboxes_max {
            return Err(Refused::Limit.into());
        }
        let id = inner.plan.next_mailbox;
        inner.plan.next_mailbox = id.checked_add(1).ok_or(Refused::Limit)?;
        // Seconds, but always more than any before: a mailbox made anew has another.
        let now = u32::try_from(self.shared.clock.now_seconds()).unwrap_or(u32::MAX);
        let highest = inner.state.mailboxes.values().map(|m| m.record.uid_validity).max();
        let floor = highest.unwrap_or(0).max(inner.plan.uid_validity);
        let uid_validity = now.max(floor.saturating_add(1));
        inner.plan.uid_validity = uid_validity;
        let record = MailboxRecord { name, uid_validity, uid_next: 1, special_use };
        self.draft_record(draft, id, record)?;
        Ok(id)
    }

    /// Levels above a name that are missing, top first.
    fn missing(inner: &Inner, name: &MailboxName) -> Vec<MailboxName> {
        let ends = name.as_str().match_indices('/').filter_map(|(at, _)| name.as_str().get(..at));
        let names = ends.filter_map(|above| MailboxName::parse(above).ok());
        names.filter(|above| !inner.state.names.contains_key(above)).collect()
    }

    /// Creates it and the levels above it that are missing. Gives its id.
    ///
    /// # Errors
    /// [`Refused::MailboxExists`], [`Refused::SpecialUseTaken`], [`Refused::Limit`]; the store's.
    pub async fn create(
        &self,
        name: &MailboxName,
        special_use: Option<SpecialUse>,
    ) -> Result<MailboxId, Error> {
        let (flight, id) = {
            let mut inner = self.still().await?;
            if inner.state.names.contains_key(name) {
                return Err(Refused::MailboxExists.into());
            }
            if special_use.is_some_and(|wanted| inner.state.special(wanted).is_some()) {
                return Err(Refused::SpecialUseTaken.into());
            }
            let mut draft = Draft::new();
            for above in Self::missing(&inner, name) {
                self.draft_mailbox(&mut inner, &mut draft, above, None)?;
            }
            let id = self.draft_mailbox(&mut inner, &mut draft, name.clone(), special_use)?;
            (self.commit(&mut inner, draft)?, id)
        };
        self.landed(&flight).await?;
        Ok(MailboxId(id))
    }

    /// Deletes it with its messages (which stay for the undelete time). Levels below it stay.
    ///
    /// # Errors
    /// [`Refused::NoSuchMailbox`], [`Refused::Cannot`] for INBOX; the store's.
    pub async fn delete(&self, name: &MailboxName) -> Result<(), Error> {
        let flight = {
            let mut inner = self.still().await?;
            let id = *inner.state.names.get(name).ok_or(Refused::NoSuchMailbox)?;
            if *name == MailboxName::inbox() {
                return Err(Refused::Cannot.into());
            }
            let mut draft = Draft::new();
            let found = inner.state.mailboxes.get(&id).ok_or(Refused::NoSuchMailbox)?;
            for entry in &found.entries {
                draft.delete(keys::member(id, entry.uid));
                if !inner.state.many.contains_key(&entry.message) {
                    self.draft_trash(&mut draft, entry.message, name);
                }
            }
            draft.delete(keys::mailbox(id));
            draft.change(Change::Gone { mailbox: id });
            self.commit(&mut inner, draft)?
        };
        self.landed(&flight).await
    }

    /// Renames it and the levels below it; of INBOX, moves its messages to a new mailbox
    /// (RFC 9051 §6.3.6).
    ///
    /// # Errors
    /// [`Refused::NoSuchMailbox`], [`Refused::MailboxExists`], [`Refused::Cannot`]; the store's.
    pub async fn rename(&self, from: &MailboxName, to: &MailboxName) -> Result<(), Error> {
        let flight = {
            let mut inner = self.still().await?;
            let id = *inner.state.names.get(from).ok_or(Refused::NoSuchMailbox)?;
            if inner.state.names.contains_key(to) {
                return Err(Refused::MailboxExists.into());
            }
            let below = format!("{}/", from.as_str());
            if to.as_str().starts_with(&below) && *from != MailboxName::inbox() {
                return Err(Refused::Cannot.into());
            }
            let mut draft = Draft::new();
            for above in Self::missing(&inner, to) {
                self.draft_mailbox(&mut inner, &mut draft, above, None)?;
            }
            if *from == MailboxName::inbox() {
                self.draft_empty_inbox(&mut inner, &mut draft, id, to)?;
            } else {
                self.draft_rename(&inner, &mut draft, (from, to))?;
            }
            self.commit(&mut inner, draft)?
        };
        self.landed(&flight).await
    }

    fn draft_rename(
        &self,
        inner: &MutexGuard<'_, Inner>,
        draft: &mut Draft,
        (from, to): (&MailboxName, &MailboxName),
    ) -> Result<(), Error> {
        let below = format!("{}/", from.as_str());
        for (name, id) in &inner.state.names {
            let new = if name == from {
                to.clone()
            } else if let Some(rest) = name.as_str().strip_prefix(&below) {
                MailboxName::parse(&format!("{}/{rest}", to.as_str()))?
            } else {
                continue;
            };
            if inner.state.names.get(&new).is_some_and(|other| other != id) {
                return Err(Refused::MailboxExists.into());
            }
            let Some(mailbox) = inner.state.mailboxes.get(id) else { continue };
            let record = MailboxRecord { name: new, ..mailbox.record.clone() };
            self.draft_record(draft, *id, record)?;
        }
        Ok(())
    }

    fn draft_empty_inbox(
        &self,
        inner: &mut MutexGuard<'_, Inner>,
        draft: &mut Draft,
        inbox: u32,
        to: &MailboxName,
    ) -> Result<(), Error> {
        let target = self.draft_mailbox(inner, draft, to.clone(), None)?;
        let modseq = inner.plan.modseq + 1;
        let Some(mailbox) = inner.state.mailboxes.get(&inbox) else { return Ok(()) };
        let mut gone = Vec::with_capacity(mailbox.entries.len());
        for (entry, uid) in mailbox.entries.iter().zip(1..) {
            let keywords = inner.state.keywords.numbers_of(entry.keywords()).to_vec();
            let member = crate::view::member(entry, (uid, modseq), entry.system(), keywords);
            draft.put(keys::member(target, uid), member.value());
            draft.delete(keys::member(inbox, entry.uid));
            let change = Change::Added { mailbox: target, member };
            let known = (inbox, entry.uid);
            draft.changes.push(Applied { known, shares: true, ..Applied::from(change) });
            let (uid, message) = (entry.uid, entry.message);
            draft.change(Change::Expunged { mailbox: inbox, uid, message });
            gone.push((uid, message));
        }
        draft.put(keys::expunged(inbox, modseq), tombstones(&gone));
        Ok(())
    }

    /// Subscribes or unsubscribes a name, which need not exist.
    ///
    /// # Errors
    /// The store's.
    pub async fn subscribe(&self, name: &MailboxName, wanted: bool) -> Result<(), Error> {
        let flight = {
            let mut inner = self.still().await?;
            if inner.state.subscriptions.contains(name) == wanted {
                return Ok(());
            }
            let mut draft = Draft::new();
            self.draft_subscription(&mut draft, name, wanted);
            self.commit(&mut inner, draft)?
        };
        self.landed(&flight).await
    }

    /// The message waits to be erased, and remembers where it was.
    pub(crate) fn draft_trash(&self, draft: &mut Draft, message: u32, name: &MailboxName) {
        let days = i64::from(self.shared.options.undelete_days);
        let at = self.shared.clock.now_seconds() + days * 86_400;
        let key = keys::trash(u64::try_from(at).unwrap_or(0), message);
        draft.put(key, bytes::Bytes::copy_from_slice(name.as_str().as_bytes()));
    }
}
