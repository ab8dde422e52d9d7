//! APPEND and REPLACE as they come in: the messages are gathered and committed together (RFC 3502:
//! all or none), those of parts (RFC 4469) after their parts were read.
//!
//! Invariants: what is held is reserved in the shared [`Memory`](super::memory::Memory) before the
//! client is told to send; nothing is allocated for octets that were announced and did not come.

use super::{
    Imap,
    memory::Room,
    place::permanent,
    refusal::Stop,
    section::{Found, Source},
    uid_set,
};
use account::{Account, NewMessage, Record};
use bytes::{Bytes, BytesMut};
use imap::{
    effect::{Appended, Done, Effect, Refusal},
    types::{AppendOptions, FetchItem, MessageUrl, Permanent, Replaced, Section, SectionText},
};
use mail::{MailboxId, Rights, SystemFlags, Uid};
use std::sync::Arc;
use tokio::{runtime::Handle, task::spawn_blocking};

/// Octets that take milliseconds to parse and compress: not on a thread that others wait for.
const LARGE_OCTETS: u64 = 1 << 20;

/// Messages on their way in.
pub(super) struct Appending {
    account: Arc<Account>,
    mailbox: MailboxId,
    /// Flags that the user may set there.
    permanent: Permanent,
    whole: Vec<NewMessage>,
    /// Octets of all that was begun.
    announced: u64,
    options: AppendOptions,
    body: Body,
    /// Octets of the message at hand that are gathered or announced.
    octets: u64,
    room: Room,
    /// The message of the selected mailbox that goes.
    replaces: Option<Uid>,
}

/// Octets of the message at hand.
enum Body {
    Nothing,
    /// All that came so far came at once, and is not copied.
    One(Bytes),
    Many(BytesMut),
}

impl Body {
    fn add(&mut self, octets: Bytes) {
        *self = match std::mem::replace(self, Self::Nothing) {
            Self::Nothing => Self::One(octets),
            Self::One(first) => {
                let mut all = BytesMut::from(&first[..]);
                all.extend_from_slice(&octets);
                Self::Many(all)
            }
            Self::Many(mut all) => {
                all.extend_from_slice(&octets);
                Self::Many(all)
            }
        };
    }

    fn take(&mut self) -> Bytes {
        match std::mem::replace(self, Self::Nothing) {
            Self::Nothing => Bytes::new(),
            Self::One(octets) => octets,
            Self::Many(octets) => octets.freeze(),
        }
    }
}

impl Appending {
    /// The message at hand is complete.
    fn finish(&mut self) -> Result<(), Refusal> {
        let AppendOptions { mut flags, internal_date } = std::mem::take(&mut self.options);
        // RFC 4314 §4: flags without their right are left out.
        flags.system = SystemFlags(flags.system.0 & self.permanent.system.0);
        if !self.permanent.keywords {
            flags.keywords.clear();
        }
        let octets = self.body.take();
        if octets.is_empty() {
            // Only parts can be so empty: APPEND with an empty literal was refused before.
            return Err(Refusal::Empty);
        }
        let message = NewMessage::new(octets);
        self.whole.push(NewMessage { flags, internal_date, ..message });
        Ok(())
    }
}

impl Imap {
    /// All of APPEND and REPLACE but the end.
    pub(super) async fn append_part(&mut self, effect: Effect) -> Result<Done, Stop> {
        match effect {
            Effect::AppendBegin { mailbox, options, octets, literal8: _, replaces } => {
                self.append_begin(&mailbox, options, (octets, replaces)).await
            }
            Effect::AppendText { octets } => self.append_text(octets).await,
            Effect::AppendUrl(url) => self.append_url(*url).await,
            Effect::AppendData(octets) => self.append_data(octets),
            _ => Err(Refusal::Bug.into()),
        }
    }

    /// Whether the message may come: mailbox, quota and size are decided here, before its first
    /// octet.
    async fn append_begin(
        &mut self,
        mailbox: &str,
        options: AppendOptions,
        (octets, replaces): (u64, Option<Replaced>),
    ) -> Result<Done, Stop> {
        let place = self.place(mailbox).await?;
        let info = place.existing(Rights::INSERT)?;
        let replaces = match replaces {
            Some(replaced) => {
                let needed = Rights::READ.and(Rights::DELETE_MESSAGES).and(Rights::EXPUNGE);
                if !self.selected_rights().await?.has(needed) {
                    return Err(Refusal::NoPermission.into());
                }
                let selected = self.selected.as_deref_mut().ok_or(Refusal::Bug)?;
                let (set, numbers) = selected.resolve(&replaced.set, replaced.uid);
                Some(selected.view.one(&set, numbers)?)
            }
            None => self.append.as_ref().and_then(|append| append.replaces),
        };
        let announced = self.append.as_ref().map_or(0, |append| append.announced) + octets;
        self.admit(&place.account, (octets, announced), replaces)?;
        let room = self.memory.reserve(octets).await?;
        match self.append.as_deref_mut() {
            Some(append) => {
                append.finish()?;
                append.room.join(room);
                append.announced = announced;
                append.octets = octets;
                append.options = options;
            }
            None => {
                self.append = Some(Box::new(Appending {
                    permanent: permanent(place.rights),
                    account: place.account,
                    mailbox: info.id,
                    whole: Vec::new(),
                    announced,
                    options,
                    body: Body::Nothing,
                    octets,
                    room,
                    replaces,
                }));
            }
        }
        Ok(Done::Ok(None))
    }

    /// Whether a message of so many octets may come, in a command of so many.
    fn admit(
        &self,
        account: &Account,
        (octets, announced): (u64, u64),
        replaces: Option<Uid>,
    ) -> Result<(), Stop> {
        let selected = self.selected.as_deref();
        let same = selected.filter(|selected| selected.view.account().id() == account.id());
        if let (Some(uid), Some(selected)) = (replaces, same) {
            return Ok(selected.view.room_for_replacement(uid, octets)?);
        }
        // Of the message alone first: what is too big is never over quota alone.
        account.room_for(octets)?;
        if announced > octets {
            match account.room_for(announced) {
                // Together they may be more than the largest message.
                Err(account::Error::Refused(account::Refused::MessageTooBig)) | Ok(()) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// More octets of the message at hand are announced (RFC 4469).
    async fn append_more(&mut self, octets: u64) -> Result<(), Stop> {
        let append = self.append.as_deref().ok_or(Refusal::Bug)?;
        let (of_message, of_all) = (append.octets + octets, append.announced + octets);
        self.admit(&append.account, (of_message, of_all), append.replaces)?;
        let room = self.memory.reserve(octets).await?;
        let append = self.append.as_deref_mut().ok_or(Refusal::Bug)?;
        append.room.join(room);
        (append.octets, append.announced) = (of_message, of_all);
        Ok(())
    }

    /// A literal of CATENATE is announced.
    async fn append_text(&mut self, octets: u64) -> Result<Done, Stop> {
        self.append_more(octets).await?;
        Ok(Done::Ok(None))
    }

    /// A part of the message is what a URL names: a message of ours or a section of it.
    async fn append_url(&mut self, url: MessageUrl) -> Result<Done, Stop> {
        let (account, record) = self.named(&url).await?;
        let memory = self.memory.clone();
        let source = Source { account: &account, record: &record, body: None, memory: &memory };
        let whole = Section { part: Vec::new(), text: SectionText::Whole };
        let section = url.section.unwrap_or(whole);
        let item = FetchItem::BodySection { section, partial: url.partial, peek: true };
        let Found::Octets(mut content, _) = source.find(&item, &mut None).await? else {
            return Err(Refusal::BadUrl.into());
        };
        self.append_more(content.octets()).await?;
        loop {
            let piece = content.next(&source).await?;
            if piece.is_empty() {
                return Ok(Done::Ok(None));
            }
            self.append_data(piece)?;
        }
    }

    /// The message that a URL names.
    async fn named(&self, url: &MessageUrl) -> Result<(Arc<Account>, Record), Stop> {
        let (account, mailbox) = match (&url.mailbox, self.selected.as_deref()) {
            (None, None) => return Err(Refusal::BadUrl.into()),
            (None, Some(selected)) => {
                if !self.selected_rights().await?.has(Rights::READ) {
                    return Err(Refusal::BadUrl.into());
                }
                (Arc::clone(selected.view.account()), selected.view.mailbox())
            }
            (Some(name), _) => {
                let place = self.place(name).await.map_err(|_| Refusal::BadUrl)?;
                let info = place.existing(Rights::READ).map_err(|_| Refusal::BadUrl)?;
                (place.account, info.id)
            }
        };
        let info = account.mailbox_by_id(mailbox).ok_or(Refusal::BadUrl)?;
        if url.uid_validity.is_some_and(|validity| validity != info.uid_validity.0) {
            return Err(Refusal::BadUrl.into());
        }
        let message = account.message_of(mailbox, Uid(url.uid)).ok_or(Refusal::BadUrl)?;
        let found = account.records(&[message]).await?.pop().flatten();
        Ok((account, found.ok_or(Refusal::BadUrl)?))
    }

    fn append_data(&mut self, octets: Bytes) -> Result<Done, Stop> {
        let append = self.append.as_deref_mut().ok_or(Refusal::Bug)?;
        append.body.add(octets);
        Ok(Done::Ok(None))
    }

    /// One commit for all messages of the command.
    pub(super) async fn append_end(&mut self) -> Result<Appended, Stop> {
        let mut append = self.append.take().ok_or(Refusal::Bug)?;
        append.finish()?;
        let Appending { account, mailbox, mut whole, room, announced, replaces, .. } = *append;
        let appended = match (replaces, self.selected.as_deref_mut()) {
            (Some(_), None) => return Err(Refusal::Bug.into()),
            (Some(uid), Some(selected)) if selected.view.account().id() == account.id() => {
                let message = whole.pop().ok_or(Refusal::Bug)?;
                selected.view.replace(uid, mailbox, message).await
            }
            // Two accounts have no commit in common: the new message is there before the old one
            // goes.
            (Some(uid), Some(selected)) => {
                match append_all(account, mailbox, (whole, announced)).await {
                    Ok(appended) => {
                        selected.view.erase(&uid_set([uid])).await?;
                        Ok(appended)
                    }
                    error => error,
                }
            }
            (None, _) => append_all(account, mailbox, (whole, announced)).await,
        };
        drop(room);
        let appended = appended?;
        let highest_modseq = replaces.map(|_| appended.modseq);
        Ok(Appended { uid_validity: appended.uid_validity, uids: appended.uids, highest_modseq })
    }
}

/// One commit of so many octets.
pub(super) async fn append_all(
    account: Arc<Account>,
    mailbox: MailboxId,
    (whole, octets): (Vec<NewMessage>, u64),
) -> Result<account::Appended, account::Error> {
    if octets < LARGE_OCTETS {
        return account.append(mailbox, whole).await;
    }
    let handle = Handle::current();
    let work = move || handle.block_on(account.append(mailbox, whole));
    let done = spawn_blocking(work).await;
    // A thread that panicked is our mistake, and is told as one.
    done.unwrap_or_else(|error| Err(account::Error::Damaged(error.to_string())))
}
