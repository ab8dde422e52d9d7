//! Setting and reading annotations (RFC 5464), and what changed of them since a commit.
//!
//! Entries of `/shared` are the mailbox's, those of `/private` are the user's who set them: whose
//! they are is part of their key, so that several users of a mailbox never meet.

use crate::{
    Account, Error, MailboxName, Refused, SpecialUse,
    account::Inner,
    annotation::{Annotation, EVERYBODY, Entries, SERVER},
    change::{self, Change},
    draft::Draft,
    keys,
    mailbox::MailboxRecord,
};
use bytes::Bytes;
use mail::{AccountId, EntryName, MailboxId, ModSeq};
use std::collections::BTreeMap;

/// The entry whose value is the mailbox's special use (RFC 6154 §5.4). It is computed: what is
/// stored is the special use.
pub const SPECIAL_USE_ENTRY: &str = "/private/specialuse";

/// What a user sets at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Annotate {
    /// Whose the `/private` entries are.
    pub user: AccountId,
    /// Entries and their values; `None` removes. Of one that is named twice the last counts.
    pub entries: Vec<(EntryName, Option<Bytes>)>,
    /// The mailbox's new special use, or none, if it is to be set.
    pub special_use: Option<Option<SpecialUse>>,
}

/// An annotation was set or removed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnnotationChange {
    /// By which commit.
    pub modseq: ModSeq,
    /// Of which mailbox; `None`: of the server.
    pub mailbox: Option<MailboxId>,
    /// Which.
    pub name: EntryName,
}

const fn owner(name_is_private: bool, user: AccountId) -> u32 {
    if name_is_private { user.0 } else { EVERYBODY }
}

impl Account {
    /// Sets and removes annotations of a mailbox, or of the server (`None`), all or none. Gives the
    /// commit, the last one if nothing had to change.
    ///
    /// # Errors
    /// [`Refused::NoSuchMailbox`], [`Refused::AnnotationTooBig`], [`Refused::TooManyAnnotations`],
    /// [`Refused::NoPrivateAnnotations`], [`Refused::SpecialUseTaken`], [`Refused::Cannot`] (a name
    /// that is no entry's, a special use of the server or of INBOX), [`Refused::Limit`] when all
    /// together would be more than `metadata_octets_max`; the store's.
    pub async fn annotate(
        &self,
        mailbox: Option<&MailboxName>,
        asked: Annotate,
    ) -> Result<ModSeq, Error> {
        let user = asked.user;
        let entries = asked.entries.into_iter().map(|(name, value)| {
            let owner = owner(name.is_private(), user);
            ((owner, name.clone()), Annotation { owner, name, value })
        });
        let wanted: BTreeMap<_, _> = entries.collect();
        for annotation in wanted.values() {
            self.annotation_allowed(annotation)?;
        }
        self.alone(|inner, draft| {
            let id = match mailbox {
                Some(name) => *inner.state.names.get(name).ok_or(Refused::NoSuchMailbox)?,
                None => SERVER,
            };
            if let Some(special_use) = asked.special_use {
                let name = mailbox.filter(|name| **name != MailboxName::inbox());
                name.ok_or(Refused::Cannot)?;
                self.draft_special_use(inner, draft, (id, special_use), user)?;
            }
            self.draft_annotations(inner, draft, id, wanted.into_values())?;
            Ok(ModSeq(draft.modseq))
        })
        .await
    }

    fn annotation_allowed(&self, annotation: &Annotation) -> Result<(), Error> {
        let options = &self.shared.options;
        let name = &annotation.name;
        let computed = name.as_str().eq_ignore_ascii_case(SPECIAL_USE_ENTRY);
        if !name.is_whole() || computed {
            return Err(Refused::Cannot.into());
        }
        let Some(value) = &annotation.value else { return Ok(()) };
        if value.len() > options.metadata_value_octets_max {
            return Err(Refused::AnnotationTooBig.into());
        }
        if name.is_private() && options.metadata_private_entries_max == 0 {
            return Err(Refused::NoPrivateAnnotations.into());
        }
        Ok(())
    }

    /// Puts these, unless there would be too many or too much.
    pub(crate) fn draft_annotations(
        &self,
        inner: &Inner,
        draft: &mut Draft,
        mailbox: u32,
        wanted: impl Iterator<Item = Annotation>,
    ) -> Result<(), Error> {
        let none = Entries::new();
        let known = inner.state.annotations.of(mailbox).unwrap_or(&none);
        // Owners whose entries became more, and how many more; octets in all.
        let mut more: BTreeMap<u32, isize> = BTreeMap::new();
        let mut octets = (0, 0);
        for annotation in wanted {
            let before = known.get_key_value(&(annotation.owner, annotation.name.clone()));
            let gone = before.map_or(0, |((_, name), value)| name.as_str().len() + value.len());
            octets = (octets.0 + annotation.octets(), octets.1 + gone as u64);
            let step = isize::from(annotation.value.is_some()) - isize::from(before.is_some());
            *more.entry(annotation.owner).or_default() += step;
            // What is there already need not be written again.
            let value = before.map(|(_, value)| value);
            if value != annotation.value.as_ref() {
                self.draft_annotation(draft, mailbox, annotation)?;
            }
        }
        let options = &self.shared.options;
        for (owner, more) in more.into_iter().filter(|(_, more)| *more > 0) {
            let count = known.keys().filter(|(of, _)| *of == owner).count();
            let max = match owner {
                EVERYBODY => options.metadata_shared_entries_max,
                _ => options.metadata_private_entries_max,
            };
            if count.saturating_add_signed(more) > max {
                return Err(Refused::TooManyAnnotations.into());
            }
        }
        let used = inner.state.annotations.octets + octets.0;
        if octets.0 > octets.1 && used - octets.1.min(used) > options.metadata_octets_max {
            return Err(Refused::Limit.into());
        }
        Ok(())
    }

    pub(crate) fn draft_annotation(
        &self,
        draft: &mut Draft,
        mailbox: u32,
        annotation: Annotation,
    ) -> Result<(), Error> {
        let (hash, whole) = self.seal_annotation(mailbox, &annotation)?;
        let named = Annotation { value: None, ..annotation.clone() };
        let (_, sealed) = self.seal_annotation(mailbox, &named)?;
        let key = keys::annotation(mailbox, hash);
        let value = annotation.value.as_ref().map(|_| self.annotation_value_hash(&whole));
        match value {
            Some(_) => draft.put(key, &whole),
            None => draft.delete(key),
        }
        draft.change(&Change::Annotated { mailbox, hash, sealed, value });
        draft.delta.annotated.push((mailbox, annotation));
        Ok(())
    }

    fn draft_special_use(
        &self,
        inner: &Inner,
        draft: &mut Draft,
        (id, special_use): (u32, Option<SpecialUse>),
        user: AccountId,
    ) -> Result<(), Error> {
        let found = inner.state.mailboxes.get(&id).ok_or(Refused::NoSuchMailbox)?;
        if found.record.special_use == special_use {
            return Ok(());
        }
        if special_use.is_some_and(|wanted| inner.state.special(wanted).is_some()) {
            return Err(Refused::SpecialUseTaken.into());
        }
        let modseq = draft.modseq;
        let record = MailboxRecord { special_use, modseq, ..found.record.clone() };
        self.draft_record(draft, id, record)?;
        // Nothing is stored under the entry's own key; sessions hear that it changed.
        let name = EntryName::parse(SPECIAL_USE_ENTRY).ok_or(Refused::Cannot)?;
        self.draft_annotation(draft, id, Annotation { owner: user.0, name, value: None })
    }

    /// The entries of a mailbox, or of the server (`None`), that a user sees, shared ones first.
    /// Computed ones are not among them. None of a mailbox that is not there.
    #[must_use]
    pub fn annotations(
        &self,
        mailbox: Option<MailboxId>,
        user: AccountId,
    ) -> Vec<(EntryName, Bytes)> {
        let inner = self.inner();
        let entries = inner.state.annotations.of(mailbox.map_or(SERVER, |id| id.0));
        let seen = entries.into_iter().flatten().filter(|((owner, _), _)| sees(user, *owner));
        seen.map(|((_, name), value)| (name.clone(), value.clone())).collect()
    }

    /// The last commit that may have changed an annotation.
    #[must_use]
    pub fn annotations_modseq(&self) -> ModSeq {
        ModSeq(self.inner().state.annotations.modseq)
    }

    /// Annotations that a user sees and that commits after `after` changed, up to `to`, read from
    /// the log: each once, with its last change, those of the server first; also of mailboxes that
    /// are gone by now.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn annotation_changes(
        &self,
        (after, to): (ModSeq, ModSeq),
        user: AccountId,
    ) -> Result<Vec<AnnotationChange>, Error> {
        let mut found = BTreeMap::new();
        let keys = (keys::change(after.0 + 1).bytes(), keys::change(to.0 + 1).bytes());
        self.each_between(keys.0, keys.1, |key, value| {
            let modseq = ModSeq(u64::from_be_bytes(key.try_into().ok()?));
            for change in change::decode(value)?.1 {
                let Change::Annotated { mailbox, hash, sealed, .. } = change else { continue };
                let annotation = self.open_annotation(hash, &sealed)?;
                if sees(user, annotation.owner) {
                    found.insert((mailbox, annotation.name), modseq);
                }
            }
            Some(())
        })
        .await?;
        let change = |((mailbox, name), modseq)| {
            let mailbox = Some(MailboxId(mailbox)).filter(|id| id.0 != SERVER);
            AnnotationChange { modseq, mailbox, name }
        };
        Ok(found.into_iter().map(change).collect())
    }

    /// Ready when a commit after `seen` may have changed an annotation, or the account is gone.
    /// Cancel-safe.
    pub async fn wait_annotations(&self, seen: ModSeq) {
        loop {
            let listener = self.event.listen();
            if self.annotations_modseq() > seen || self.is_broken() {
                return;
            }
            listener.await;
        }
    }
}

const fn sees(user: AccountId, owner: u32) -> bool {
    owner == EVERYBODY || owner == user.0
}
