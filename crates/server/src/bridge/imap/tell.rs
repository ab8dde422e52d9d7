//! What is new in the selected mailbox, as untagged responses (RFC 9051 §7.4, §7.5), and the FETCH
//! lines that tell of flags.

use super::{
    Imap, PIECE_OCTETS, Selected, Work, context::Updating, fetch, memory::Memory, refusal::Stop,
    uid_set,
};
use account::{Row, Update};
use imap::{
    Session,
    effect::{Done, Enabled},
    types::{FetchItem, FetchModifiers, SequenceSet, SetNumber},
};
use mail::{NumberSet, Uid};
use tokio::time::Instant;

/// What of a message's flags is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FlagLine {
    /// `UID`
    pub uid: bool,
    /// `FLAGS`
    pub flags: bool,
    /// `MODSEQ` (quirk 18: in every FETCH once CONDSTORE is enabled)
    pub modseq: bool,
}

impl FlagLine {
    /// Of a response that was not asked for: with the Uid where the RFCs want it (RFC 7162 §3.2.4,
    /// RFC 9051 §7.5.2).
    pub const fn unasked(enabled: Enabled) -> Self {
        let uid = enabled.qresync || enabled.rev2;
        Self { uid, flags: true, modseq: enabled.condstore }
    }

    /// `* n FETCH (UID u FLAGS (…) MODSEQ (m))`
    pub fn write(self, session: &mut Session, row: &Row) {
        let mut reply = session.reply();
        let mut line = reply.fetch(row.sequence, row.uid);
        if self.uid {
            line.uid(row.uid);
        }
        if self.flags {
            let keywords = row.keywords.iter().map(mail::Keyword::as_str);
            line.flags(row.system, row.recent, keywords);
        }
        if self.modseq {
            line.modseq(row.modseq);
        }
        line.end();
    }
}

/// Updates that are being told.
pub(super) struct Telling {
    updates: std::vec::IntoIter<Update>,
    expunged: std::vec::IntoIter<(u32, Uid)>,
    /// Uids of messages whose flags were told, for results that are kept up to date.
    changed: Vec<u32>,
    /// The end: results that are kept up to date.
    updating: Option<Updating>,
    /// Uids from this one on are new, and these items of them are told at the end (RFC 5465 §5.2).
    pub new: Option<Box<(u32, Vec<FetchItem>)>>,
}

impl Telling {
    pub fn new(updates: Vec<Update>) -> Self {
        Self {
            updates: updates.into_iter(),
            expunged: Vec::new().into_iter(),
            changed: Vec::new(),
            updating: None,
            new: None,
        }
    }

    pub async fn step(
        &mut self,
        session: &mut Session,
        selected: &mut Selected,
        memory: &Memory,
    ) -> Result<Done, Stop> {
        if let Some(updating) = &mut self.updating {
            return updating.step(session, selected, memory).await;
        }
        loop {
            for (sequence, _) in self.expunged.by_ref() {
                session.reply().expunge(sequence);
                if session.reply().pending_octets() >= PIECE_OCTETS {
                    return Ok(Done::More);
                }
            }
            match self.updates.next() {
                Some(update) => self.tell(session, selected, update),
                None => break,
            }
            if session.reply().pending_octets() >= PIECE_OCTETS {
                return Ok(Done::More);
            }
        }
        // RFC 5267 §4.3.3: ADDTO comes after EXISTS, so that the numbers are valid.
        self.updating = Updating::new(selected, &NumberSet::of_numbers(self.changed.drain(..)));
        Ok(if self.updating.is_some() { Done::More } else { Done::Ok(None) })
    }

    fn tell(&mut self, session: &mut Session, selected: &mut Selected, update: Update) {
        match update {
            Update::Expunged(messages) => self.tell_expunged(session, selected, messages),
            Update::Exists { exists, recent } => {
                selected.tell_keywords(session);
                let mut reply = session.reply();
                reply.exists(exists);
                reply.recent(recent);
            }
            Update::Flags(row) => {
                if !row.keywords.is_empty() {
                    selected.tell_keywords(session);
                }
                let line = FlagLine::unasked(session.enabled());
                // RFC 5465 §5.1: with the Uid.
                FlagLine { uid: line.uid || session.notifies(), ..line }.write(session, &row);
                if selected.contexts.is_some() {
                    self.changed.push(row.uid.0);
                }
            }
            // The poll sees to it before anything is told.
            Update::Gone => {}
        }
    }

    fn tell_expunged(
        &mut self,
        session: &mut Session,
        selected: &mut Selected,
        messages: Vec<(u32, Uid)>,
    ) {
        // RFC 5267 §4.3.4: REMOVEFROM "MUST be sent prior to the expunge notification itself".
        selected.tell_gone(session, &messages);
        // RFC 7162 §3.2.10, RFC 9586 §3.5: VANISHED takes the place of EXPUNGE.
        if session.enabled().qresync || session.enabled().uidonly {
            let uids = uid_set(messages.iter().map(|(_, uid)| *uid));
            session.reply().vanished(false, &uids);
        } else {
            self.expunged = messages.into_iter();
        }
    }
}

impl Imap {
    /// After the news: what NOTIFY wants to know of new messages (RFC 5465 §5.2).
    pub(super) async fn begin_new(
        &mut self,
        session: &mut Session,
        (from, items): (u32, Vec<FetchItem>),
    ) -> Result<Done, Stop> {
        let Some(selected) = self.selected.as_deref_mut() else { return Ok(Done::Ok(None)) };
        let last = selected.view.uid_max().0;
        if last < from {
            return Ok(Done::Ok(None));
        }
        let set = SequenceSet::Ranges(vec![(SetNumber::Number(from), SetNumber::Number(last))]);
        let asked = fetch::Asked { set, uid: true, items, modifiers: FetchModifiers::default() };
        let fetching = fetch::Fetching::new(session, selected, asked).await?;
        self.work = Some(Work::Fetch(Box::new(fetching)));
        Ok(Done::More)
    }

    /// Tells what is new; an idle client hears from time to time that we are there (quirk 10).
    pub(super) async fn poll(
        &mut self,
        session: &mut Session,
        expunges: bool,
    ) -> Result<Done, Stop> {
        if let Some(at) = self.keep_alive
            && Instant::now() >= at
        {
            session.keep_alive();
            self.keep_alive = Some(Instant::now() + super::KEEP_ALIVE);
        }
        self.tell_metadata(session).await;
        self.tell_notified(session).await?;
        let (any, flags, expunges) = self.selected_events(expunges);
        if !any {
            return Ok(Done::Ok(None));
        }
        if self.is_foreign() && !self.selected_rights().await?.has(mail::Rights::READ) {
            // Nothing is told any more of what may not be read.
            session.mailbox_gone();
            return Ok(Done::Ok(None));
        }
        let new_items = self.new_items();
        let Some(selected) = self.selected.as_deref_mut() else { return Ok(Done::Ok(None)) };
        // Before the look: what is committed meanwhile may or may not be told.
        let modseq = selected.view.account().modseq();
        if selected.contexts.is_some() {
            // RFC 5267 §A.3: at once, also while EXPUNGE has to wait.
            let gone = selected.view.expunged();
            selected.tell_gone(session, &gone);
        }
        let (uid_next, items) = (selected.view.uid_max().0 + 1, new_items);
        let mut updates = selected.view.poll(expunges);
        if !flags {
            updates.retain(|update| !matches!(update, Update::Flags(_)));
        }
        if !selected.view.holds_back() {
            selected.told = modseq;
        } else if session.enabled().qresync {
            // RFC 7162 §3.2: a client that would take the highest MODSEQ that it heard for a state
            // of the mailbox would never hear of messages that vanished before.
            let code = format!("HIGHESTMODSEQ {}", selected.told.0.max(1));
            session.reply().ok(&code, "VANISHED comes later");
        }
        if updates.contains(&Update::Gone) {
            return self.reopen(session, expunges).await;
        }
        let largest = selected.view.uid_max();
        let contexts = selected.contexts.as_ref();
        if updates.is_empty() && !contexts.is_some_and(|contexts| contexts.has_news(largest)) {
            return Ok(Done::Ok(None));
        }
        let mut telling = Telling::new(updates);
        telling.new = (!items.is_empty()).then(|| Box::new((uid_next, items)));
        self.begin(session, Work::Tell(Box::new(telling))).await
    }
}
