//! Reports between servers: DMARC aggregate reports (RFC 9990) and TLS reports (RFC 8460), written
//! and read.
//!
//! Invariants: what strangers sent is cut at the limits below before it is kept; a report that was
//! written reads back the same. Compression, mail and storage are the caller's.

pub mod aggregate;
pub mod destination;
pub mod tls;

/// Octets of an aggregate report that are read, uncompressed. A large provider sends some
/// megabytes; what is kept of it may take four times as much memory.
pub const REPORT_OCTETS_MAX: usize = 16 << 20;
/// Rows of an aggregate report, or failures of a TLS report, that are kept.
pub const ROWS_MAX: usize = 50_000;
/// Octets of one value that are kept.
pub const VALUE_OCTETS_MAX: usize = 1024;
/// Values of one kind in one row (DKIM results, reasons, hosts) that are kept.
pub const LIST_MAX: usize = 100;

/// Why a report was not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unreadable {
    /// More than [`REPORT_OCTETS_MAX`].
    TooLarge,
    /// Neither XML nor JSON of such a report.
    Syntax,
    /// It lacks what it is about: this element.
    Lacks(&'static str),
}

/// A value as it is kept: trimmed, no control characters, no more than [`VALUE_OCTETS_MAX`].
fn kept(text: &str) -> String {
    let text = text.trim();
    let text = text.get(..text.floor_char_boundary(VALUE_OCTETS_MAX)).unwrap_or(text);
    let whole: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    whole.trim().to_owned()
}

/// The name of a report's file (RFC 9990 §3.5.2, RFC 8460 §5.1): what must not stand in a file name
/// becomes a hyphen. `unique-id = 1*(ALPHA / DIGIT)` is optional, so an identifier with other
/// characters is left out.
fn file_name(parts: [&str; 2], range: [u64; 2], id: &str) -> String {
    let safe = |text: &str| -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        text.chars().take(253).map(|c| if plain(c) { c } else { '-' }).collect()
    };
    let ([sender, domain], [begin, end]) = (parts.map(safe), range);
    let name = format!("{sender}!{domain}!{begin}!{end}");
    match (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        true => format!("{name}!{id}"),
        false => name,
    }
}

/// The subject of a report's mail (RFC 9990 §3.5.2, RFC 8460 §5.3), without line ends.
fn subject(domain: &str, submitter: &str, id: &str) -> String {
    kept(&format!("Report Domain: {domain} Submitter: {submitter} Report-ID: <{id}>"))
}
