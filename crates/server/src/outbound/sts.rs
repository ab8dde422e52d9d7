//! MTA-STS (RFC 8461): the records and policies of domains that mail goes to.
//!
//! Invariants: pure; what is not a policy is none; a policy never asks for less than was asked
//! without it.

/// Octets of a policy (§3.3: "a limit of 64KB").
pub const POLICY_OCTETS_MAX: usize = 64 << 10;
/// Seconds that a policy counts at most (§3.2): a year.
const AGE_SECONDS_MAX: u64 = 31_557_600;
/// Characters of an id (§3.1).
const ID_CHARS_MAX: usize = 32;
/// Patterns of one policy.
const PATTERNS_MAX: usize = 100;

/// What a policy asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Mail goes to hosts that it names and that prove who they are, or nowhere.
    Enforce,
    /// What would fail is told; mail goes all the same.
    Testing,
    /// Nothing.
    None,
}

/// A policy (§3.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// What it asks for.
    pub mode: Mode,
    /// Names of hosts; `*.` stands for one label.
    pub hosts: Vec<String>,
    /// Seconds that it counts.
    pub age_seconds: u64,
    /// Its text, for reports.
    pub lines: Vec<String>,
}

/// The id that a domain's records tell (§3.1); `None` when they are no MTA-STS records, or several.
#[must_use]
pub fn id(records: &[Vec<u8>]) -> Option<String> {
    // "If the number of resulting records is not one, […] senders MUST assume the recipient domain
    // does not have an available MTA-STS Policy."
    let mut found = records.iter().filter(|record| {
        let rest = record.strip_prefix(b"v=STSv1");
        rest.is_some_and(|rest| rest.iter().find(|octet| !b" \t".contains(octet)) == Some(&b';'))
    });
    let (Some(record), None) = (found.next(), found.next()) else { return None };
    let record = std::str::from_utf8(record).ok()?;
    let fields = record.split(';').skip(1);
    let id = fields.filter_map(|field| field.trim().strip_prefix("id=")).next()?;
    let good = (1..=ID_CHARS_MAX).contains(&id.len())
        && id.bytes().all(|octet| octet.is_ascii_alphanumeric());
    good.then(|| id.to_owned())
}

impl Policy {
    /// From its text; `None` for what is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > POLICY_OCTETS_MAX {
            return None;
        }
        let (mut version, mut mode, mut age_seconds) = (None, None, None);
        let mut hosts = Vec::new();
        for line in text.split('\n') {
            let Some((key, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            // §3.2: of a field that comes twice the first one counts, "mx" apart.
            match key.trim() {
                "version" => _ = version.get_or_insert(value),
                "mode" => _ = mode.get_or_insert(value),
                "max_age" => _ = age_seconds.get_or_insert(value),
                "mx" => hosts.push(value.trim_end_matches('.').to_ascii_lowercase()),
                _ => {}
            }
        }
        let mode = match mode? {
            "enforce" => Mode::Enforce,
            "testing" => Mode::Testing,
            "none" => Mode::None,
            _ => return None,
        };
        let digits = age_seconds?;
        let all_digits =
            (1..=10).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit());
        let age_seconds = digits.parse::<u64>().ok().filter(|_| all_digits)?.min(AGE_SECONDS_MAX);
        if version != Some("STSv1") || (hosts.is_empty() && mode != Mode::None) {
            return None;
        }
        hosts.truncate(PATTERNS_MAX);
        let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
        let lines = lines.map(str::to_owned).collect();
        Some(Self { mode, hosts, age_seconds, lines })
    }

    /// Whether it names a host (§4.1).
    #[must_use]
    pub fn names(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.hosts.iter().any(|pattern| match pattern.strip_prefix("*.") {
            // "only the left-most label" may be the wildcard, and it is one label.
            Some(parent) => host.split_once('.').is_some_and(|(_, rest)| rest == parent),
            None => *pattern == host,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\n\
                           mx: *.example.net\r\nmx: backupmx.example.com\r\nmax_age: 604800\r\n";

    fn records(texts: &[&str]) -> Vec<Vec<u8>> {
        texts.iter().map(|text| text.as_bytes().to_vec()).collect()
    }

    #[test]
    fn rfc8461_3_1_records() {
        let told = |texts: &[&str]| id(&records(texts));
        assert_eq!(told(&["v=STSv1; id=20160831085700Z;"]).as_deref(), Some("20160831085700Z"));
        assert_eq!(told(&["v=spf1 -all", "v=STSv1;id=1"]).as_deref(), Some("1"));
        assert_eq!(told(&["v=STSv1; x=y; id=1"]).as_deref(), Some("1"));
        assert_eq!(told(&["v=STSv1; id=1", "v=STSv1; id=2"]), None);
        for bad in ["v=STSv10; id=1", "v=STSv1", "v=STSv1; id=", "v=STSv1; id=a-b", "id=1; v=STSv1"]
        {
            assert_eq!(told(&[bad]), None, "{bad}");
        }
        let long = "1".repeat(ID_CHARS_MAX);
        assert!(told(&[&format!("v=STSv1; id={long}")]).is_some());
        assert!(told(&[&format!("v=STSv1; id={long}1")]).is_none());
    }

    #[test]
    fn rfc8461_3_2_policies() {
        let policy = Policy::parse(EXAMPLE).unwrap();
        assert_eq!((policy.mode, policy.age_seconds), (Mode::Enforce, 604_800));
        assert_eq!(policy.hosts.len(), 3);
        assert_eq!(Policy::parse(&EXAMPLE.replace("\r\n", "\n")), Some(policy));
        assert!(Policy::parse("version: STSv1\nmode: none\nmax_age: 1").is_some());
        for (good, bad) in [
            ("STSv1", "STSv2"),
            ("version", "v"),
            ("enforce", "strict"),
            ("604800", "-1"),
            ("604800", "12345678901"),
            ("max_age", "age"),
            ("mx", "host"),
        ] {
            assert_eq!(Policy::parse(&EXAMPLE.replace(good, bad)), None, "{bad}");
        }
        assert_eq!(
            Policy::parse(&EXAMPLE.replace("604800", "9999999999")).unwrap().age_seconds,
            AGE_SECONDS_MAX
        );
        let padded = |octets: usize| format!("{EXAMPLE}{}", "#".repeat(octets - EXAMPLE.len()));
        assert!(Policy::parse(&padded(POLICY_OCTETS_MAX)).is_some());
        assert!(Policy::parse(&padded(POLICY_OCTETS_MAX + 1)).is_none());
    }

    #[test]
    fn rfc8461_4_1_host_names() {
        let policy = Policy::parse(EXAMPLE).unwrap();
        for good in ["mail.example.com", "MAIL.example.com.", "a.example.net"] {
            assert!(policy.names(good), "{good}");
        }
        for bad in ["example.net", "a.b.example.net", "mail.example.org", "xmail.example.com"] {
            assert!(!policy.names(bad), "{bad}");
        }
    }
}
