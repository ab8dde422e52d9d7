//! APPEND and REPLACE as they come in: the messages are gathered and committed together (RFC 3502:
//! all or none), those of parts (RFC 4469) after their parts were read.
//!
//! Invariants: what is held is reserved in the shared [`Memory`](super::memory::Memory) before the
//! client is told to send; nothing is allocated for octets that were announced and did not come.

use super::{
    Imap, mailbox,
    memory::Room,
    refusal::Stop,
    section::{Found, Source},
};
use account::{Account, NewMessage, Record};
use bytes::{Bytes, BytesMut};
use imap::{
    effect::{Appended, Done, Refusal},
    types::{AppendOptions, FetchItem, MessageUrl, Replaced, Section, SectionText},
};
use mail::{MailboxId, Uid};
use std::sync::Arc;
use tokio::{runtime::Handle, task::spawn_blocking};

/// Octets that take milliseconds to parse and compress: not on a thread that others wait for.
const LARGE_OCTETS: u64 = 1 << 20;

/// Messages on their way in.
pub(super) struct Appending {
    mailbox: MailboxId,
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
        let AppendOptions { flags, internal_date } = std::mem::take(&mut self.options);
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
    /// Whether the message may come: mailbox, quota and size are decided here, before its first
    /// octet.
    pub(super) async fn append_begin(
        &mut self,
        mailbox: &str,
        options: AppendOptions,
        (octets, replaces): (u64, Option<Replaced>),
    ) -> Result<Done, Stop> {
        let name = mailbox::name(mailbox)?;
        let info = self.account()?.mailbox(&name).ok_or(Refusal::NoSuchMailbox)?;
        let replaces = match replaces {
            Some(replaced) => {
                let selected = self.selected.as_deref_mut().ok_or(Refusal::Bug)?;
                let (set, numbers) = selected.resolve(&replaced.set, replaced.uid);
                Some(selected.view.one(&set, numbers)?)
            }
            None => self.append.as_ref().and_then(|append| append.replaces),
        };
        let announced = self.append.as_ref().map_or(0, |append| append.announced) + octets;
        self.admit(octets, announced, replaces)?;
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
    fn admit(&self, octets: u64, announced: u64, replaces: Option<Uid>) -> Result<(), Stop> {
        if let Some(uid) = replaces {
            let selected = self.selected.as_deref().ok_or(Refusal::Bug)?;
            return Ok(selected.view.room_for_replacement(uid, octets)?);
        }
        let account = self.account()?;
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
        self.admit(of_message, of_all, append.replaces)?;
        let room = self.memory.reserve(octets).await?;
        let append = self.append.as_deref_mut().ok_or(Refusal::Bug)?;
        append.room.join(room);
        (append.octets, append.announced) = (of_message, of_all);
        Ok(())
    }

    /// A literal of CATENATE is announced.
    pub(super) async fn append_text(&mut self, octets: u64) -> Result<Done, Stop> {
        self.append_more(octets).await?;
        Ok(Done::Ok(None))
    }

    /// A part of the message is what a URL names: a message of ours or a section of it.
    pub(super) async fn append_url(&mut self, url: MessageUrl) -> Result<Done, Stop> {
        let account = Arc::clone(self.account()?);
        let record = self.named(&account, &url).await?;
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
    async fn named(&self, account: &Account, url: &MessageUrl) -> Result<Record, Stop> {
        let mailbox = match (&url.mailbox, self.selected.as_deref()) {
            (None, Some(selected)) => selected.view.mailbox(),
            (None, None) => return Err(Refusal::BadUrl.into()),
            (Some(name), _) => {
                let name = mailbox::name(name).map_err(|_| Refusal::BadUrl)?;
                account.mailbox(&name).ok_or(Refusal::BadUrl)?.id
            }
        };
        let info = account.mailbox_by_id(mailbox).ok_or(Refusal::BadUrl)?;
        if url.uid_validity.is_some_and(|validity| validity != info.uid_validity.0) {
            return Err(Refusal::BadUrl.into());
        }
        let message = account.message_of(mailbox, Uid(url.uid)).ok_or(Refusal::BadUrl)?;
        let found = account.records(&[message]).await?.pop().flatten();
        Ok(found.ok_or(Refusal::BadUrl)?)
    }

    pub(super) fn append_data(&mut self, octets: Bytes) -> Result<Done, Stop> {
        let append = self.append.as_deref_mut().ok_or(Refusal::Bug)?;
        append.body.add(octets);
        Ok(Done::Ok(None))
    }

    /// One commit for all messages of the command.
    pub(super) async fn append_end(&mut self) -> Result<Appended, Stop> {
        let mut append = self.append.take().ok_or(Refusal::Bug)?;
        append.finish()?;
        let Appending { mailbox, mut whole, room, announced, replaces, .. } = *append;
        let appended = if let Some(uid) = replaces {
            let selected = self.selected.as_deref().ok_or(Refusal::Bug)?;
            let message = whole.pop().ok_or(Refusal::Bug)?;
            selected.view.replace(uid, mailbox, message).await
        } else {
            self.append_all(mailbox, whole, announced).await?
        };
        drop(room);
        let appended = appended?;
        let highest_modseq = replaces.map(|_| appended.modseq);
        Ok(Appended { uid_validity: appended.uid_validity, uids: appended.uids, highest_modseq })
    }

    async fn append_all(
        &self,
        mailbox: MailboxId,
        whole: Vec<NewMessage>,
        octets: u64,
    ) -> Result<Result<account::Appended, account::Error>, Stop> {
        let account = Arc::clone(self.account()?);
        if octets < LARGE_OCTETS {
            return Ok(account.append(mailbox, whole).await);
        }
        let handle = Handle::current();
        let work = move || handle.block_on(account.append(mailbox, whole));
        let done = spawn_blocking(work).await;
        // A thread that panicked is our mistake, and is told as one.
        Ok(done.unwrap_or_else(|error| Err(account::Error::Damaged(error.to_string()))))
    }
}
