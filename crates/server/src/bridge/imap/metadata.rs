//! GETMETADATA, SETMETADATA and what is told of annotations that others changed (RFC 5464).
//!
//! `/shared` entries of the server come from the configuration, and `/private/specialuse` is the
//! mailbox's special use (RFC 6154 §5.4); all else is stored.

use super::{
    Imap, PIECE_OCTETS, Work,
    mailbox::{special_use, special_use_name},
    refusal::Stop,
};
use account::{Account, Annotate, MailboxInfo, SPECIAL_USE_ENTRY, SpecialUse};
use bytes::Bytes;
use imap::{
    Session,
    effect::{Done, Refusal},
    types::MetadataQuery,
};
use mail::{AccountId, EntryName, MailboxId, ModSeq, Rights};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    sync::Arc,
};

/// Of every server (RFC 5464 §3.2.1.1).
const COMMENT_ENTRY: &str = "/shared/comment";
const ADMIN_ENTRY: &str = "/shared/admin";
/// Names in one unsolicited response.
const NAMES_MAX: usize = 50;

/// `/shared` entries of the server, from the configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ServerEntries {
    /// `/shared/comment`: a note to all users.
    pub comment: Option<String>,
    /// `/shared/admin`: a URI that reaches the administrator.
    pub admin: Option<String>,
}

type Found = Vec<(EntryName, Option<Bytes>)>;

/// What the client knows of annotations, once it enabled METADATA.
#[derive(Clone, Copy)]
pub(super) struct Told {
    /// Changes up to this commit were told.
    modseq: ModSeq,
    /// The client's own change, which is not told to it.
    own: Option<ModSeq>,
}

/// A GETMETADATA between two pieces.
pub(super) struct Getting {
    mailbox: String,
    found: std::vec::IntoIter<(EntryName, Option<Bytes>)>,
    longest: Option<usize>,
}

impl Getting {
    pub fn step(&mut self, session: &mut Session) -> Done {
        let mut piece = Vec::new();
        let mut octets = 0;
        for (name, value) in self.found.by_ref() {
            octets += name.as_str().len() + value.as_ref().map_or(0, Bytes::len);
            piece.push((name, value));
            if octets >= PIECE_OCTETS {
                break;
            }
        }
        write(session, &self.mailbox, &piece);
        if self.found.len() > 0 {
            return Done::More;
        }
        // §4.2.1: "the size of the biggest entry value requested by the client that exceeded".
        Done::Ok(self.longest.map(|octets| format!("METADATA LONGENTRIES {octets}")))
    }
}

/// `* METADATA mailbox (entry value …)`
pub(super) fn write(session: &mut Session, mailbox: &str, entries: &Found) {
    let entries: Vec<_> =
        entries.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
    session.reply().metadata(mailbox, &entries);
}

/// What of the entries `all` is asked for: each once, in the order of the query, under the name
/// that the client wrote. One that names nothing is told as NIL, since a METADATA response is
/// required. With that, the octets of the largest value that the client does not want.
pub(super) fn select(query: &MetadataQuery, all: &Found) -> (Found, Option<usize>) {
    let octets_max = query.octets_max.map_or(usize::MAX, |max| max as usize);
    let (mut found, mut told, mut longest) = (Vec::new(), BTreeSet::new(), None);
    for asked in &query.entries {
        let mut any = false;
        for (name, value) in all.iter().filter(|(name, _)| asked.covers(name, query.depth)) {
            any = true;
            if !told.insert(name) {
                continue;
            }
            let octets = value.as_ref().map_or(0, Bytes::len);
            if octets > octets_max {
                longest = longest.max(Some(octets));
                continue;
            }
            let name = if name == asked { asked } else { name };
            found.push((name.clone(), value.clone()));
        }
        if !any && told.insert(asked) {
            found.push((asked.clone(), None));
        }
    }
    (found, longest)
}

/// All entries of a mailbox that a user sees.
pub(super) fn of_mailbox(account: &Account, info: &MailboxInfo, user: AccountId) -> Found {
    let mut all = stored(account, Some(info.id), user);
    if let (Some(use_), Some(name)) = (info.special_use, EntryName::parse(SPECIAL_USE_ENTRY)) {
        all.push((name, Some(Bytes::from_static(special_use_name(use_).as_bytes()))));
    }
    all
}

fn stored(account: &Account, mailbox: Option<MailboxId>, user: AccountId) -> Found {
    let all = account.annotations(mailbox, user).into_iter();
    all.map(|(name, value)| (name, Some(value))).collect()
}

/// The special use that the value of [`SPECIAL_USE_ENTRY`] names. RFC 6154 §5.4: "either NIL … or a
/// space-separated list of special-use attributes"; a mailbox has one at most.
fn wanted_use(value: Option<&Bytes>) -> Result<Option<SpecialUse>, Refusal> {
    let text = value.map_or(Ok(""), |value| std::str::from_utf8(value));
    let text = text.map_err(|_| Refusal::UseAttr)?.trim();
    if text.is_empty() {
        return Ok(None);
    }
    special_use(text).map(Some).ok_or(Refusal::UseAttr)
}

impl Imap {
    pub(super) async fn metadata(
        &mut self,
        session: &mut Session,
        mailbox: Option<String>,
        query: &MetadataQuery,
    ) -> Result<Done, Stop> {
        let account = self.account()?;
        let user = account.id();
        let (mailbox, all) = match mailbox {
            Some(mailbox) => {
                let place = self.place(&mailbox).await?;
                let info = place.existing(Rights::READ)?;
                (mailbox, of_mailbox(&place.account, &info, user))
            }
            None => (String::new(), self.of_server(account, user)),
        };
        let (found, longest) = select(query, &all);
        let getting = Getting { mailbox, found: found.into_iter(), longest };
        self.begin(session, Work::Metadata(Box::new(getting))).await
    }

    fn of_server(&self, account: &Account, user: AccountId) -> Found {
        let mut all = stored(account, None, user);
        let ServerEntries { comment, admin } = &*self.server_entries;
        for (name, value) in [(COMMENT_ENTRY, comment), (ADMIN_ENTRY, admin)] {
            if let (Some(name), Some(value)) = (EntryName::parse(name), value) {
                all.push((name, Some(Bytes::copy_from_slice(value.as_bytes()))));
            }
        }
        all
    }

    pub(super) async fn set_metadata(
        &mut self,
        mailbox: Option<&str>,
        mut entries: Found,
    ) -> Result<Done, Stop> {
        // RFC 5464 §3.3: "Servers MAY restrict the creation of … server annotations"; those of all
        // users are the administrator's.
        if mailbox.is_none() && entries.iter().any(|(name, _)| !name.is_private()) {
            return Err(Refusal::NoPermission.into());
        }
        let mut use_ = None;
        if mailbox.is_some() {
            let computed = |name: &EntryName| name.as_str().eq_ignore_ascii_case(SPECIAL_USE_ENTRY);
            for (_, value) in entries.iter().filter(|(name, _)| computed(name)) {
                use_ = Some(wanted_use(value.as_ref())?);
            }
            entries.retain(|(name, _)| !computed(name));
        }
        let place = match mailbox {
            Some(mailbox) => {
                let place = self.place(mailbox).await?;
                let shared = entries.iter().any(|(name, _)| !name.is_private());
                // RFC 5464 §3.3: "w" for what others see; special uses are the owner's.
                place.existing(if shared { Rights::WRITE } else { Rights::READ })?;
                if place.foreign && use_.is_some() {
                    return Err(Refusal::NoPermission.into());
                }
                Some(place)
            }
            None => None,
        };
        let own = Arc::clone(self.account()?);
        let (account, mailbox) = match &place {
            Some(place) => (&place.account, Some(&place.name)),
            None => (&own, None),
        };
        let inbox = mailbox.is_some_and(|name| *name == account::MailboxName::inbox());
        if inbox && use_.is_some_and(|use_| use_.is_some()) {
            return Err(Refusal::UseAttr.into());
        }
        let asked = Annotate { user: own.id(), entries, special_use: use_.filter(|_| !inbox) };
        let set = account.annotate(mailbox, asked).await;
        let modseq = set.map_err(|error| self.metadata_refused(error))?;
        let is_own = account.id() == own.id();
        if let Some(told) = self.metadata_told.as_mut().filter(|_| is_own) {
            told.own = Some(modseq);
        }
        Ok(Done::Ok(None))
    }

    /// §4.4: "servers MUST send unsolicited METADATA responses if server or mailbox annotations are
    /// changed by a third-party", once METADATA is enabled.
    pub(super) async fn tell_metadata(&mut self, session: &mut Session) {
        if !session.enabled().metadata {
            return;
        }
        if let Err(stop) = self.changed_metadata(session).await {
            self.refusal(stop);
            // What the client knows is not what is, and it may not wait for what cannot be told.
            session.mailbox_lost();
        }
    }

    async fn changed_metadata(&mut self, session: &mut Session) -> Result<(), Stop> {
        let account = self.account()?;
        if account.is_broken() && self.selected.is_none() {
            return Err(Refusal::Unavailable.into());
        }
        // Before the look: what is committed meanwhile is told the next time.
        let now = account.modseq();
        let told =
            self.metadata_told.as_deref().map_or((now, None), |told| (told.modseq, told.own));
        let mut changes: BTreeMap<String, Vec<EntryName>> = BTreeMap::new();
        if account.annotations_modseq() > told.0 {
            let user = account.id();
            for change in account.annotation_changes((told.0, now), user).await? {
                let mailbox = match change.mailbox {
                    None => String::new(),
                    Some(id) => match account.mailbox_by_id(id) {
                        Some(info) => info.name.as_str().to_owned(),
                        // Nobody wants to know of a mailbox that is gone.
                        None => continue,
                    },
                };
                if told.1 != Some(change.modseq) {
                    changes.entry(mailbox).or_default().push(change.name);
                }
            }
        }
        for (mailbox, names) in &changes {
            for piece in names.chunks(NAMES_MAX) {
                let names: Vec<_> = piece.iter().map(EntryName::as_str).collect();
                session.reply().metadata_changed(mailbox, &names);
            }
        }
        self.metadata_told = Some(Box::new(Told { modseq: now, own: None }));
        Ok(())
    }

    /// Ready when there may be something to tell of annotations.
    pub(super) async fn metadata_news(&self) {
        match (&self.metadata_told, self.account()) {
            (Some(told), Ok(account)) => account.wait_annotations(told.modseq).await,
            _ => pending().await,
        }
    }

    fn metadata_refused(&self, error: account::Error) -> Stop {
        match error {
            account::Error::Refused(account::Refused::AnnotationTooBig) => {
                let octets_max = self.context.accounts.options().metadata_value_octets_max;
                Refusal::MetadataTooBig { octets_max }.into()
            }
            error => error.into(),
        }
    }
}
