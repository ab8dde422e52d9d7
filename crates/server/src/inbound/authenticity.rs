//! Who a message is from: SPF, DKIM and DMARC of one message, within a time.

use crate::{clock::SystemClock, scan::Action};
use account::Clock as _;
use mail::{Address, header};
use mailauth::{
    dkim,
    dmarc::{self, Evidence, Policy},
    dns::Dns,
    results::Entry,
    spf,
};
use std::{net::IpAddr, time::Duration};
use tokio::time::timeout;

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
}

/// Checks a message; what is not known after so many seconds is not known.
pub async fn check(
    dns: &impl Dns,
    sender: &Sender<'_>,
    (content, seconds): (&[u8], u32),
) -> Authenticity {
    let within = Duration::from_secs(seconds.max(1).into());
    let now = SystemClock.now_seconds();
    let (head, body) = content.split_at(header::header_octets(content));
    let mut check = dkim::Check::new(head, now, &dkim::Limits::default());
    if !check.is_empty() {
        check.update(body);
    }
    let from = sender.from.as_ref().map(ToString::to_string).unwrap_or_default();
    let asked = spf::Sender {
        address: sender.address,
        helo: sender.hello,
        mail_from: &from,
        receiver: sender.host_name,
        unix_seconds: now.unsigned_abs(),
    };
    let limits = spf::Limits::default();
    let (spf, dkim) = tokio::join!(
        timeout(within, async {
            // RFC 7208 §2.3: the name in EHLO is checked as well.
            let helo = spf::check_helo(dns, &asked, &limits).await;
            vec![helo, spf::check_mail_from(dns, &asked, &limits).await]
        }),
        timeout(within, check.finish(dns))
    );
    let mut found =
        Authenticity { spf: spf.unwrap_or_default(), dkim: dkim.unwrap_or_default(), dmarc: None };
    let authors = authors(head);
    let evidence = Evidence {
        authors: &authors.iter().map(String::as_str).collect::<Vec<_>>(),
        spf: found.mail_from().map(|one| (one.verdict, &*one.domain)),
        dkim_passed: &found.domains(dkim::Outcome::Pass),
        dkim_unanswered: &found.domains(dkim::Outcome::TempError),
    };
    let dmarc = timeout(within, dmarc::check(dns, &evidence)).await.ok();
    found.dmarc = dmarc;
    found
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

    /// What the author's domain asks to be done.
    pub fn asked(&self) -> Action {
        let Some(dmarc) = self.dmarc.as_ref() else { return Action::Accept };
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
        let mut entries: Vec<Entry> = self.spf.iter().map(Entry::spf).collect();
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
            let mut entry = Entry::new("dmarc", dmarc.verdict.as_str());
            if !dmarc.author.is_empty() {
                entry = entry.with("header", "from", &dmarc.author);
            }
            entries.push(entry.commented(&dmarc.reason));
        }
        entries
    }
}
