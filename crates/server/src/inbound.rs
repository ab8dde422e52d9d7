//! What is found out about mail of strangers before it is taken: who sends it (SPF, DKIM, DMARC,
//! ARC, iprev), what others say of it (clamd, rspamd, DNS lists), and what follows.
//!
//! Invariants: a check that has no answer decides nothing: where it would have, the sender is asked
//! to come again; results of ours that came with the message are taken out (RFC 8601 §5); what was
//! found stands on top of the message, and why it is refused or Junk is in the log.

mod authenticity;
pub mod greylist;
pub mod rates;
pub mod reputation;
mod reverse;
mod silence;
mod within;

use crate::{
    clock::SystemClock,
    dns::Dns,
    reports::sent::dmarc::{Counted, counted},
    scan::{self, Action, Reason, Verdict, clamd::Clamd, dnslist, rspamd::Rspamd},
};
use account::{
    Clock as _,
    explain::{self, Explained},
    reputation::{Evidence, Reputation},
    strangers::Strangers,
};
pub use authenticity::{Authenticity, Sender};
use bytes::{Bytes, BytesMut};
use delivery::hops;
use greylist::Greylist;
use mail::header;
use mailauth::results;
use reputation::Judged;
pub use reverse::Reverse;
use silence::Silence;
use spam::Class;
use std::{fmt::Write as _, net::IpAddr, sync::Arc};
use tokio::sync::watch;

/// Characters of the reasons that are written on top of a message.
const REASONS_CHARS_MAX: usize = 900;

/// What follows from what DMARC says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Dmarc {
    /// What the author's domain asks for: mail that it did not send is refused, or Junk.
    #[default]
    Enforce,
    /// It is Junk, also where the domain asks to refuse it.
    Junk,
    /// It is only written down.
    Mark,
}

/// Settings.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// Whether senders are checked.
    pub check_senders: bool,
    /// What follows from what DMARC says.
    pub dmarc: Dmarc,
    /// Seconds for all that DNS is asked.
    pub check_seconds: u32,
    /// Hours that mail is asked to come again since DNS does not answer for its author's domain.
    pub dns_failure_hours_max: u32,
    /// Received fields of a message that is taken (RFC 5321 §6.3).
    pub received_max: u32,
    /// Domains (A-labels, lower case) whose ARC seals are believed: mail that DMARC disowns is
    /// taken if it was in order when it came to them.
    pub arc_trusted_sealers: Vec<String>,
    /// How much may come from one place.
    pub rates: rates::Limits,
    /// Whether strangers are asked to come again.
    pub greylist: greylist::Settings,
    /// Whether senders are remembered.
    pub reputation: account::reputation::Settings,
}

/// Checks mail that comes by port 25.
pub struct Inspection {
    dns: Option<Arc<Dns>>,
    host_name: String,
    settings: Settings,
    clamd: Option<Clamd>,
    rspamd: Option<Rspamd>,
    lists: dnslist::Used,
    greylist: Option<Greylist>,
    reputation: Option<Arc<Reputation>>,
    silence: Silence,
}

/// What was found.
#[derive(Clone, PartialEq, Debug)]
pub struct Found {
    /// What is to be done.
    pub action: Action,
    /// Why, the heaviest first.
    pub reasons: Vec<Reason>,
    /// The domain's DMARC policy refuses it, rather than what it is.
    pub unauthenticated: bool,
    /// DNS did not answer what would have decided.
    pub unanswered: bool,
    /// What Authentication-Results says.
    pub checks: Vec<results::Entry>,
    /// Fields for the top of the message, with line ends.
    pub fields: String,
    /// What is known of the reverse-path.
    pub reverse: Reverse,
    /// What is counted of it for a DMARC report.
    pub counted: Option<Counted>,
    /// Whom what people do with it speaks for or against.
    pub senders: Vec<String>,
}

impl Found {
    /// As it is stored with the message.
    #[must_use]
    pub fn explained(&self) -> Explained {
        let check = |entry: &results::Entry| explain::Check {
            method: entry.method.clone(),
            result: entry.result.clone(),
            of: described(entry),
        };
        let reason = |reason: &Reason| explain::Reason {
            by: reason.name.clone(),
            score: reason.score,
            text: reason.text.clone(),
        };
        Explained {
            checks: self.checks.iter().map(check).collect(),
            reasons: self.reasons.iter().map(reason).collect(),
            junk: self.action == Action::Junk,
            senders: self.senders.clone(),
            ..Explained::default()
        }
    }
}

/// What a result is of, and why: `smtp.mailfrom=example.org; no such key`.
fn described(entry: &results::Entry) -> String {
    let property = |one: &results::Property| format!("{}.{}={}", one.kind, one.name, one.value);
    let properties: Vec<String> = entry.properties.iter().map(property).collect();
    let parts = [Some(properties.join(" ")), entry.reason.clone(), entry.comment.clone()];
    let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    parts.join("; ")
}

impl Inspection {
    /// # Errors
    /// Text of what is wrong with the settings of a scanner.
    pub fn new(
        dns: Option<Arc<Dns>>,
        host_name: &str,
        (settings, scan): (Settings, scan::Settings),
    ) -> Result<Self, String> {
        let rspamd = Rspamd::new(scan.rspamd).map_err(|failure| failure.to_string())?;
        Ok(Self {
            dns,
            host_name: host_name.to_owned(),
            settings,
            clamd: Clamd::new(scan.clamd),
            rspamd,
            lists: dnslist::Used::new(scan.dns_lists),
            greylist: None,
            reputation: None,
            silence: Silence::default(),
        })
    }

    /// With what is remembered of strangers.
    #[must_use]
    pub fn with_strangers(mut self, strangers: &Arc<Strangers>) -> Self {
        self.greylist = Greylist::new(Arc::clone(strangers), self.settings.greylist.clone());
        self
    }

    /// With what mail of senders was worth.
    #[must_use]
    pub fn with_reputation(mut self, reputation: &Arc<Reputation>) -> Self {
        let enabled = reputation.settings().enabled;
        self.reputation = enabled.then(|| Arc::clone(reputation));
        self
    }

    /// Whether a message passed too many servers: it goes round (RFC 5321 §6.3).
    #[must_use]
    pub fn is_looping(&self, message: &[u8]) -> bool {
        hops::is_looping(message, self.settings.received_max)
    }

    /// Inspects a message. `message`: as it would be stored, for scanners; `content`: as it came.
    pub async fn inspect(
        &self,
        sender: &Sender<'_>,
        content: &[u8],
        (id, recipients, message): (&str, &[String], &Bytes),
    ) -> Found {
        let mut authenticity = Authenticity::default();
        if let Some(dns) = self.dns.as_ref().filter(|_| self.settings.check_senders) {
            authenticity = authenticity::check(&**dns, sender, (content, &self.settings)).await;
            if let Some(vouched) = &authenticity.vouched {
                tracing::info!(%id, vouched, "DMARC is overridden by a trusted ARC chain");
            }
        }
        if let Some(why) = self.unanswered(&authenticity) {
            // Nobody else has to look at it before it comes again, as below.
            let verdict = Verdict::noted(Action::SoftReject, "DNS", why);
            return Found {
                unanswered: true,
                ..Self::together(vec![verdict], false, String::new())
            };
        }
        let judged = self.judge(sender, &authenticity).await;
        let mut verdicts = vec![self.of_dmarc(&authenticity)];
        let done = verdicts.first().map_or(Action::Accept, |one| one.action);
        let counted = counted((sender.address, content), &authenticity, done);
        let unauthenticated = verdicts.iter().any(|one| one.action == Action::Reject);
        let known = unauthenticated || judged.good;
        if !known && let Some(waits) = self.waits(sender, &authenticity).await {
            return Self::together(vec![waits], false, String::new());
        }
        let scanned = self.scanned((sender, &authenticity), (id, recipients, message)).await;
        let found_by_others = scanned.iter().map(|one| one.action).max().unwrap_or(Action::Accept);
        verdicts.extend(scanned);
        verdicts.extend(judged.verdict());
        let (mut fields, mut checks) = (String::new(), Vec::new());
        let mut reverse = Reverse::Unchecked;
        if self.settings.check_senders && self.dns.is_some() {
            reverse = sender.from.as_ref().map_or(reverse, |from| Reverse::of(from, &authenticity));
            checks = authenticity.entries();
            let (authserv_id, entries) = (self.host_name.clone(), checks.clone());
            fields = results::Results { authserv_id, entries }.field();
        }
        let mut found = Self::together(verdicts, unauthenticated, fields);
        // Who is asked to come again is counted then.
        if !matches!(found.action, Action::Greylist | Action::SoftReject) {
            found.counted = counted;
            if let Some(reputation) = &self.reputation {
                reputation::count(reputation, &judged.names, (done, found_by_others));
            }
        }
        let senders = judged.names.iter().map(ToString::to_string).collect();
        Found { checks, reverse, senders, ..found }
    }

    /// What scanners and lists say of a message.
    async fn scanned(
        &self,
        (sender, authenticity): (&Sender<'_>, &Authenticity),
        (id, recipients, message): (&str, &[String], &Bytes),
    ) -> Vec<Verdict> {
        let from = sender.from.as_ref().map(ToString::to_string).unwrap_or_default();
        let (clamd, rspamd, lists) = tokio::join!(
            async {
                match &self.clamd {
                    Some(clamd) => Some(clamd.verdict(id, message).await),
                    None => None,
                }
            },
            async {
                let rspamd = self.rspamd.as_ref()?;
                let envelope = scan::rspamd::Envelope {
                    address: Some(sender.address),
                    helo: sender.hello,
                    client_name: authenticity.client_name(),
                    from: &from,
                    recipients,
                    queue_id: id,
                    host_name: &self.host_name,
                    ..Default::default()
                };
                Some(rspamd.verdict(&envelope, message.clone()).await)
            },
            self.listed(sender)
        );
        [clamd, rspamd, lists].into_iter().flatten().collect()
    }

    /// What is known of who sent a message.
    async fn judge(&self, sender: &Sender<'_>, authenticity: &Authenticity) -> Judged {
        let reputation = self.reputation.as_ref();
        let judges = reputation.filter(|_| !self.settings.rates.exempts(sender.address));
        let Some(reputation) = judges else { return Judged::default() };
        let names = match &self.dns {
            Some(dns) => {
                let seconds = self.settings.check_seconds;
                reputation::names(&**dns, (sender, authenticity), seconds).await
            }
            None => reputation::places(sender.address).to_vec(),
        };
        reputation::judge(reputation, names).await
    }

    /// A client named a recipient that is not here.
    pub fn unknown_recipient(&self, client: IpAddr) {
        if let Some(reputation) = &self.reputation
            && !self.settings.rates.exempts(client)
        {
            reputation.count(&reputation::places(client), Evidence::UnknownRecipient);
        }
    }

    /// Why a sender is asked to come again since DNS did not answer, if it is: RFC 7208 §8.6 and
    /// RFC 6376 §6.1.2 let it. Not where nothing follows from the answer.
    fn unanswered(&self, authenticity: &Authenticity) -> Option<String> {
        let author = &authenticity.dmarc.as_ref()?.author;
        let Some(why) = authenticity.silent.as_ref().filter(|_| self.settings.dmarc != Dmarc::Mark)
        else {
            self.silence.ended(author);
            return None;
        };
        let seconds_max = i64::from(self.settings.dns_failure_hours_max) * 3600;
        let times = (SystemClock.now_seconds(), seconds_max);
        self.silence.defers(author, times).then(|| why.clone())
    }

    /// That a sender is asked to come again, if it is.
    async fn waits(&self, sender: &Sender<'_>, authenticity: &Authenticity) -> Option<Verdict> {
        let greylist = self.greylist.as_ref()?;
        if self.settings.rates.exempts(sender.address) {
            return None;
        }
        let now = SystemClock.now_seconds();
        let why = greylist.asks_to_wait(sender, authenticity, now).await?;
        Some(Verdict::noted(Action::Greylist, "GREYLIST", why))
    }

    fn of_dmarc(&self, authenticity: &Authenticity) -> Verdict {
        let asked = authenticity.asked();
        let action = match (self.settings.dmarc, asked) {
            (Dmarc::Enforce, action) => action,
            (Dmarc::Junk, action) => action.min(Action::Junk),
            (Dmarc::Mark, _) => Action::Accept,
        };
        if asked == Action::Accept {
            return Verdict { reasons: Vec::new(), ..Verdict::noted(action, "", String::new()) };
        }
        Verdict::noted(action, "DMARC", authenticity.why())
    }

    /// Tries the DNS lists now and every day (RFC 5782 §5), until `shutdown`.
    pub async fn try_lists(&self, shutdown: watch::Receiver<bool>) {
        if let Some(dns) = &self.dns {
            self.lists.keep_trying(&**dns, shutdown).await;
        }
    }

    async fn listed(&self, sender: &Sender<'_>) -> Option<Verdict> {
        let dns = self.dns.as_ref().filter(|_| !self.lists.is_empty())?;
        let domain = sender.from.as_ref().map(|from| from.domain().to_ascii());
        let mut subjects = vec![dnslist::Subject::Address(sender.address)];
        subjects.extend(domain.as_deref().map(dnslist::Subject::Domain));
        let lists = self.lists.now().await;
        let answers = dnslist::ask(&**dns, &lists, &subjects, self.lists.seconds()).await;
        Some(dnslist::verdict(&answers))
    }

    /// The hardest of all verdicts, with all reasons.
    fn together(verdicts: Vec<Verdict>, unauthenticated: bool, mut fields: String) -> Found {
        let action = verdicts.iter().map(|one| one.action).max().unwrap_or(Action::Accept);
        let mut reasons = Vec::new();
        for verdict in verdicts {
            for (name, value) in verdict.fields {
                let _ = write!(fields, "{name}: {value}\r\n");
            }
            reasons.extend(verdict.reasons);
        }
        reasons.sort_by(|one, other| other.score.total_cmp(&one.score));
        if action >= Action::Junk {
            let why = told(&reasons);
            let _ = write!(fields, "X-Palomar-Junk: {why}\r\n");
        }
        Found {
            action,
            reasons,
            unauthenticated,
            unanswered: false,
            checks: Vec::new(),
            fields,
            reverse: Reverse::Unchecked,
            counted: None,
            senders: Vec::new(),
        }
    }

    /// Tells rspamd what a person says of a message, if it learns. What fails is in the log.
    pub async fn learn(&self, class: Class, message: Bytes) {
        let Some(rspamd) = &self.rspamd else { return };
        let lesson = match class {
            Class::Ham => scan::rspamd::Lesson::Ham,
            Class::Spam => scan::rspamd::Lesson::Spam,
        };
        if let Err(failure) = rspamd.learn(lesson, message).await {
            tracing::warn!("rspamd did not learn: {failure}");
        }
    }

    /// Whether somebody else learns what people say.
    #[must_use]
    pub fn teaches(&self) -> bool {
        self.rspamd.as_ref().is_some_and(Rspamd::learns)
    }

    /// The message without results that claim to be ours.
    #[must_use]
    pub fn without_forged(&self, content: &[u8]) -> Option<BytesMut> {
        let (head, body) = content.split_at(header::header_octets(content));
        let forged = |field: &header::Field<'_>| {
            field.is("Authentication-Results") && results::claims(field.value, &self.host_name)
                || field.is("X-Palomar-Junk")
        };
        if !header::fields(head).any(|field| forged(&field)) {
            return None;
        }
        let mut kept = BytesMut::with_capacity(content.len());
        let mut octets = 0;
        for field in header::fields(head) {
            octets += field.raw.len();
            if !forged(&field) {
                kept.extend_from_slice(field.raw);
            }
        }
        kept.extend_from_slice(head.get(octets..).unwrap_or_default());
        kept.extend_from_slice(body);
        Some(kept)
    }
}

/// Reasons in one line of ASCII.
fn told(reasons: &[Reason]) -> String {
    let mut out = String::new();
    for Reason { name, score, text } in reasons {
        let separator = if out.is_empty() { "" } else { "; " };
        let score = if *score == 0.0 { String::new() } else { format!(" ({score:.1})") };
        let text = if text.is_empty() { String::new() } else { format!(": {text}") };
        let _ = write!(out, "{separator}{name}{score}{text}");
    }
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    out.chars().map(plain).take(REASONS_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspection() -> Inspection {
        let settings = (Settings::default(), scan::Settings::default());
        Inspection::new(None, "mx.test", settings).unwrap()
    }

    #[test]
    fn rfc8601_5_results_that_claim_to_be_ours_are_taken_out() {
        let one = inspection();
        let message = b"A: 1\r\nAuthentication-Results: mx.test; spf=pass\r\n\tsmtp.helo=x\r\n\
                        X-Palomar-Junk: no\r\nAuthentication-Results: other.test; spf=pass\r\n\
                        \r\nAuthentication-Results: mx.test; none\r\n";
        let wanted = b"A: 1\r\nAuthentication-Results: other.test; spf=pass\r\n\
                       \r\nAuthentication-Results: mx.test; none\r\n";
        assert_eq!(one.without_forged(message).as_deref(), Some(&wanted[..]));
        assert_eq!(one.without_forged(wanted), None);
    }

    #[test]
    fn the_hardest_verdict_counts_and_reasons_are_one_line() {
        let junk = Verdict {
            reasons: vec![Reason { name: "B".into(), score: 2.0, text: "x\r\ny: z".into() }],
            ..Verdict::noted(Action::Junk, "", String::new())
        };
        let accept = Verdict::noted(Action::Accept, "A", "fine".into());
        let found = Inspection::together(vec![accept, junk], false, String::new());
        assert_eq!(found.action, Action::Junk);
        assert_eq!(found.fields, "X-Palomar-Junk: B (2.0): x??y: z; A: fine\r\n");
    }
}
