//! A DMARC record (RFC 9989 §4.7 and §4.8).
//!
//! Invariants: reading never fails once the version is there; what is wrong behind it counts as
//! absent, except the policies, whose wrongness decides (§4.10.1).

/// Addresses for one kind of report that are kept.
pub const URIS_MAX: usize = 10;
/// Octets of a record that are read; tags behind are not seen.
const RECORD_OCTETS_MAX: usize = 8192;

/// What a domain asks for mail that fails.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Policy {
    /// Nothing.
    None,
    /// To treat it as suspicious.
    Quarantine,
    /// To refuse it.
    Reject,
}

/// How near a domain has to be to that of the author.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Default)]
pub enum Alignment {
    /// The same organizational domain.
    #[default]
    Relaxed,
    /// The same domain.
    Strict,
}

/// `psd=`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub enum PublicSuffix {
    /// `y`: names below belong to others.
    Yes,
    /// `n`: this is the organizational domain.
    No,
    /// `u`
    #[default]
    Unknown,
}

/// What the tags say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// `p=`; a record without it is one with `none`.
    pub policy: Policy,
    /// `sp=`: for names below that exist.
    pub subdomain_policy: Option<Policy>,
    /// `np=`: for names below that do not exist.
    pub nonexistent_policy: Option<Policy>,
    /// `adkim=`
    pub dkim_alignment: Alignment,
    /// `aspf=`
    pub spf_alignment: Alignment,
    /// `psd=`
    pub public_suffix: PublicSuffix,
    /// `t=y`: the policy is tried out.
    pub testing: bool,
    /// `rua=`: where aggregate reports go, URIs without the old size limits.
    pub aggregate_reports: Vec<String>,
    /// `ruf=`: where failure reports go.
    pub failure_reports: Vec<String>,
    /// `fo=`, which means nothing without `ruf=`; `0` when absent.
    pub failure_options: String,
    /// A policy that is none of the three words stands there, and no `rua=`: "the Mail Receiver
    /// applies no DMARC processing to this message" (§4.10.1).
    pub unusable: bool,
}

impl Policy {
    /// `none`, `quarantine`, `reject`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }

    /// `dmarc-request = "none" / "quarantine" / "reject"`, in any case (RFC 5234 §2.3).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::None, Self::Quarantine, Self::Reject]
            .into_iter()
            .find(|policy| policy.as_str().eq_ignore_ascii_case(text))
    }

    /// One step milder, as `t=y` asks (§4.7).
    #[must_use]
    pub const fn lowered(self) -> Self {
        match self {
            Self::Reject => Self::Quarantine,
            Self::Quarantine | Self::None => Self::None,
        }
    }
}

impl Record {
    /// ```abnf
    /// dmarc-record  = dmarc-version *( dmarc-sep dmarc-tag ) [ dmarc-sep ]
    /// dmarc-version = "v" equals %s"DMARC1"
    /// dmarc-tag     = 1*ALPHA equals 1*dmarc-value
    /// ```
    /// `None` without the version: then it is no DMARC record.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = text.get(..RECORD_OCTETS_MAX).unwrap_or(text);
        let text = String::from_utf8_lossy(text);
        let mut parts = text.split(';');
        let (name, version) = parts.next()?.split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("v") || version.trim() != "DMARC1" {
            return None;
        }
        let tags: Vec<(String, &str)> = parts
            .filter_map(|part| part.split_once('='))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim()))
            .collect();
        Some(Self::of(&tags))
    }

    fn of(tags: &[(String, &str)]) -> Self {
        let tag = |name: &str| tags.iter().find(|(n, _)| n == name).map(|(_, value)| *value);
        let is = |name, wanted| tag(name).is_some_and(|v: &str| v.eq_ignore_ascii_case(wanted));
        let alignment = |name| match is(name, "s") {
            true => Alignment::Strict,
            false => Alignment::Relaxed,
        };
        let policies = ["p", "sp", "np"].map(|name| tag(name).map(Policy::parse));
        let wrong = policies.contains(&Some(None));
        // "act as if a record containing "p=none" was retrieved" (§4.10.1).
        let [policy, subdomain_policy, nonexistent_policy] =
            if wrong { [None; 3] } else { policies.map(Option::flatten) };
        let aggregate_reports = uris(tag("rua"));
        Self {
            policy: policy.unwrap_or(Policy::None),
            subdomain_policy,
            nonexistent_policy,
            dkim_alignment: alignment("adkim"),
            spf_alignment: alignment("aspf"),
            public_suffix: match () {
                () if is("psd", "y") => PublicSuffix::Yes,
                () if is("psd", "n") => PublicSuffix::No,
                () => PublicSuffix::Unknown,
            },
            testing: is("t", "y"),
            unusable: wrong && aggregate_reports.is_empty(),
            aggregate_reports,
            failure_reports: uris(tag("ruf")),
            failure_options: options(tag("fo")),
        }
    }
}

/// `dmarc-urilist = dmarc-uri *( *WSP "," *WSP dmarc-uri )`; what follows `!` was a size limit in
/// RFC 7489 and is dropped.
fn uris(value: Option<&str>) -> Vec<String> {
    let plain = |uri: &&str| {
        uri.bytes().all(|b| b.is_ascii_graphic())
            && uri
                .split_once(':')
                .is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty())
    };
    let all = value.unwrap_or_default().split(',').map(str::trim);
    let whole = all.map(|uri| uri.split_once('!').map_or(uri, |(before, _)| before));
    whole.filter(plain).take(URIS_MAX).map(str::to_owned).collect()
}

/// `dmarc-fo`, lists of RFC 7489 too.
fn options(value: Option<&str>) -> String {
    let text = value.unwrap_or_default().to_ascii_lowercase();
    let known = text.split(':').map(str::trim).all(|o| matches!(o, "0" | "1" | "d" | "s"));
    if known && text.len() <= 16 { text } else { "0".to_owned() }
}
