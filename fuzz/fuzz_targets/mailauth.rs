//! A message and what DNS says: SPF, DKIM, DMARC and ARC of both. The input's first part, up to an
//! octet 0xFF, is the message; each other part is a TXT record that any name may have.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mail::header;
use mailauth::{
    arc, dkim,
    dmarc::{self, Evidence},
    dns::{Answer, Dns, Failure},
    results, spf,
};
use std::{
    future::Future,
    net::IpAddr,
    pin::pin,
    task::{Context, Poll, Waker},
};

/// Every name has one of the records, or none.
struct Zone<'a>(Vec<&'a [u8]>);

impl Zone<'_> {
    fn of(&self, name: &str) -> usize {
        name.bytes().fold(0, |sum, octet| sum * 31 % 8191 + usize::from(octet)) % (self.0.len() + 1)
    }
}

impl Dns for Zone<'_> {
    async fn txt(&self, name: &str) -> Answer<Vec<u8>> {
        assert!(name.len() <= 512, "{name}");
        let record = self.0.get(self.of(name)).ok_or(Failure::NoSuchName)?;
        Ok(vec![record.to_vec()])
    }
    async fn addresses(&self, name: &str, ipv6: bool) -> Answer<IpAddr> {
        match self.of(name) {
            0 => Err(Failure::Temporary),
            _ if ipv6 => Ok(vec![IpAddr::from([0; 16])]),
            _ => Ok(vec![IpAddr::from([192, 0, 2, 1])]),
        }
    }
    async fn exchanges(&self, name: &str) -> Answer<String> {
        Ok(vec![format!("mx.{name}"); self.of(name)])
    }
    async fn names(&self, _: IpAddr) -> Answer<String> {
        Ok(vec!["client.test".to_owned()])
    }
}

/// Nothing waits here.
fn done<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nobody is waited for"),
    }
}

fuzz_target!(|data: &[u8]| {
    let mut parts = data.split(|octet| *octet == 0xff);
    let message = parts.next().unwrap_or_default();
    let zone = Zone(parts.take(16).collect());
    let (head, body) = message.split_at(header::header_octets(message));

    let mut check = dkim::Check::new(head, 1_790_000_000, &dkim::Limits::default());
    check.update(body);
    let signed = done(check.finish(&zone));
    let limits = arc::Limits::default();
    let mut check = arc::Check::new(head, 1_790_000_000, &limits);
    check.update(body);
    let _ = done(check.finish(&zone));

    let from = String::from_utf8_lossy(body.get(..40).unwrap_or(body)).into_owned();
    let sender = spf::Sender {
        address: IpAddr::from([192, 0, 2, 1]),
        helo: "client.test",
        mail_from: &from,
        receiver: "mx.test",
        unix_seconds: 1_790_000_000,
    };
    let spf = done(spf::check_mail_from(&zone, &sender, &spf::Limits::default()));
    assert!(signed.len() <= dkim::Limits::default().signatures_max + 1);
    let evidence = Evidence {
        authors: &[&from],
        spf: Some((spf.verdict, &spf.domain)),
        dkim_passed: &["a.test"],
        dkim_unanswered: &[],
    };
    let _ = done(dmarc::check(&zone, &evidence));
    for field in header::fields(head) {
        let _ = results::claims(field.value, "mx.test");
    }
});
