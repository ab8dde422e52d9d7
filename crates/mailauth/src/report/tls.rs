//! TLS reports (RFC 8460): what a domain hears of TLS towards its hosts.

mod json;
mod time;

use super::Unreadable;

/// Octets of a report that are read, uncompressed: while it is read, JSON may take sixteen times as
/// much memory.
pub const REPORT_OCTETS_MAX: usize = 4 << 20;

/// Destinations of one record that are kept.
pub const URIS_MAX: usize = 10;

/// A report, of one day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Who reports: `organization-name`.
    pub organization: String,
    /// `start-datetime`: seconds since 1970, to the year 9999.
    pub begin_unix_seconds: u64,
    /// `end-datetime`
    pub end_unix_seconds: u64,
    /// `contact-info`
    pub contact: String,
    /// `report-id`
    pub id: String,
    /// `policies`: what was found under each policy.
    pub policies: Vec<Policy>,
}

/// A policy that was in force, and what came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// `policy-type`
    pub kind: PolicyKind,
    /// `policy-string`: the lines of the MTA-STS policy, or the TLSA records.
    pub lines: Vec<String>,
    /// `policy-domain`
    pub domain: String,
    /// `mx-host`: the patterns of the MTA-STS policy.
    pub hosts: Vec<String>,
    /// `total-successful-session-count`
    pub successes: u64,
    /// `total-failure-session-count`
    pub failures: u64,
    /// `failure-details`
    pub details: Vec<Failure>,
}

/// `policy-type` (RFC 8460 §4.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum PolicyKind {
    /// DANE.
    Tlsa,
    /// MTA-STS.
    Sts,
    /// Neither was found.
    None,
}

/// Sessions that failed alike (RFC 8460 §4.4).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Failure {
    /// `result-type`: a word of RFC 8460 §4.3, such as `certificate-expired`.
    pub result: String,
    /// `sending-mta-ip`
    pub sender: Option<String>,
    /// `receiving-mx-hostname`
    pub host: Option<String>,
    /// `receiving-mx-helo`
    pub helo: Option<String>,
    /// `receiving-ip`
    pub receiver: Option<String>,
    /// `failed-session-count`
    pub sessions: u64,
    /// `additional-information`: an address of the web.
    pub more: Option<String>,
    /// `failure-reason-code`
    pub code: Option<String>,
}

/// Words of RFC 8460 §4.3 for [`Failure::result`].
pub mod result {
    /// The host has no STARTTLS.
    pub const STARTTLS_NOT_SUPPORTED: &str = "starttls-not-supported";
    /// The certificate is for other names.
    pub const CERTIFICATE_HOST_MISMATCH: &str = "certificate-host-mismatch";
    /// The certificate's time is over.
    pub const CERTIFICATE_EXPIRED: &str = "certificate-expired";
    /// Nobody known signed the certificate.
    pub const CERTIFICATE_NOT_TRUSTED: &str = "certificate-not-trusted";
    /// TLS failed otherwise.
    pub const VALIDATION_FAILURE: &str = "validation-failure";
    /// The TLSA records are unusable, or none matches.
    pub const TLSA_INVALID: &str = "tlsa-invalid";
    /// DNSSEC says the records are forged.
    pub const DNSSEC_INVALID: &str = "dnssec-invalid";
    /// A domain asked for DANE, and has no valid TLSA records.
    pub const DANE_REQUIRED: &str = "dane-required";
    /// The MTA-STS policy could not be had.
    pub const STS_POLICY_FETCH_ERROR: &str = "sts-policy-fetch-error";
    /// The MTA-STS policy is wrong.
    pub const STS_POLICY_INVALID: &str = "sts-policy-invalid";
    /// The certificate of the policy's web server is not good.
    pub const STS_WEBPKI_INVALID: &str = "sts-webpki-invalid";
}

impl PolicyKind {
    /// The word of RFC 8460 §4.2.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tlsa => "tlsa",
            Self::Sts => "sts",
            Self::None => "no-policy-found",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Tlsa, Self::Sts, Self::None].into_iter().find(|kind| kind.as_str() == text)
    }
}

impl Report {
    /// Reads JSON (RFC 8460 §4.4).
    ///
    /// # Errors
    /// See [`Unreadable`]. Policies of unknown type are left out.
    pub fn parse(json: &[u8]) -> Result<Self, Unreadable> {
        json::parse(json)
    }

    /// The report as JSON.
    #[must_use]
    pub fn json(&self) -> String {
        json::write(self)
    }

    /// The name of its file, without `.json` or `.json.gz` (RFC 8460 §5.1), for a report to
    /// `domain`.
    #[must_use]
    pub fn file_name(&self, sender: &str, domain: &str) -> String {
        let range = [self.begin_unix_seconds, self.end_unix_seconds];
        super::file_name([sender, domain], range, &self.id)
    }

    /// The subject of its mail (RFC 8460 §5.3).
    #[must_use]
    pub fn subject(&self, submitter: &str, domain: &str) -> String {
        super::subject(domain, submitter, &self.id)
    }
}

/// The record at `_smtp._tls.` of a domain (RFC 8460 §3): where reports go, at most
/// [`URIS_MAX`] of `mailto:` and `https:`. `None` if the texts are not exactly one such record.
///
/// ```abnf
/// tlsrpt-record = tlsrpt-version 1*(field-delim tlsrpt-rua) …
/// tlsrpt-version = %s"v=TLSRPTv1"
/// ```
#[must_use]
pub fn destinations(texts: &[Vec<u8>]) -> Option<Vec<String>> {
    let mine = |text: &&Vec<u8>| {
        let rest = text.strip_prefix(b"v=TLSRPTv1");
        rest.is_some_and(|rest| matches!(rest.trim_ascii_start(), [b';', ..]))
    };
    let mut records = texts.iter().filter(mine);
    let record = records.next()?;
    // "If the number of resulting records is not one, … senders MUST assume the recipient domain
    // does not implement TLSRPT."
    if records.next().is_some() {
        return None;
    }
    let text = String::from_utf8_lossy(record);
    let fields = text.split(';').filter_map(|field| field.split_once('='));
    let uris = fields
        .filter(|(name, _)| name.trim() == "rua")
        .flat_map(|(_, uris)| uris.split(','))
        .map(str::trim)
        .filter(|uri| uri.bytes().all(|b| b.is_ascii_graphic()))
        .filter(|uri| {
            let scheme = uri.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
            matches!(scheme.as_deref(), Some("mailto" | "https"))
        });
    let uris: Vec<String> = uris.take(URIS_MAX).map(str::to_owned).collect();
    (!uris.is_empty()).then_some(uris)
}
