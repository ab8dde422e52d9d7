//! The MTA-STS policy (RFC 8461) of our own domains, as it is served and as DNS names it.
//!
//! Invariants: its id is a hash of its text: it changes when the policy does and never otherwise,
//! so that senders fetch it again when they must.

use crate::outbound::sts::Mode;
use aws_lc_rs::digest::{SHA256, digest};
use std::fmt::Write as _;

/// Where it is served (§3.3), below `https://mta-sts.` and the domain.
pub const PATH: &str = "/.well-known/mta-sts.txt";
/// Seconds that a policy counts at most (§3.2): a year.
pub const AGE_SECONDS_MAX: u32 = 31_557_600;
/// Octets of the hash that the id shows, in hexadecimal; §3.1 allows 32 characters.
const ID_OCTETS: usize = 10;

/// Settings.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// What it asks for; `None`: there is no policy.
    pub mode: Option<Mode>,
    /// Seconds that it counts.
    pub max_age_seconds: u32,
    /// Names of hosts that take mail, `*.` for one label; ours when there are none.
    pub hosts: Vec<String>,
}

/// A policy that is served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// §3.2
    pub text: String,
    /// §3.1
    pub id: String,
}

impl Settings {
    /// The policy of all domains of this host, if there is to be one.
    #[must_use]
    pub fn policy(&self, host_name: &str) -> Option<Policy> {
        let mode = match self.mode? {
            Mode::Enforce => "enforce",
            Mode::Testing => "testing",
            Mode::None => "none",
        };
        let mut text = format!("version: STSv1\r\nmode: {mode}\r\n");
        let own = [host_name.to_owned()];
        let hosts = if self.hosts.is_empty() { own.as_slice() } else { &self.hosts };
        for host in hosts {
            let _ = write!(text, "mx: {host}\r\n");
        }
        let _ = write!(text, "max_age: {}\r\n", self.max_age_seconds);
        let hash = digest(&SHA256, text.as_bytes());
        let octets = hash.as_ref().iter().take(ID_OCTETS);
        let id = octets.fold(String::new(), |mut id, octet| {
            let _ = write!(id, "{octet:02x}");
            id
        });
        Some(Policy { text, id })
    }
}

/// A host of a policy (§3.2): a name, or `*.` and a name.
#[must_use]
pub fn host(text: &str) -> Option<String> {
    let (star, name) = text.strip_prefix("*.").map_or(("", text), |name| ("*.", name));
    mail::Domain::parse(name).map(|name| format!("{star}{}", name.to_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::sts;

    fn settings(mode: Mode) -> Settings {
        Settings { mode: Some(mode), max_age_seconds: 86_400, hosts: Vec::new() }
    }

    #[test]
    fn it_reads_as_it_was_meant() {
        let policy = settings(Mode::Enforce).policy("mx.test").unwrap();
        let read = sts::Policy::parse(&policy.text).unwrap();
        assert_eq!((read.mode, read.age_seconds), (Mode::Enforce, 86_400));
        assert!(read.names("mx.test") && !read.names("other.test"));
        let record = format!("v=STSv1; id={};", policy.id);
        assert_eq!(sts::id(&[record.into_bytes()]), Some(policy.id));
        assert_eq!(Settings::default().policy("mx.test"), None);
    }

    #[test]
    fn the_id_changes_with_the_text_alone() {
        let id = |settings: Settings, host| settings.policy(host).unwrap().id;
        let one = id(settings(Mode::Testing), "mx.test");
        assert_eq!(id(settings(Mode::Testing), "mx.test"), one);
        let hosts = vec!["mx.test".to_owned()];
        assert_eq!(id(Settings { hosts, ..settings(Mode::Testing) }, "x.test"), one);
        assert_ne!(id(settings(Mode::Enforce), "mx.test"), one);
        assert_ne!(id(settings(Mode::Testing), "mx2.test"), one);
        let longer = Settings { max_age_seconds: 86_401, ..settings(Mode::Testing) };
        assert_ne!(id(longer, "mx.test"), one);
    }

    #[test]
    fn hosts_are_names_and_patterns() {
        assert_eq!(host("MX.bücher.test").as_deref(), Some("mx.xn--bcher-kva.test"));
        assert_eq!(host("*.a.test").as_deref(), Some("*.a.test"));
        for bad in ["", "*", "*.", "a.*.test", "*a.test", "a b.test", "a.test\r\nmode: none"] {
            assert_eq!(host(bad), None, "{bad}");
        }
    }
}
