//! Trace fields (RFC 5321 §4.4): Return-Path and Received on top of what was received; Date and
//! Message-ID where a submission lacks them (RFC 6409 §8).

use mail::{Address, header};
use std::{fmt::Write as _, net::IpAddr};

/// How the message came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// What the client called itself.
    pub hello: String,
    /// Its address.
    pub client: IpAddr,
    /// `with` of RFC 3848, e.g. `ESMTPSA`.
    pub protocol: &'static str,
    /// TLS version and cipher, for a comment.
    pub tls: Option<String>,
}

/// A message's trace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Received<'a> {
    /// How it came.
    pub origin: &'a Origin,
    /// Reverse-path; `None` is `<>`.
    pub from: Option<&'a Address>,
    /// The recipient, when there is only one (others must not be told, RFC 5321 §7.2).
    pub only_recipient: Option<&'a Address>,
    /// Our name.
    pub host_name: &'a str,
    /// Of this transaction.
    pub id: &'a str,
    /// Seconds since 1970 UTC.
    pub now: i64,
}

/// `with` of RFC 3848.
#[must_use]
pub const fn with(lmtp: bool, extended: bool, tls: bool, authenticated: bool) -> &'static str {
    match (lmtp, extended, tls, authenticated) {
        (true, _, false, false) => "LMTP",
        (true, _, true, false) => "LMTPS",
        (true, _, false, true) => "LMTPA",
        (true, _, true, true) => "LMTPSA",
        (false, false, ..) => "SMTP",
        (false, true, false, false) => "ESMTP",
        (false, true, true, false) => "ESMTPS",
        (false, true, false, true) => "ESMTPA",
        (false, true, true, true) => "ESMTPSA",
    }
}

impl Received<'_> {
    /// Return-Path and Received, with CRLF: of a message that is delivered.
    #[must_use]
    pub fn fields(&self) -> String {
        return_path(self.from) + &self.received()
    }

    /// Received alone: of a message that goes on to another host, which writes Return-Path when it
    /// delivers (RFC 5321 §4.4).
    #[must_use]
    pub fn received(&self) -> String {
        let mut out = String::with_capacity(400);
        let client = match self.origin.client {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("IPv6:{address}"),
        };
        // A name may be anything: what is not of a domain's letters is left out of the field.
        let is_plain = |c: &char| c.is_alphanumeric() || "-_.:[]".contains(*c);
        let hello: String = self.origin.hello.chars().filter(is_plain).take(255).collect();
        let hello = if hello.is_empty() { "unknown" } else { &hello };
        let _ = write!(
            out,
            "Received: from {hello} ([{client}])\r\n\
             \tby {} (Palomar) with {} id {}",
            self.host_name, self.origin.protocol, self.id
        );
        if let Some(tls) = &self.origin.tls {
            let _ = write!(out, "\r\n\t({tls})");
        }
        if let Some(to) = self.only_recipient {
            let _ = write!(out, "\r\n\tfor <{to}>");
        }
        let _ = write!(out, "; {}\r\n", date(self.now));
        out
    }
}

/// Return-Path (RFC 5321 §4.4), with CRLF.
#[must_use]
pub fn return_path(from: Option<&Address>) -> String {
    let from = from.map(ToString::to_string).unwrap_or_default();
    format!("Return-Path: <{from}>\r\n")
}

/// Date (RFC 5322 §3.3) in UTC.
#[must_use]
pub fn date(seconds: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let name = |names: &[&'static str], at: i64| {
        usize::try_from(at).ok().and_then(|at| names.get(at).copied()).unwrap_or("Thu")
    };
    let (weekday, month) = (name(&DAYS, days.rem_euclid(7)), name(&MONTHS, month - 1));
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{weekday}, {day} {month} {year} {hour:02}:{minute:02}:{second:02} +0000")
}

/// Year, month and day of a day since 1970 (Hinnant's civil_from_days).
const fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, doy - (153 * mp + 2) / 5 + 1)
}

/// Date and Message-ID fields that the message lacks (quirk 21), with CRLF.
#[must_use]
pub fn missing(message: &[u8], (now, id, host_name): (i64, &str, &str)) -> String {
    let head = message.get(..header::header_octets(message)).unwrap_or(message);
    let mut out = String::new();
    if header::first(head, "Date").is_none() {
        let _ = write!(out, "Date: {}\r\n", date(now));
    }
    if header::first(head, "Message-ID").is_none() {
        let _ = write!(out, "Message-ID: <{id}.{now:x}@{host_name}>\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(date(0), "Thu, 1 Jan 1970 00:00:00 +0000");
        assert_eq!(date(951_782_400), "Tue, 29 Feb 2000 00:00:00 +0000");
        assert_eq!(date(1_795_421_045), "Mon, 23 Nov 2026 08:04:05 +0000");
    }

    #[test]
    fn fields_are_one_field_each() {
        let origin = Origin {
            hello: "evil\r\nBcc: x".into(),
            client: "2001:db8::1".parse().unwrap(),
            protocol: with(false, true, true, false),
            tls: Some("TLSv1.3".into()),
        };
        let from = Address::parse("a@example.org").unwrap();
        let received = Received {
            origin: &origin,
            from: Some(&from),
            only_recipient: None,
            host_name: "mx.example.test",
            id: "1",
            now: 0,
        };
        let fields = received.fields();
        let names: Vec<_> = header::fields(fields.as_bytes()).map(|f| f.name.to_vec()).collect();
        assert_eq!(names, [b"Return-Path".to_vec(), b"Received".to_vec()]);
        assert!(fields.contains("from evilBcc:x ([IPv6:2001:db8::1])"), "{fields}");
        assert!(fields.contains("with ESMTPS id 1"), "{fields}");
    }
}
