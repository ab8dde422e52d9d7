//! Whether a report of a domain may go where its record says (RFC 9990 §4): somebody else has to
//! agree, or anybody could have anybody flooded with reports.

use crate::dmarc::{Record, organizational};
use crate::dns::{Dns, Failure};

/// What is known of a destination.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Consent {
    /// Reports may go there.
    Given,
    /// They may go to these addresses of that host instead, as it asks.
    Instead(Vec<mail::Address>),
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
        Ok(texts) => texts
            .iter()
            .find_map(|text| Record::parse(text))
            .map_or(Consent::Missing, |record| instead(&record, host)),
        Err(Failure::NoSuchName | Failure::NoRecords) => Consent::Missing,
        Err(Failure::Temporary) => Consent::Unknown,
    }
}

/// "If a "rua" tag is thus discovered, replace the corresponding value … the overriding URI MUST
/// use the same destination host"; with another host there is no report to anybody.
fn instead(record: &Record, host: &str) -> Consent {
    if record.aggregate_reports.is_empty() {
        return Consent::Given;
    }
    let addresses: Vec<mail::Address> =
        record.aggregate_reports.iter().filter_map(|uri| mail_address(uri)).collect();
    let there = mail::Domain::parse(host);
    let same = |address: &mail::Address| Some(address.domain()) == there.as_ref();
    match !addresses.is_empty() && addresses.iter().all(same) {
        true => Consent::Instead(addresses),
        false => Consent::Missing,
    }
}
