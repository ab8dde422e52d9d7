//! Changes of mailboxes. Each waits until nothing is on its way, and lets nothing in until it has
//! landed: what is planned beside it always knows the mailboxes as they are.

use crate::{
    Account, Error, Refused, SpecialUse,
    account::{Inner, Sent},
    annotation::Annotation,
    change::Change,
    draft::Draft,
    edit::{finish_expunge, leave},
    keys,
    mailbox::MailboxRecord,
    plan::Effective,
    seal::Kind,
    state::Entry,
    types::MailboxName,
};
use mail::MailboxId;

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
    /// Plans with the account held and commits; gives what the planner gives.
    pub(crate) async fn alone<T>(
        &self,
        plan: impl FnOnce(&mut Inner, &mut Draft) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let hold = self.hold().await?;
        let (value, sent) = {
            let mut guard = self.inner();
            let inner = &mut *guard;
            let mut draft = self.draft(inner);
            let before = (inner.plan.next_mailbox, inner.plan.uid_validity);
            match plan(inner, &mut draft) {
                Ok(value) => {
                    draft.exclusive = true;
                    (value, self.commit(inner, draft))
                }
                Err(error) => {
                    (inner.plan.next_mailbox, inner.plan.uid_validity) = before;
                    return Err(error);
                }
            }
        };
        drop(hold);
        Sent::landed(&sent).await?;
        Ok(value)
    }

    /// Makes the mailboxes of a new account. Each UIDVALIDITY is above `uid_validity`: an account
    /// of the same address may have given those below.
    pub(crate) async fn make_first(&self, uid_validity: u32) -> Result<(), Error> {
        self.inner().plan.uid_validity = uid_validity;
        self.alone(|inner, draft| {
            for (name, special_use) in FIRST {
                let name = MailboxName::parse(name)?;
                if !inner.state.names.contains_key(&name) {
                    self.draft_subscription(draft, &name, true)?;
                    self.draft_mailbox(inner, draft, name, special_use)?;
                }
            }
            Ok(())
        })
        .await
    }

    fn draft_subscription(
        &self,
        draft: &mut Draft,
        name: &MailboxName,
        wanted: bool,
    ) -> Result<(), Error> {
        let hash = self.seal.hash(Kind::Name, &[name.as_str().as_bytes()]);
        let sealed = self.seal.seal(Kind::Name, hash, name.as_str().as_bytes())?;
        if wanted {
            draft.put(keys::subscription(hash), &sealed);
        } else {
            draft.delete(keys::subscription(hash));
        }
        draft.change(&Change::Subscribed { hash, sealed: sealed.into(), wanted });
        draft.delta.subscribed.push((name.clone(), wanted));
        Ok(())
    }

    pub(crate) fn draft_record(
        &self,
        draft: &mut Draft,
        mailbox: u32,
        record: MailboxRecord,
    ) -> Result<(), Error> {
        let sealed = self.seal_mailbox(mailbox, &record)?;
        draft.put(keys::mailbox(mailbox), &sealed);
        draft.change(&Change::Mailbox { mailbox, sealed });
        draft.delta.mailboxes.push((mailbox, record));
        Ok(())
    }

    fn draft_mailbox(
        &self,
        inner: &mut Inner,
        draft: &mut Draft,
        name: MailboxName,
        special_use: Option<SpecialUse>,
    ) -> Result<u32, Error> {
        let count = inner.state.mailboxes.len() + draft.delta.mailboxes.len();
        if count >= self.shared.options.mailboxes_max {
            return Err(Refused::Limit.into());
        }
        let id = inner.plan.next_mailbox;
        inner.plan.next_mailbox = id.checked_add(1).ok_or(Refused::Limit)?;
        // Seconds, but always more than any before: a mailbox made anew has another.
        let now = u32::try_from(draft.time).unwrap_or(u32::MAX);
        let above = inner.plan.uid_validity.checked_add(1).ok_or(Refused::Limit)?;
        let uid_validity = now.max(above);
        inner.plan.uid_validity = uid_validity;
        let record = MailboxRecord { name, uid_validity, special_use, modseq: draft.modseq };
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
        self.alone(|inner, draft| {
            if inner.state.names.contains_key(name) {
                return Err(Refused::MailboxExists.into());
            }
            if special_use.is_some_and(|wanted| inner.state.special(wanted).is_some()) {
                return Err(Refused::SpecialUseTaken.into());
            }
            for above in Self::missing(inner, name) {
                self.draft_mailbox(inner, draft, above, None)?;
            }
            Ok(MailboxId(self.draft_mailbox(inner, draft, name.clone(), special_use)?))
        })
        .await
    }

    /// Deletes it with its messages (which stay for the undelete time). Levels below it stay.
    ///
    /// # Errors
    /// [`Refused::NoSuchMailbox`], [`Refused::Cannot`] for INBOX; the store's.
    pub async fn delete(&self, name: &MailboxName) -> Result<(), Error> {
        self.alone(|inner, draft| {
            let id = *inner.state.names.get(name).ok_or(Refused::NoSuchMailbox)?;
            if *name == MailboxName::inbox() {
                return Err(Refused::Cannot.into());
            }
            let found = inner.state.mailboxes.get(&id).ok_or(Refused::NoSuchMailbox)?;
            let mut trash = self.trash(inner, draft.time, id)?;
            for entry in &found.entries {
                draft.delete(keys::member(id, entry.uid));
                if !inner.state.many.contains_key(&entry.message) {
                    trash.put(inner, draft, &as_is(entry));
                }
            }
            for key in found.bulks.keys() {
                draft.delete(keys::bulk(id, key));
            }
            for hash in self.annotation_hashes(inner, id) {
                draft.delete(keys::annotation(id, hash));
            }
            draft.delete(keys::mailbox(id));
            draft.delete(keys::numbers(id));
            draft.change(&Change::Gone { mailbox: id, erase_at: trash.erase_at });
            draft.delta.gone.push(id);
            Ok(())
        })
        .await
    }

    /// Renames it and the levels below it; of INBOX, moves its messages to a new mailbox
    /// (RFC 9051 §6.3.6).
    ///
    /// # Errors
    /// [`Refused::NoSuchMailbox`], [`Refused::MailboxExists`], [`Refused::Cannot`],
    /// [`Refused::BadMailboxName`] when a level below it would get too long; the store's.
    pub async fn rename(&self, from: &MailboxName, to: &MailboxName) -> Result<(), Error> {
        self.alone(|inner, draft| {
            let id = *inner.state.names.get(from).ok_or(Refused::NoSuchMailbox)?;
            if inner.state.names.contains_key(to) {
                return Err(Refused::MailboxExists.into());
            }
            let below = format!("{}/", from.as_str());
            if to.as_str().starts_with(&below) && *from != MailboxName::inbox() {
                return Err(Refused::Cannot.into());
            }
            for above in Self::missing(inner, to) {
                self.draft_mailbox(inner, draft, above, None)?;
            }
            if *from == MailboxName::inbox() {
                self.draft_empty_inbox(inner, draft, id, to)
            } else {
                self.draft_rename(inner, draft, (from, to))
            }
        })
        .await
    }

    fn draft_rename(
        &self,
        inner: &Inner,
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
            let record = &mailbox.record;
            let record = MailboxRecord { name: new, modseq: draft.modseq, ..record.clone() };
            self.draft_record(draft, *id, record)?;
        }
        Ok(())
    }

    fn draft_empty_inbox(
        &self,
        inner: &mut Inner,
        draft: &mut Draft,
        inbox: u32,
        to: &MailboxName,
    ) -> Result<(), Error> {
        let target = self.draft_mailbox(inner, draft, to.clone(), None)?;
        let Some(mailbox) = inner.state.mailboxes.get(&inbox) else { return Ok(()) };
        let mut gone = Vec::with_capacity(mailbox.entries.len());
        for (entry, uid) in mailbox.entries.iter().zip(1..) {
            let numbers = inner.state.keywords.numbers_of(entry.keywords());
            let moved = Entry { uid, modseq: draft.modseq, ..*entry };
            draft.join((target, moved), numbers, (inbox, entry.uid));
            leave(draft, inbox, &as_is(entry));
            gone.push((entry.uid, entry.message));
        }
        if !gone.is_empty() {
            finish_expunge(draft, inbox, &gone, 0);
        }
        // RFC 5464 §4.1: "annotations are copied from the original INBOX to the renamed mailbox".
        let copies = inner.state.annotations.of(inbox).into_iter().flatten();
        let copies = copies.map(|((owner, name), value)| Annotation {
            owner: *owner,
            name: name.clone(),
            value: Some(value.clone()),
        });
        self.draft_annotations(inner, draft, target, copies)
    }

    /// Subscribes or unsubscribes a name, which need not exist.
    ///
    /// # Errors
    /// The store's.
    pub async fn subscribe(&self, name: &MailboxName, wanted: bool) -> Result<(), Error> {
        {
            let inner = self.inner();
            let known = inner.state.subscriptions.contains(name) == wanted;
            if known && inner.flying.is_empty() {
                return Ok(());
            }
        }
        self.alone(|_, draft| self.draft_subscription(draft, name, wanted)).await
    }
}

/// A membership of which nothing is on its way.
fn as_is(entry: &Entry) -> Effective {
    let (system, keywords) = (entry.system(), entry.keywords());
    Effective { entry: *entry, modseq: entry.modseq, system, keywords }
}
