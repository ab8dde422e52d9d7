//! New addresses of ours send little at first, and more each day: who has never heard of an address
//! takes a flood from it for spam.
//!
//! Invariants: only addresses that the settings call new are held back, and only with hosts that
//! DNS names: whoever runs a smart host knows us. Knows no clock.

use std::net::IpAddr;

/// Labels below a country's that are nobody's own name.
const GENERAL: [&str; 14] =
    ["ac", "co", "com", "edu", "go", "gob", "gouv", "gov", "ne", "net", "nom", "or", "org", "sch"];

/// Settings.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Warmup {
    /// New addresses.
    pub addresses: Vec<IpAddr>,
    /// Messages to one provider on the first day.
    pub first_day_messages_max: u32,
    /// How many more on each day than on the one before, in per cent.
    pub growth_percent: u32,
    /// Days after which an address is new no more.
    pub days: u32,
}

impl Warmup {
    /// Whether an address is held back at all.
    #[must_use]
    pub fn is_new(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address)
    }

    /// Messages to one provider on a day, from 0 on; `None`: any number.
    #[must_use]
    pub fn messages_max(&self, day: u32) -> Option<u32> {
        if day >= self.days {
            return None;
        }
        let (mut max, percent) = (u64::from(self.first_day_messages_max), self.growth_percent);
        for _ in 0..day {
            max = max.saturating_add((max.saturating_mul(percent.into())).div_ceil(100));
            if max > u32::MAX.into() {
                return Some(u32::MAX);
            }
        }
        u32::try_from(max).ok()
    }
}

/// Who runs a host: mail to `a.example` and `b.example` may go to the same one. The last two labels
/// of the host's name, or three below `co.uk` and its like; a host's own name where it is an
/// address.
#[must_use]
pub fn provider(host: &str) -> String {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if host.parse::<IpAddr>().is_ok() {
        return host;
    }
    let plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    let host: String = host.chars().filter(|c| plain(*c)).collect();
    let mut last = host.rsplit('.');
    let (top, second) = (last.next().unwrap_or_default(), last.next().unwrap_or_default());
    let labels = if top.len() == 2 && GENERAL.contains(&second) { 3 } else { 2 };
    let mut kept: Vec<&str> = host.rsplit('.').take(labels).collect();
    kept.reverse();
    kept.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_day_has_more_until_there_is_no_limit() {
        let warmup = Warmup {
            first_day_messages_max: 50,
            growth_percent: 100,
            days: 14,
            ..Warmup::default()
        };
        let all: Vec<_> = [0, 1, 2, 13, 14].map(|day| warmup.messages_max(day)).into();
        assert_eq!(all, [Some(50), Some(100), Some(200), Some(50 << 13), None]);
        let slow = Warmup { growth_percent: 1, first_day_messages_max: 1, ..warmup.clone() };
        assert_eq!(slow.messages_max(3), Some(4));
        let fast = Warmup { days: u32::MAX, growth_percent: u32::MAX, ..warmup };
        assert_eq!(fast.messages_max(u32::MAX - 1), Some(u32::MAX));
        assert_eq!(Warmup { growth_percent: 0, ..fast }.messages_max(9), Some(50));
        assert_eq!(Warmup::default().messages_max(0), None);
    }

    #[test]
    fn domains_that_have_one_provider() {
        for (host, wanted) in [
            ("ASPMX.l.Google.com.", "google.com"),
            ("alt1.gmail-smtp-in.l.google.com", "google.com"),
            ("a-b.mail.protection.outlook.com", "outlook.com"),
            ("mx.example.co.uk", "example.co.uk"),
            ("mail.example.de", "example.de"),
            ("mx-ha02.web.de", "web.de"),
            ("localhost", "localhost"),
            ("192.0.2.1", "192.0.2.1"),
            ("2001:DB8::1", "2001:db8::1"),
            ("", ""),
        ] {
            assert_eq!(provider(host), wanted, "{host}");
        }
    }
}
