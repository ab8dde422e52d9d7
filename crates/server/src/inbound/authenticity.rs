//! Who a message is from: SPF, DKIM, DMARC, ARC and iprev of one message, within a time.

use super::{Settings, within::Within};
use crate::{clock::SystemClock, scan::Action};
use account::Clock as _;
use mail::{Address, header};
use mailauth::{
    arc, dkim,
    dmarc::{self, Evidence, Policy},
    dns::Dns,
    iprev,
    results::Entry,
    spf,
};
use std::{fmt::Write as _, net::IpAddr, time::Duration};

/// Domains that vouch for a message and are looked at: who signs with a hundred is not known
/// better.
const DOMAINS_MAX: usize = 4;

/// Who speaks to us.
#[derive(Clone, Debug)]
pub struct Sender<'a> {
    /// Its address.
    pub address: IpAddr,
    /// What it called itself.
    pub hello: &'a str,
    /// The reverse-path; `None` is `<>`.
    pub from: Option<Address>,
    /// Our name.
    pub host_name: &'a str,
}

/// What was found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Authenticity {
    /// Of the name in EHLO, of the reverse-path.
    pub spf: Vec<spf::Outcome>,
    /// Of each signature.
    pub dkim: Vec<dkim::Verified>,
    /// Of the author's domain.
    pub dmarc: Option<dmarc::Outcome>,
    /// Of the hosts that passed it on.
    pub arc: Option<arc::Chain>,
    /// Of the client's address.
    pub iprev: Option<iprev::Outcome>,
    /// Why mail that DMARC disowns is taken all the same.
    pub vouched: Option<String>,
    /// DNS did not answer, and it would have decided what becomes of the message: who did not.
    pub silent: Option<String>,
}

/// Checks a message; what is not known after some seconds is not known.
pub async fn check(
    dns: &impl Dns,
    sender: &Sender<'_>,
    (content, settings): (&[u8], &Settings),
) -> Authenticity {
    let within = Duration::from_secs(settings.check_seconds.max(1).into());
    let now = SystemClock.now_seconds();
    let (head, body) = content.split_at(header::header_octets(content));
    let mut check = dkim::Check::new(head, now, &dkim::Limits::default());
    if !check.is_empty() {
        check.update(body);
    }
    let mut chain = arc::Check::new(head, now, &arc::Limits::default());
    chain.update(body);
    let from = sender.from.as_ref().map(ToString::to_string).unwrap_or_default();
    let asked = spf::Sender {
        address: sender.address,
        helo: sender.hello,
        mail_from: &from,
        receiver: sender.host_name,
        unix_seconds: now.unsigned_abs(),
    };
    let limits = spf::Limits::default();
    let timed = &Within::new(dns, within);
    let (helo, mail_from, dkim, arc, iprev) = tokio::join!(
        // RFC 7208 §2.3: the name in EHLO is checked as well.
        spf::check_helo(timed, &asked, &limits),
        spf::check_mail_from(timed, &asked, &limits),
        check.finish(timed),
        chain.finish(timed),
        iprev::check(timed, sender.address)
    );
    let chain_silent = arc.unanswered;
    let mut found = Authenticity {
        spf: vec![helo, mail_from],
        dkim,
        // What DNS did not say is no status of a chain (RFC 8617 §4.4 knows three).
        arc: Some(arc).filter(|chain| !chain.unanswered),
        iprev: Some(iprev),
        ..Authenticity::default()
    };
    let authors = authors(head);
    let evidence = Evidence {
        authors: &authors.iter().map(String::as_str).collect::<Vec<_>>(),
        spf: found.mail_from().map(|one| (one.verdict, &*one.domain)),
        dkim_passed: &found.domains(dkim::Outcome::Pass),
        dkim_unanswered: &found.domains(dkim::Outcome::TempError),
    };
    let dmarc = dmarc::check(&Within::new(dns, within), &evidence).await;
    found.vouched = match &found.arc {
        Some(chain) if dmarc.policy != Policy::None => {
            vouched(chain, &dmarc.author, &settings.arc_trusted_sealers)
        }
        _ => None,
    };
    found.silent = silent(&dmarc, chain_silent && !settings.arc_trusted_sealers.is_empty());
    found.dmarc = Some(dmarc);
    found
}

/// Who did not answer, if it would have decided. `chain`: an ARC chain that may be one of hosts
/// that we trust could not be checked.
fn silent(dmarc: &dmarc::Outcome, chain: bool) -> Option<String> {
    match dmarc.verdict {
        dmarc::Verdict::TempError if may_ask(dmarc) => Some(dmarc.reason.clone()),
        dmarc::Verdict::Fail if chain && dmarc.policy != Policy::None => {
            Some("DNS did not answer for an ARC chain".to_owned())
        }
        _ => None,
    }
}

/// Whether the author's domain may ask to do something about mail that it did not send: also if
/// nobody knows its record, or which of its policies is meant.
fn may_ask(dmarc: &dmarc::Outcome) -> bool {
    let Some((domain, record)) = &dmarc.published else { return true };
    let below = record.nonexistent_policy.filter(|_| *domain != dmarc.author);
    let mut policies = [Some(dmarc.requested), below].into_iter().flatten();
    policies.any(|policy| {
        let asked = if record.testing { policy.lowered() } else { policy };
        asked != Policy::None
    })
}

/// Whether hosts that we trust say that DMARC passed when the message came to them (RFC 8617 §7.2,
/// a local policy): all from the last one back to the one who says so. In the words of §7.2.1.
fn vouched(chain: &arc::Chain, author: &str, trusted: &[String]) -> Option<String> {
    let mut sealers = String::new();
    for sealer in chain.sealers.iter().rev() {
        if !trusted.contains(&sealer.domain) {
            return None;
        }
        let arc::Sealer { instance, domain, selector, results } = sealer;
        let _ = write!(sealers, " as[{instance}].d={domain} as[{instance}].s={selector}");
        let said = results.iter().flat_map(|results| &results.entries);
        let passed = said.filter(|entry| entry.method == "dmarc" && entry.result == "pass");
        let of_author = |entry: &Entry| match entry.property("header", "from") {
            Some(from) => mail::Domain::parse(from).is_some_and(|from| from.to_ascii() == author),
            None => true,
        };
        if passed.into_iter().any(of_author) {
            return Some(format!("arc=pass{sealers}"));
        }
    }
    None
}

/// Domains of all addresses of all From fields.
fn authors(head: &[u8]) -> Vec<String> {
    let fields = header::fields(head).filter(|field| field.is("From"));
    let mut domains = Vec::new();
    for field in fields {
        for mailbox in mail::envelope::address_list(&field.unfolded()) {
            // Without a mailbox: where a group begins or ends.
            let host = mailbox.mailbox.and(mailbox.host);
            domains.extend(host.map(|host| String::from_utf8_lossy(&host).into_owned()));
        }
    }
    domains
}

impl Authenticity {
    fn mail_from(&self) -> Option<&spf::Outcome> {
        self.spf.iter().find(|one| one.identity == spf::Identity::MailFrom)
    }

    fn domains(&self, outcome: dkim::Outcome) -> Vec<&str> {
        let judged = self.dkim.iter().filter(|one| one.outcome == outcome);
        // What signs a part of the body alone vouches for nothing that follows.
        judged.filter(|one| !one.partial_body).map(|one| &*one.domain).collect()
    }

    /// Domains that vouch for the message, in A-labels, the author's first: its own (DMARC), those
    /// that signed it (DKIM), and that of the reverse-path (SPF).
    #[must_use]
    pub fn vouched_domains(&self) -> Vec<String> {
        let author = self.dmarc.iter().filter(|one| one.verdict == dmarc::Verdict::Pass);
        let spf = self.mail_from().filter(|one| one.verdict == spf::Verdict::Pass);
        let signers = self.domains(dkim::Outcome::Pass);
        let all = author.map(|one| &*one.author).chain(signers).chain(spf.map(|one| &*one.domain));
        let mut domains = Vec::new();
        for domain in all.filter_map(mail::Domain::parse).map(|domain| domain.to_ascii()) {
            if domains.len() < DOMAINS_MAX && !domains.contains(&domain) {
                domains.push(domain);
            }
        }
        domains
    }

    /// The client's name, if it leads back to its address.
    pub fn client_name(&self) -> Option<&str> {
        let passed = self.iprev.as_ref().filter(|one| one.verdict == iprev::Verdict::Pass)?;
        passed.name.as_deref()
    }

    /// What the author's domain asks to be done, unless who passed it on is trusted.
    pub fn asked(&self) -> Action {
        let Some(dmarc) = self.dmarc.as_ref().filter(|_| self.vouched.is_none()) else {
            return Action::Accept;
        };
        match dmarc.policy {
            Policy::None => Action::Accept,
            Policy::Quarantine => Action::Junk,
            Policy::Reject => Action::Reject,
        }
    }

    /// Why.
    pub fn why(&self) -> String {
        self.dmarc.as_ref().map(|dmarc| dmarc.reason.clone()).unwrap_or_default()
    }

    /// As Authentication-Results has it.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.iprev.iter().map(Entry::iprev).collect();
        entries.extend(self.spf.iter().map(Entry::spf));
        entries.extend(self.dkim.iter().map(|one| {
            let mut entry = Entry::new("dkim", one.outcome.as_str())
                .with("header", "d", &one.domain)
                .with("header", "s", &one.selector)
                .with("header", "a", &one.algorithm)
                .with("header", "b", &one.start);
            if !one.reason.is_empty() {
                entry = entry.because(one.reason);
            }
            entry
        }));
        if let Some(dmarc) = &self.dmarc {
            let entry = Entry::dmarc(dmarc);
            entries.push(match &self.vouched {
                Some(vouched) => {
                    entry.commented(&format!("{}; local policy: {vouched}", dmarc.reason))
                }
                None => entry,
            });
        }
        if let Some(chain) = &self.arc {
            entries.push(Entry::arc(chain));
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailauth::{
        dns::{Answer, Failure},
        results::Results,
    };

    /// DNS that knows what one domain publishes, and never answers for its other names.
    struct Slow;

    impl Dns for Slow {
        async fn txt(&self, name: &str) -> Answer<Vec<u8>> {
            match name {
                "one.test" => Ok(vec![b"v=spf1 include:slow.test -all".to_vec()]),
                "_dmarc.one.test" => Ok(vec![b"v=DMARC1; p=reject".to_vec()]),
                "_dmarc.test" => Err(Failure::NoRecords),
                _ => std::future::pending().await,
            }
        }
        async fn addresses(&self, _: &str, _: bool) -> Answer<IpAddr> {
            std::future::pending().await
        }
        async fn exchanges(&self, _: &str) -> Answer<String> {
            std::future::pending().await
        }
        async fn names(&self, _: IpAddr) -> Answer<String> {
            std::future::pending().await
        }
    }

    /// "SPF says no" and "SPF says nothing yet" are not the same: the second must not refuse mail.
    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_not_a_fail() {
        let sender = Sender {
            address: "192.0.2.7".parse().unwrap(),
            hello: "mx.one.test",
            from: Address::parse("ana@one.test"),
            host_name: "mx.test",
        };
        let settings = Settings { check_seconds: 20, ..Settings::default() };
        let signed = "DKIM-Signature: v=1; a=rsa-sha256; d=one.test; s=s; h=from; bh=AAAA; b=AAAA";
        for signature in ["X: 1", signed] {
            let content = format!("{signature}\r\nFrom: ana@one.test\r\n\r\nx\r\n");
            let start = tokio::time::Instant::now();
            let found = check(&Slow, &sender, (content.as_bytes(), &settings)).await;
            assert!(start.elapsed().as_secs() <= 40, "both times");
            let dmarc = found.dmarc.as_ref().unwrap();
            assert_eq!(dmarc.verdict, dmarc::Verdict::TempError, "{}", dmarc.reason);
            assert_eq!(found.asked(), Action::Accept);
            assert!(found.silent.is_some());
            let told = found.entries();
            assert!(told.iter().any(|one| one.method == "spf" && one.result == "temperror"));
            assert!(told.iter().any(|one| one.method == "iprev" && one.result == "temperror"));
        }
    }

    #[test]
    fn only_who_may_ask_for_something_is_waited_for() {
        let outcome = |published: Option<(&str, &str)>, requested| dmarc::Outcome {
            verdict: dmarc::Verdict::TempError,
            author: "a.one.test".into(),
            organizational: "one.test".into(),
            published: published.map(|(domain, record)| {
                (domain.to_owned(), dmarc::Record::parse(record.as_bytes()).expect("a record"))
            }),
            requested,
            policy: Policy::None,
            spf_aligned: false,
            dkim_aligned: false,
            reason: "x".into(),
        };
        let waits = |published, requested| silent(&outcome(published, requested), false).is_some();
        assert!(waits(None, Policy::None), "nobody knows its record");
        assert!(waits(Some(("a.one.test", "v=DMARC1; p=reject")), Policy::Reject));
        assert!(!waits(Some(("a.one.test", "v=DMARC1; p=none")), Policy::None));
        assert!(!waits(Some(("a.one.test", "v=DMARC1; p=quarantine; t=y")), Policy::Quarantine));
        assert!(waits(Some(("a.one.test", "v=DMARC1; p=reject; t=y")), Policy::Reject));
        // Whether the name exists may be what is not known.
        let below = "v=DMARC1; p=none; sp=none; np=reject";
        assert!(waits(Some(("one.test", below)), Policy::None));
        assert!(!waits(Some(("a.one.test", below)), Policy::None));
        let fail = dmarc::Outcome {
            verdict: dmarc::Verdict::Fail,
            policy: Policy::Reject,
            ..outcome(None, Policy::Reject)
        };
        assert!(silent(&fail, true).is_some() && silent(&fail, false).is_none());
    }

    /// Who sealed it, and what each says of DMARC and of whom.
    fn chain(sealers: &[(&str, &str, &str)]) -> arc::Chain {
        let sealer = |(at, (domain, dmarc, from)): (usize, &(&str, &str, &str))| {
            let mut entry = Entry::new("dmarc", dmarc);
            if !from.is_empty() {
                entry = entry.with("header", "from", from);
            }
            let results = Results { authserv_id: "mx".into(), entries: vec![entry] };
            let (domain, selector) = ((*domain).to_owned(), "s".to_owned());
            arc::Sealer { instance: at + 1, domain, selector, results: Some(results) }
        };
        let sealers = sealers.iter().enumerate().map(sealer).collect();
        arc::Chain { status: arc::Status::Pass, reason: "", unanswered: false, sealers }
    }

    #[test]
    fn all_who_sealed_since_dmarc_passed_must_be_trusted() {
        let trusted = ["list.test".to_owned(), "hop.test".to_owned()];
        let told = |sealers: &[_]| vouched(&chain(sealers), "one.test", &trusted);
        let list = ("list.test", "pass", "one.test");
        assert_eq!(told(&[list]).as_deref(), Some("arc=pass as[1].d=list.test as[1].s=s"));
        let both = told(&[list, ("hop.test", "fail", "one.test")]);
        let words = "arc=pass as[2].d=hop.test as[2].s=s as[1].d=list.test as[1].s=s";
        assert_eq!(both.as_deref(), Some(words));
        // Who came before does not matter.
        assert!(told(&[("x.test", "fail", "one.test"), list]).is_some());
        assert!(told(&[("list.test", "pass", "")]).is_some());
        assert!(told(&[("list.test", "pass", "ONE.test")]).is_some());
        for refused in [
            &[][..],
            &[("x.test", "pass", "one.test")],
            &[list, ("x.test", "fail", "one.test")],
            &[("list.test", "fail", "one.test")],
            &[("list.test", "pass", "two.test")],
            &[("sub.list.test", "pass", "one.test")],
        ] {
            assert_eq!(told(refused), None, "{refused:?}");
        }
    }
}
