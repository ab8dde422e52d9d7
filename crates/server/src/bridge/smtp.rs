//! The SMTP, submission and LMTP bridge: recipients to accounts, content to mailboxes.
//!
//! Invariants: 250 is said only after the message is durable in every mailbox named; what a message
//! takes of memory comes out of one budget of the server; message text never reaches the log.

mod letter;

use crate::{
    auth,
    bridge::Bridge,
    context::{Context, Peer},
    inbound::{Found, Reverse, Sender, rates::Act},
    scan::Action,
};
use account::{
    explain::Explained,
    queue::{Content, Envelope, Notify, Return, Target},
};
use bytes::{Bytes, BytesMut};
use delivery::{Inbound, Origin, Problem, Received, Route, Submitted, author, trace};
use letter::{header_language, joined, proven};
use mail::Address;
use smtp::{
    Effect, Kind, Limits, MailFrom, Options, RcptTo, Release, Session, Verdict,
    effect::{Body, Hold, Introduction, Ret},
};
use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Octets of one permit of the budget.
const UNIT_OCTETS: usize = 16 << 10;

/// What all sessions of a server share.
#[derive(Clone)]
pub struct Shared {
    limits: Limits,
    host_name: String,
    starttls: bool,
    inbound: Inbound,
    memory: Arc<Semaphore>,
    /// Numbers of transactions since the start, for Received and the log.
    transactions: Arc<AtomicU64>,
}

impl Shared {
    /// `memory_octets_max`: octets of messages under way, all sessions together.
    #[must_use]
    pub fn new(context: &Context, limits: Limits, starttls: bool, memory_octets_max: u64) -> Self {
        let octets = usize::try_from(memory_octets_max.max(2 * limits.message_octets_max));
        let permits = octets.unwrap_or(usize::MAX) / UNIT_OCTETS;
        Self {
            limits,
            host_name: context.host_name.clone(),
            starttls,
            inbound: context.outbound.inbound().clone(),
            memory: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
            transactions: Arc::new(AtomicU64::new(0)),
        }
    }

    /// A machine and a bridge for a new connection.
    #[must_use]
    pub fn session(&self, context: &Arc<Context>, peer: Peer, kind: Kind) -> (Session, Smtp) {
        let seconds_max = context.outbound.hold_seconds_max();
        let until = now().saturating_add(seconds_max.into());
        let until = crate::calendar::rfc3339(until);
        let release = (seconds_max > 0).then_some(Release { seconds_max, until });
        let (host_name, starttls) = (self.host_name.clone(), self.starttls);
        let options = Options { kind, host_name, starttls, release };
        let bridge = Smtp {
            shared: self.clone(),
            context: Arc::clone(context),
            peer,
            kind,
            login: None,
            message: None,
        };
        (Session::new(self.limits, options), bridge)
    }
}

/// The world's side of one connection.
pub struct Smtp {
    shared: Shared,
    context: Arc<Context>,
    peer: Peer,
    kind: Kind,
    login: Option<auth::Session>,
    message: Option<Box<Message>>,
}

/// Where a recipient's mail goes.
enum Place {
    Here(Route),
    Elsewhere,
}

/// A message that may be delivered.
struct Prepared {
    /// With its trace.
    whole: Bytes,
    /// What was found out about it, if it is a stranger's.
    explained: Option<Explained>,
    /// Who may be told of it.
    reverse: Reverse,
}

/// The transaction at hand.
#[derive(Default)]
struct Message {
    from: MailFrom,
    recipients: Vec<(RcptTo, Place)>,
    introduction: Introduction,
    content: BytesMut,
    room: Option<OwnedSemaphorePermit>,
    room_octets: usize,
}

impl Message {
    /// Whether it was sent on before from every address that it is for. Where only some are, the
    /// queue tells for those.
    fn goes_round(&self) -> bool {
        !self.recipients.is_empty()
            && self.recipients.iter().all(|(to, place)| match place {
                Place::Here(route) => route.goes_round(&self.content, &to.path),
                Place::Elsewhere => false,
            })
    }
}

impl Bridge for Smtp {
    type Machine = Session;

    async fn perform(&mut self, session: &mut Session, effect: Effect) {
        match effect {
            Effect::Auth(ask) => {
                let accounts = &self.context.accounts;
                let (answer, login) =
                    self.context.auth.answer(accounts, &self.peer, self.protocol(), ask).await;
                if let Some(login) = login {
                    self.login = Some(login);
                }
                session.auth(answer);
            }
            Effect::Mail(from) => session.done(self.mail(from).await),
            Effect::Recipient(to) => session.done(self.recipient(to).await),
            Effect::DataBegin(introduction) => {
                if let Some(message) = &mut self.message {
                    message.introduction = introduction;
                }
                session.done(Ok(()));
            }
            Effect::Data(bytes) => session.done(self.data(&bytes)),
            Effect::DataEnd => {
                let outcomes = self.deliver().await;
                session.delivered(&outcomes);
            }
            Effect::Abort => self.message = None,
        }
    }

    fn access(&self) -> Option<&Arc<auth::Access>> {
        self.login.as_ref().map(|login| &login.access)
    }

    async fn news(&mut self) {
        pending::<()>().await;
    }
}

impl Smtp {
    const fn protocol(&self) -> &'static str {
        match self.kind {
            Kind::Reception => "smtp",
            Kind::Submission => "submission",
            Kind::Lmtp => "lmtp",
        }
    }

    /// In SMTP's words; the whole story goes to the log.
    fn verdict(&self, problem: &Problem) -> Verdict {
        match problem {
            Problem::NoSuchUser => Verdict::NoSuchUser,
            Problem::Elsewhere if self.kind == Kind::Submission => Verdict::NotSetUp,
            Problem::Elsewhere => Verdict::NoRelay,
            Problem::MailboxFull => Verdict::MailboxFull,
            Problem::TooBig => Verdict::TooBig,
            Problem::Loop => Verdict::Loop,
            Problem::NoRoom => {
                tracing::error!(connection = self.peer.id, "no space left for a message");
                self.context.metrics.error("store");
                Verdict::NoRoom
            }
            Problem::Failed(why) => {
                tracing::error!(connection = self.peer.id, %why, "delivery");
                self.context.metrics.error("delivery");
                Verdict::TryLater
            }
        }
    }

    async fn may_send_as(&self, address: &Address) -> Result<bool, Verdict> {
        let Some(login) = &self.login else { return Ok(false) };
        let directory = self.context.accounts.directory();
        let may = directory.may_send_as(login.account.id(), address).await;
        may.map_err(|error| self.verdict(&Problem::from(error)))
    }

    async fn mail(&mut self, from: MailFrom) -> Result<(), Verdict> {
        if self.kind == Kind::Submission
            && let Some(path) = &from.path
            && !self.may_send_as(path).await?
        {
            return Err(Verdict::NotYourAddress);
        }
        self.may_come(Act::Message)?;
        let latest = now().saturating_add(self.context.outbound.hold_seconds_max().into());
        if matches!(from.hold, Some(Hold::Until(time)) if time > latest) {
            return Err(Verdict::HoldTooLong);
        }
        self.message = Some(Box::new(Message { from, ..Message::default() }));
        Ok(())
    }

    async fn recipient(&mut self, to: RcptTo) -> Result<(), Verdict> {
        self.may_come(Act::Recipient)?;
        // Also to people here: a stolen password is not to be used on them either.
        if self.is_paused() {
            return Err(Verdict::SendingPaused);
        }
        let octets = self.message.as_ref().and_then(|message| message.from.size).unwrap_or(0);
        let route = match self.shared.inbound.route(&to.path, octets).await {
            // Who logged in may send to the world.
            Err(Problem::Elsewhere)
                if self.kind == Kind::Submission
                    && self.context.outbound.reaches(to.path.domain().as_str()) =>
            {
                Ok(Place::Elsewhere)
            }
            route => route.map(Place::Here),
        };
        let route = route.map_err(|problem| {
            if matches!(problem, Problem::NoSuchUser) && self.kind == Kind::Reception {
                if self.may_come(Act::Unknown).is_err() {
                    return Verdict::TooMuch;
                }
                self.context.inspection.unknown_recipient(self.peer.address.ip());
            }
            tracing::info!(
                connection = self.peer.id, protocol = self.protocol(), to = %to.path,
                ?problem, "recipient refused"
            );
            self.verdict(&problem)
        })?;
        if matches!(route, Place::Elsewhere) {
            self.may_send_more().await?;
        }
        if let Some(message) = &mut self.message {
            message.recipients.push((to, route));
        }
        Ok(())
    }

    /// Whether the client's network may do one thing more. Who tries out names hears nothing of
    /// any recipient once it had too many.
    fn may_come(&self, act: Act) -> Result<(), Verdict> {
        if self.kind != Kind::Reception {
            return Ok(());
        }
        let (rates, address) = (&self.context.rates, self.peer.address.ip());
        let now = rates.now();
        let harvests = act == Act::Recipient && !rates.would_admit(address, Act::Unknown, now);
        let act = if harvests { Act::Unknown } else { act };
        if !harvests && rates.admit(address, act, now) {
            return Ok(());
        }
        let setting = act.setting();
        tracing::warn!(connection = self.peer.id, peer = %address, setting, "too much comes");
        self.context.metrics.error("rates");
        Err(Verdict::TooMuch)
    }

    fn is_paused(&self) -> bool {
        let directory = self.context.accounts.directory();
        self.login.as_ref().is_some_and(|login| directory.sending(login.account.id()).paused)
    }

    /// Whether one more recipient elsewhere is within the account's limits.
    async fn may_send_more(&self) -> Result<(), Verdict> {
        let Some(login) = &self.login else { return Ok(()) };
        let told = self.message.iter().flat_map(|message| &message.recipients);
        let others = told.filter(|(_, place)| matches!(place, Place::Elsewhere)).count();
        let more = u32::try_from(others + 1).unwrap_or(u32::MAX);
        match self.context.outbound.may_send(login.account.id(), more).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Verdict::SendingLimit),
            Err(error) => Err(self.verdict(&Problem::from(error))),
        }
    }

    fn data(&mut self, bytes: &Bytes) -> Result<(), Verdict> {
        let memory = Arc::clone(&self.shared.memory);
        let Some(message) = &mut self.message else { return Err(Verdict::TryLater) };
        let wanted = message.content.len() + bytes.len();
        if wanted > message.room_octets {
            let units = (wanted - message.room_octets).div_ceil(UNIT_OCTETS);
            let permits = u32::try_from(units).map_err(|_| Verdict::TooBig)?;
            // Not waited for: content that waits for the end of other content would never end.
            let Ok(room) = memory.try_acquire_many_owned(permits) else {
                message.content = BytesMut::new();
                message.room = None;
                message.room_octets = 0;
                tracing::warn!(connection = self.peer.id, "limits.transit_octets_max is reached");
                return Err(Verdict::NoRoom);
            };
            message.room_octets += units * UNIT_OCTETS;
            match &mut message.room {
                Some(held) => held.merge(room),
                None => message.room = Some(room),
            }
        }
        message.content.extend_from_slice(bytes);
        Ok(())
    }

    async fn deliver(&mut self) -> Vec<Result<(), Verdict>> {
        let Some(message) = self.message.take() else { return vec![Err(Verdict::TryLater)] };
        let number = self.shared.transactions.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:x}.{number:x}", self.peer.id);
        let prepared = match self.prepare(&message, &id).await {
            Ok(prepared) => prepared,
            Err(verdict) => return vec![Err(verdict); message.recipients.len()],
        };
        let proven = prepared.explained.as_ref().and_then(proven);
        let outcomes = self.hand_over(&message, (&id, prepared)).await;
        if self.kind != Kind::Submission && outcomes.iter().any(Result::is_ok) {
            self.context.reports.take(&message.content, (&id, proven)).await;
        }
        outcomes
    }

    /// To the accounts here, or to the queue.
    async fn hand_over(
        &self,
        message: &Message,
        (id, prepared): (&str, Prepared),
    ) -> Vec<Result<(), Verdict>> {
        let Prepared { whole, explained, reverse } = prepared;
        let count = message.recipients.len();
        let mut routes = Vec::with_capacity(count);
        for (_, place) in &message.recipients {
            match place {
                Place::Here(route) => routes.push(route.clone()),
                // One commit for all recipients; those that are ours are served by the queue too.
                Place::Elsewhere => return self.queue(message, (whole, reverse), explained).await,
            }
        }
        let junk = explained.as_ref().is_some_and(|why| why.junk);
        // Who sends junk is not told that it arrived, and it goes on to nobody.
        if junk && routes.iter().any(|route| route.accounts.is_empty()) {
            return vec![Err(Verdict::Unwanted); count];
        }
        if !junk && self.is_queued(message, reverse) {
            return self.queue(message, (whole, reverse), explained).await;
        }
        let octets = whole.len();
        let sender = message.from.path.as_ref().map_or_else(String::new, ToString::to_string);
        let submitted = Submitted {
            sender: &sender,
            content: &message.content,
            one_answer: self.kind != Kind::Lmtp,
            explained,
        };
        let outcomes = self.shared.inbound.deliver(whole, &routes, &submitted).await;
        let delivered = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        self.context.metrics.delivered(self.protocol(), delivered as u64);
        tracing::info!(
            connection = self.peer.id, protocol = self.protocol(), %id, octets,
            recipients = count, delivered, junk, "message"
        );
        let verdict = |outcome: Result<(), Problem>| outcome.map_err(|p| self.verdict(&p));
        outcomes.into_iter().map(verdict).collect()
    }

    /// Whether the queue sees to a message, also to its recipients here.
    fn is_queued(&self, message: &Message, reverse: Reverse) -> bool {
        let goes_on = |(_, place): &(RcptTo, Place)| match place {
            Place::Elsewhere => true,
            Place::Here(route) => !route.forwards.is_empty(),
        };
        let waits = message.from.hold.is_some();
        waits || message.recipients.iter().any(goes_on) || self.tells_success(message, reverse)
    }

    /// Whether a sender is to be told that its mail has arrived, which whoever offers DSN must do
    /// (RFC 3461 §5.2.2): the queue delivers and reports. LMTP's client has the queue.
    fn tells_success(&self, message: &Message, reverse: Reverse) -> bool {
        let Some(sender) = &message.from.path else { return false };
        let success = |notify: &str| Notify::parse(notify).success();
        let asked = |(to, _): &(RcptTo, Place)| to.notify.as_deref().is_some_and(success);
        let way_back = match self.kind {
            Kind::Reception if !reverse.hears_success() => false,
            Kind::Reception => self.context.outbound.reaches(sender.domain().as_str()),
            Kind::Submission => true,
            Kind::Lmtp => false,
        };
        way_back && message.recipients.iter().any(asked)
    }

    /// Into the queue, for all recipients.
    async fn queue(
        &self,
        message: &Message,
        (whole, reverse): (Bytes, Reverse),
        explained: Option<Explained>,
    ) -> Vec<Result<(), Verdict>> {
        let wish = |to: &RcptTo| to.notify.as_deref().map_or_else(Notify::default, Notify::parse);
        let target = |(to, _): &(RcptTo, Place)| Target {
            address: to.path.clone(),
            notify: reverse.notify(wish(to)),
            original: to.original.clone(),
        };
        let head = whole.get(..mail::header::header_octets(&whole)).unwrap_or_default();
        let mut envelope = Envelope {
            from: message.from.path.clone(),
            account: self.login.as_ref().map(|login| login.account.id()),
            envelope_id: message.from.envelope_id.clone(),
            returns: message.from.ret.map(|ret| match ret {
                Ret::Full => Return::Full,
                Ret::Headers => Return::Headers,
            }),
            content: match message.from.body {
                Body::Binary => Content::Binary,
                // What a client says of its content is not always so.
                _ if whole.is_ascii() => Content::SevenBit,
                _ => Content::EightBit,
            },
            utf8: !head.is_ascii(),
            require_tls: message.from.require_tls,
            not_before: match message.from.hold {
                Some(Hold::For(seconds)) => now().saturating_add(seconds.into()),
                Some(Hold::Until(time)) => time,
                None => 0,
            },
            language: header_language(head),
            recipients: message.recipients.iter().map(target).collect(),
            ..Envelope::default()
        };
        if let Some(explained) = &explained {
            envelope.explain(explained);
        }
        let count = message.recipients.len();
        match self.context.outbound.accept(envelope, whole).await {
            Ok(_) => {
                self.context.metrics.delivered(self.protocol(), count as u64);
                vec![Ok(()); count]
            }
            Err(error) => vec![Err(self.verdict(&Problem::from(error))); count],
        }
    }

    /// The message with its trace, if it may be delivered, and what was found out about it.
    async fn prepare(&self, message: &Message, id: &str) -> Result<Prepared, Verdict> {
        if self.context.inspection.is_looping(&message.content) || message.goes_round() {
            tracing::info!(connection = self.peer.id, %id, "a message goes round");
            return Err(Verdict::Loop);
        }
        let stripped = match self.kind {
            Kind::Reception | Kind::Submission => {
                self.context.inspection.without_forged(&message.content)
            }
            Kind::Lmtp => None,
        };
        let content = stripped.as_ref().unwrap_or(&message.content);
        let now = now();
        let (mut own, mut signatures) = (String::new(), String::new());
        if self.kind == Kind::Submission {
            let author = self.check_from(content).await?;
            own = trace::missing(content, (now, id, &self.shared.host_name));
            if let Some(author) = author {
                // What is written by us is signed as well.
                let signed = [own.as_bytes(), content].concat();
                signatures = self.context.signing.sign(author.domain(), &signed).await;
            }
        }
        let told = &message.introduction;
        let lmtp = self.kind == Kind::Lmtp;
        let origin = Origin {
            hello: told.hello.clone(),
            client: self.peer.address.ip(),
            protocol: trace::with(lmtp, told.extended, told.tls.is_some(), told.authenticated),
            tls: told.tls.clone(),
        };
        let only_recipient = match message.recipients.as_slice() {
            [(only, _)] => Some(&only.path),
            _ => None,
        };
        let received = Received {
            origin: &origin,
            from: message.from.path.as_ref(),
            only_recipient,
            host_name: &self.shared.host_name,
            id,
            now,
        };
        let mut top = received.received();
        top.push_str(&signatures);
        top.push_str(&own);
        let whole = joined(&[top.as_bytes(), content]);
        let (mut fields, mut explained) = (String::new(), None);
        let mut reverse = Reverse::Unchecked;
        if self.kind == Kind::Reception {
            let found = self.inspect(message, content, (id, &whole)).await?;
            explained = Some(self.explained(&found, message, id));
            (fields, reverse) = (found.fields, found.reverse);
        }
        let queued = self.is_queued(message, reverse);
        if !queued || explained.as_ref().is_some_and(|why| why.junk) {
            fields.insert_str(0, &trace::return_path(message.from.path.as_ref()));
        }
        if fields.is_empty() {
            return Ok(Prepared { whole, explained, reverse });
        }
        Ok(Prepared { whole: joined(&[fields.as_bytes(), &whole]), explained, reverse })
    }

    /// As it is stored with the message.
    fn explained(&self, found: &Found, message: &Message, id: &str) -> Explained {
        Explained {
            id: id.to_owned(),
            time: now(),
            client: self.peer.address.ip().to_string(),
            hello: message.introduction.hello.clone(),
            from: message.from.path.as_ref().map(ToString::to_string).unwrap_or_default(),
            ..found.explained()
        }
    }

    /// What is found out about mail of a stranger that is taken.
    async fn inspect(
        &self,
        message: &Message,
        content: &[u8],
        (id, whole): (&str, &Bytes),
    ) -> Result<Found, Verdict> {
        let sender = Sender {
            address: self.peer.address.ip(),
            hello: &message.introduction.hello,
            from: message.from.path.clone(),
            host_name: &self.shared.host_name,
        };
        let recipients: Vec<String> =
            message.recipients.iter().map(|(to, _)| to.path.to_string()).collect();
        let found = self.context.inspection.inspect(&sender, content, (id, &recipients, whole));
        let found = found.await;
        if found.action != Action::Accept {
            tracing::info!(
                connection = self.peer.id, %id, action = ?found.action, reasons = ?found.reasons,
                from = sender.from.as_ref().map(ToString::to_string), "inspected"
            );
        }
        self.context.outbound.tallies().count_mail(found.counted.as_ref());
        match found.action {
            Action::Accept | Action::Junk => Ok(found),
            Action::Greylist => Err(Verdict::Greylisted),
            Action::SoftReject if found.unanswered => Err(Verdict::Unanswered),
            Action::SoftReject => Err(Verdict::ComeAgain),
            Action::Reject if found.unauthenticated => Err(Verdict::Unauthenticated),
            Action::Reject => Err(Verdict::Unwanted),
        }
    }

    /// RFC 6409 §6.1, §8.1: who logged in sends as itself; the header is checked as well. Gives the
    /// first author.
    async fn check_from(&self, content: &[u8]) -> Result<Option<Address>, Verdict> {
        let authors = author::authors(content).map_err(|fault| match fault {
            author::Fault::From => Verdict::BadFrom,
            author::Fault::Sender => Verdict::NoSender,
        })?;
        for address in &authors {
            if !self.may_send_as(address).await? {
                return Err(Verdict::NotYourFrom);
            }
        }
        Ok(authors.into_iter().next())
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(now).unwrap_or(0)
}
