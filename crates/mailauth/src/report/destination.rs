//! Whether a report of a domain may go where its record says (RFC 9990 §4): somebody else has to
//! agree, or anybody could have anybody flooded with reports.

use crate::dmarc::organizational;
use crate::dns::{Dns, Failure};

/// What is known of a destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Consent {
    /// Reports may go there.
    Given,
    /// Nobody there said so.
    Missing,
    /// DNS did not answer; ask again later.
    Unknown,
}

/// The address of a `mailto:` URI, percent-decoded, without what follows `?` (RFC 6068). `None` for
/// other URIs and for what is no address.
#[must_use]
pub fn mail_address(uri: &str) -> Option<mail::Address> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("mailto") {
        return None;
    }
    let to = rest.split_once('?').map_or(rest, |(to, _)| to);
    let mut octets = Vec::with_capacity(to.len());
    let mut bytes = to.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            octets.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| char::from(b?).to_digit(16);
        let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
        octets.push(u8::try_from(high * 16 + low).ok()?);
    }
    mail::Address::parse(std::str::from_utf8(&octets).ok()?)
}

/// Asks whether `host`, the domain of the destination, takes reports of `domain`, whose record
/// names it. Within one organization nobody has to agree; else there is a record at
/// `<domain>._report._dmarc.<host>` that begins with `v=DMARC1`.
pub async fn consent<D: Dns>(dns: &D, domain: &str, host: &str) -> Consent {
    if domain.eq_ignore_ascii_case(host) {
        return Consent::Given;
    }
    match (organizational(dns, domain).await, organizational(dns, host).await) {
        (Ok(one), Ok(other)) if one == other => return Consent::Given,
        (Ok(_), Ok(_)) => {}
        _ => return Consent::Unknown,
    }
    let asked = format!("{domain}._report._dmarc.{host}");
    if asked.len() > 253 {
        return Consent::Missing;
    }
    match dns.txt(&asked).await {
        Ok(texts) if texts.iter().any(|text| crate::dmarc::Record::parse(text).is_some()) => {
            Consent::Given
        }
        Ok(_) | Err(Failure::NoSuchName | Failure::NoRecords) => Consent::Missing,
        Err(Failure::Temporary) => Consent::Unknown,
    }
}
