//! `Authentication-Results` (RFC 8601): what was found of a message, written for others to read.
//!
//! Invariants: what is written has no line longer than 998 octets and no control characters,
//! whatever strangers put into the values; the reader never fails but by `None`. Nothing here
//! decides whom to believe.

mod parse;
mod write;

use crate::{arc, dmarc, iprev, spf};

/// Octets of a value that are written; what is longer is cut.
pub const VALUE_OCTETS_MAX: usize = 320;
/// Octets of a reason or comment that are written; what is longer is cut.
pub const REASON_OCTETS_MAX: usize = 200;
/// Octets of a field that are read; a longer one is not.
pub const FIELD_OCTETS_MAX: usize = 65_536;
/// Results of one field that are read; a field with more is not.
pub const ENTRIES_MAX: usize = 256;

/// The payload of one field (RFC 8601 §2.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Results {
    /// Who speaks: `authserv-id`.
    pub authserv_id: String,
    /// `resinfo`; empty is `none`.
    pub entries: Vec<Entry>,
}

/// `resinfo`: what one method found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// `spf`, `dkim`, `dmarc`, `arc`, `iprev`, `auth` …, in lower case.
    pub method: String,
    /// `pass`, `fail` …, in lower case.
    pub result: String,
    /// A comment behind the result, for people.
    pub comment: Option<String>,
    /// `reasonspec`.
    pub reason: Option<String>,
    /// `propspec`.
    pub properties: Vec<Property>,
}

/// `ptype.property=pvalue`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Property {
    /// `smtp`, `header`, `body` or `policy`, in lower case.
    pub kind: String,
    /// In lower case.
    pub name: String,
    /// Without quotes.
    pub value: String,
}

impl Entry {
    /// A result without reason and properties.
    #[must_use]
    pub fn new(method: &str, result: &str) -> Self {
        let (method, result) = (method.to_ascii_lowercase(), result.to_ascii_lowercase());
        Self { method, result, comment: None, reason: None, properties: Vec::new() }
    }

    /// With one property more: `header.d=example.org`.
    #[must_use]
    pub fn with(mut self, kind: &str, name: &str, value: &str) -> Self {
        let (kind, name) = (kind.to_ascii_lowercase(), name.to_ascii_lowercase());
        self.properties.push(Property { kind, name, value: value.to_owned() });
        self
    }

    /// With a comment for people.
    #[must_use]
    pub fn commented(mut self, comment: &str) -> Self {
        self.comment = Some(comment.to_owned());
        self
    }

    /// With a reason.
    #[must_use]
    pub fn because(mut self, reason: &str) -> Self {
        self.reason = Some(reason.to_owned());
        self
    }

    /// The value of a property.
    #[must_use]
    pub fn property(&self, kind: &str, name: &str) -> Option<&str> {
        let same = |p: &&Property| p.kind == kind && p.name == name;
        self.properties.iter().find(same).map(|p| p.value.as_str())
    }

    /// RFC 8601 §2.7.2: the reverse-path's domain as `smtp.mailfrom`, or `smtp.helo`.
    #[must_use]
    pub fn spf(outcome: &spf::Outcome) -> Self {
        let name = match outcome.identity {
            spf::Identity::Helo => "helo",
            spf::Identity::MailFrom => "mailfrom",
        };
        Self::new("spf", outcome.verdict.as_str()).commented(&outcome.reason).with(
            "smtp",
            name,
            &outcome.domain,
        )
    }

    /// RFC 9989 §9.1: `header.from`, and of the record that applies `polrec.p` and `polrec.domain`.
    #[must_use]
    pub fn dmarc(outcome: &dmarc::Outcome) -> Self {
        let entry = Self::new("dmarc", outcome.verdict.as_str()).commented(&outcome.reason);
        let entry = match outcome.author.as_str() {
            "" => entry,
            author => entry.with("header", "from", author),
        };
        match &outcome.published {
            Some((domain, record)) => {
                entry.with("polrec", "p", record.policy.as_str()).with("polrec", "domain", domain)
            }
            None => entry,
        }
    }

    /// RFC 8617 §4.4: the chain's status; who sealed it last, or why it failed, in a comment.
    #[must_use]
    pub fn arc(chain: &arc::Chain) -> Self {
        let entry = Self::new("arc", chain.status.as_str());
        match chain.sealers.last() {
            Some(last) => entry.commented(&format!("i={} {}", last.instance, last.domain)),
            None if chain.reason.is_empty() => entry,
            None => entry.commented(chain.reason),
        }
    }

    /// RFC 8601 §2.7.3: the client's address as `policy.iprev`, its name in a comment.
    #[must_use]
    pub fn iprev(outcome: &iprev::Outcome) -> Self {
        let address = outcome.address.to_string();
        let entry = Self::new("iprev", outcome.verdict.as_str()).with("policy", "iprev", &address);
        match &outcome.name {
            Some(name) => entry.commented(name),
            None => entry,
        }
    }

    /// RFC 8601 §2.7.4: the client logged in, as `login`.
    #[must_use]
    pub fn auth(login: &str) -> Self {
        Self::new("auth", "pass").with("smtp", "auth", login)
    }
}

impl Results {
    /// Reads a field's value, folded or not. `None` if it is not RFC 8601 §2.2; tolerated are
    /// unquoted values with any visible characters, and empty places between semicolons.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        parse::results(value)
    }

    /// The value, folded, without a line end behind it. `before` is how many octets stand on the
    /// first line already: the name and its colon.
    #[must_use]
    pub fn value(&self, before: usize) -> String {
        write::value(self, before)
    }

    /// The whole field, its name and its last CRLF too.
    #[must_use]
    pub fn field(&self) -> String {
        const NAME: &str = "Authentication-Results:";
        format!("{NAME} {}\r\n", self.value(NAME.len() + 1))
    }
}

/// Whether the value of an `Authentication-Results` field speaks in our name. Who receives from
/// outside removes such fields (RFC 8601 §5). Case, A-labels and U-labels, comments, quotes, a dot
/// at the end, or a version stuck to the name make no difference; a value whose beginning cannot be
/// read claims to be ours if our name is anywhere in it.
#[must_use]
pub fn claims(value: &[u8], authserv_id: &str) -> bool {
    let Some(claimed) = parse::authserv_id(value) else {
        let text = String::from_utf8_lossy(value).to_lowercase();
        return text.contains(&authserv_id.to_lowercase());
    };
    let stuck = claimed.split(['/', ',', '=', ':', '<', '>']).next().unwrap_or_default();
    same_host(&claimed, authserv_id) || same_host(stuck, authserv_id)
}

fn same_host(one: &str, other: &str) -> bool {
    let form = |text: &str| {
        let text = text.trim().trim_end_matches('.');
        mail::Domain::parse(text).map_or_else(|| text.to_lowercase(), |d| d.as_str().to_owned())
    };
    form(one) == form(other)
}
