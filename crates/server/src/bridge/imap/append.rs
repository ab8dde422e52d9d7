//! APPEND as it comes in: the messages are gathered and committed together (RFC 3502: all or none).
//!
//! Invariants: what is held is reserved in the shared [`Memory`](super::memory::Memory) before the
//! client is told to send; nothing is allocated for octets that were announced and did not come.

use super::{Imap, mailbox, memory::Room, refusal::Stop};
use account::NewMessage;
use bytes::{Bytes, BytesMut};
use imap::{
    effect::{Done, Refusal},
    types::AppendOptions,
};
use mail::{MailboxId, Uid, UidValidity};
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
    room: Room,
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
    fn finish(&mut self) {
        let AppendOptions { flags, internal_date } = std::mem::take(&mut self.options);
        let message = NewMessage::new(self.body.take());
        self.whole.push(NewMessage { flags, internal_date, ..message });
    }
}

impl Imap {
    /// Whether the message may come: mailbox, quota and size are decided here, before its first
    /// octet.
    pub(super) async fn append_begin(
        &mut self,
        mailbox: &str,
        options: AppendOptions,
        octets: u64,
    ) -> Result<Done, Stop> {
        let announced = self.append.as_ref().map_or(0, |append| append.announced) + octets;
        let account = self.account()?;
        let name = mailbox::name(mailbox)?;
        let info = account.mailbox(&name).ok_or(Refusal::NoSuchMailbox)?;
        // Of the message alone first: what is too big is never over quota alone.
        account.room_for(octets)?;
        if announced > octets {
            match account.room_for(announced) {
                // Together they may be more than the largest message.
                Err(account::Error::Refused(account::Refused::MessageTooBig)) | Ok(()) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let room = self.memory.reserve(octets).await?;
        match self.append.as_deref_mut() {
            Some(append) => {
                append.finish();
                append.room.join(room);
                append.announced = announced;
                append.options = options;
            }
            None => {
                self.append = Some(Box::new(Appending {
                    mailbox: info.id,
                    whole: Vec::new(),
                    announced,
                    options,
                    body: Body::Nothing,
                    room,
                }));
            }
        }
        Ok(Done::Ok(None))
    }

    pub(super) fn append_data(&mut self, octets: Bytes) -> Result<Done, Stop> {
        let append = self.append.as_deref_mut().ok_or(Refusal::Bug)?;
        append.body.add(octets);
        Ok(Done::Ok(None))
    }

    /// One commit for all messages of the command.
    pub(super) async fn append_end(&mut self) -> Result<(UidValidity, Vec<Uid>), Stop> {
        let mut append = self.append.take().ok_or(Refusal::Bug)?;
        append.finish();
        let Appending { mailbox, whole, room, announced, .. } = *append;
        let account = Arc::clone(self.account()?);
        let appended = if announced < LARGE_OCTETS {
            account.append(mailbox, whole).await
        } else {
            let handle = Handle::current();
            let work = move || handle.block_on(account.append(mailbox, whole));
            let done = spawn_blocking(work).await;
            // A thread that panicked is our mistake, and is told as one.
            done.unwrap_or_else(|error| Err(account::Error::Damaged(error.to_string())))
        };
        drop(room);
        let appended = appended?;
        Ok((appended.uid_validity, appended.uids))
    }
}
