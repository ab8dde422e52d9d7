//! A report out of the mail that brings it: found among the parts, unpacked.
//!
//! Invariants: what strangers packed is never unpacked beyond the limit; nothing is written to a
//! disk; file names only tell what may be a report.

use flate2::read::{DeflateDecoder, MultiGzDecoder};
use mail::{Part, PartKind, Structure, header, mime, text};
use mailauth::report::{REPORT_OCTETS_MAX, Unreadable, aggregate, tls};
use std::io::Read;

/// Parts of a message that are looked at.
const PARTS_MAX: usize = 16;
/// Octets of the local header of a file in a ZIP archive (APPNOTE §4.3.7), without its name.
const ZIP_HEADER_OCTETS: usize = 30;

/// A report, read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Report {
    /// Who sent mail in a domain's name.
    Mail(Box<aggregate::Report>),
    /// How safely mail to a domain went.
    Tls(Box<tls::Report>),
}

/// Why there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It does not look like one.
    None,
    /// It cannot be unpacked.
    Packing,
    /// It would be too large when unpacked.
    TooLarge,
    /// It is no report, or lacks something.
    Unreadable(Unreadable),
}

/// Whether a message looks like one that brings a report: cheap, and asked of every message. The
/// subject has `Report` (RFC 9990 §3.5.2, RFC 8460 §5.3), or a file is named as reports are.
pub fn looks_like_one(message: &[u8]) -> bool {
    let head = message.get(..header::header_octets(message)).unwrap_or_default();
    header::fields(head).any(|field| {
        let value = || field.value.to_ascii_lowercase();
        let has = |value: &[u8], needle: &[u8]| value.windows(needle.len()).any(|w| w == needle);
        match () {
            () if field.is("Subject") => has(&value(), b"report"),
            () if field.is("TLS-Report-Domain") => true,
            () if field.is("Content-Type") => {
                let value = value();
                has(&value, b"tlsrpt") || has(&value, b"!")
            }
            () => field.is("Content-Disposition") && has(field.value, b"!"),
        }
    })
}

/// The report that a message brings.
pub fn report(message: &[u8]) -> Result<Report, Fault> {
    let structure = Structure::parse(message, &mime::Limits::default());
    let parts = structure.parts.iter().filter(|part| may_be_one(part)).take(PARTS_MAX);
    let mut fault = Fault::None;
    for part in parts {
        match of_part(part, message) {
            Ok(report) => return Ok(report),
            Err(why) if fault == Fault::None => fault = why,
            Err(_) => {}
        }
    }
    Err(fault)
}

/// By its type or its name: `receiver!domain!begin!end.xml.gz`.
fn may_be_one(part: &Part) -> bool {
    if part.kind != PartKind::Leaf {
        return false;
    }
    let name = part.file_name().map(text::decoded_header).unwrap_or_default().to_lowercase();
    let named = name.split('!').count() >= 4;
    let ends =
        [".xml", ".xml.gz", ".zip", ".json", ".json.gz"].iter().any(|end| name.ends_with(end));
    let subtype = part.media_subtype.as_str();
    let types = ["gzip", "x-gzip", "zip", "x-zip", "x-zip-compressed", "xml"];
    named || ends || subtype.starts_with("tlsrpt+") || types.contains(&subtype)
}

fn of_part(part: &Part, message: &[u8]) -> Result<Report, Fault> {
    let body = message.get(part.body.start as usize..part.body.end as usize).unwrap_or_default();
    let decoded = mime::decode(body, &part.encoding).ok_or(Fault::Packing)?;
    let plain = unpacked(&decoded)?;
    let start = plain.trim_ascii_start();
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    if start.starts_with(b"{") {
        let report = tls::Report::parse(&plain).map_err(Fault::Unreadable)?;
        return Ok(Report::Tls(Box::new(report)));
    }
    let report = aggregate::Report::parse(&plain).map_err(Fault::Unreadable)?;
    Ok(Report::Mail(Box::new(report)))
}

/// What is packed with gzip or in a ZIP archive, whatever the name says.
fn unpacked(octets: &[u8]) -> Result<Vec<u8>, Fault> {
    match octets {
        [0x1f, 0x8b, ..] => read(MultiGzDecoder::new(octets)),
        [b'P', b'K', 3, 4, ..] => first_in_zip(octets),
        _ if octets.len() > REPORT_OCTETS_MAX => Err(Fault::TooLarge),
        _ => Ok(octets.to_vec()),
    }
}

/// The first file of a ZIP archive: reports are alone in theirs. Its own header tells how it is
/// packed; where that one does not know the size, deflate says itself where it ends.
fn first_in_zip(octets: &[u8]) -> Result<Vec<u8>, Fault> {
    let number = |at: usize| {
        let two = octets.get(at..at + 2).and_then(|two| two.try_into().ok());
        two.map(u16::from_le_bytes).map(usize::from).ok_or(Fault::Packing)
    };
    let (flags, method) = (number(6)?, number(8)?);
    let (low, high) = (number(18)?, number(20)?);
    let begin = ZIP_HEADER_OCTETS + number(26)? + number(28)?;
    let content = octets.get(begin..).ok_or(Fault::Packing)?;
    match method {
        // Encrypted.
        _ if flags & 1 == 1 => Err(Fault::Packing),
        0 => read(content.get(..high << 16 | low).ok_or(Fault::Packing)?),
        8 => read(DeflateDecoder::new(content)),
        _ => Err(Fault::Packing),
    }
}

fn read(from: impl Read) -> Result<Vec<u8>, Fault> {
    let mut plain = Vec::new();
    let limit = REPORT_OCTETS_MAX as u64 + 1;
    from.take(limit).read_to_end(&mut plain).map_err(|_| Fault::Packing)?;
    if plain.len() > REPORT_OCTETS_MAX { Err(Fault::TooLarge) } else { Ok(plain) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    const XML: &str = "<?xml version=\"1.0\"?><feedback><report_metadata><org_name>r.test</org_name>\
        <email>a@r.test</email><report_id>7</report_id><date_range><begin>1</begin><end>86400</end>\
        </date_range></report_metadata><policy_published><domain>a.test</domain><p>none</p>\
        </policy_published></feedback>";

    fn gzip(octets: &[u8]) -> Vec<u8> {
        let mut to = GzEncoder::new(Vec::new(), Compression::best());
        to.write_all(octets).unwrap();
        to.finish().unwrap()
    }

    /// As streaming programs write it: sizes come after the content.
    fn zip(octets: &[u8], method: u16) -> Vec<u8> {
        let packed = match method {
            0 => octets.to_vec(),
            _ => {
                let mut to = flate2::write::DeflateEncoder::new(Vec::new(), Compression::best());
                to.write_all(octets).unwrap();
                to.finish().unwrap()
            }
        };
        let mut out = b"PK\x03\x04\x14\0\x08\0".to_vec();
        out.extend(method.to_le_bytes());
        out.extend([0; 8]);
        out.extend((if method == 0 { packed.len() as u32 } else { 0 }).to_le_bytes());
        out.extend([0; 4]);
        out.extend([5, 0, 0, 0]);
        out.extend(b"a.xml");
        out.extend(packed);
        out.extend(b"PK\x07\x08");
        out
    }

    fn mail(media: &str, name: &str, body: &[u8]) -> Vec<u8> {
        format!(
            "Subject: Report Domain: a.test Submitter: r.test Report-ID: 7\r\n\
             Content-Type: {media}; name=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
            STANDARD.encode(body)
        )
        .into_bytes()
    }

    fn domain(message: &[u8]) -> Result<String, Fault> {
        assert!(looks_like_one(message));
        report(message).map(|report| match report {
            Report::Mail(report) => report.published.domain,
            Report::Tls(report) => report.policies.first().unwrap().domain.clone(),
        })
    }

    #[test]
    fn in_gzip_and_zip_and_bare() {
        let name = "r.test!a.test!1!86400";
        for message in [
            mail("application/gzip", &format!("{name}.xml.gz"), &gzip(XML.as_bytes())),
            mail("application/zip", &format!("{name}.zip"), &zip(XML.as_bytes(), 8)),
            mail("application/octet-stream", &format!("{name}.zip"), &zip(XML.as_bytes(), 0)),
            mail("text/xml", "x", XML.as_bytes()),
        ] {
            assert_eq!(domain(&message).as_deref(), Ok("a.test"));
        }
    }

    #[test]
    fn as_an_attachment_beside_text() {
        let inner = mail("application/gzip", "r!a!1!2.xml.gz", &gzip(XML.as_bytes()));
        let inner = String::from_utf8(inner).unwrap();
        let (_, part) = inner.split_once("\r\n").unwrap();
        let message = format!(
            "Subject: Report Domain: a.test\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
             --b\r\nContent-Type: text/plain\r\n\r\nThis is a report.\r\n--b\r\n{part}\r\n--b--\r\n"
        );
        assert_eq!(domain(message.as_bytes()).as_deref(), Ok("a.test"));
    }

    #[test]
    fn a_tls_report() {
        let json = r#"{"organization-name":"r","date-range":{"start-datetime":
            "2026-01-01T00:00:00Z","end-datetime":"2026-01-01T23:59:59Z"},"contact-info":"a@r.test",
            "report-id":"1","policies":[{"policy":{"policy-type":"sts","policy-string":[],
            "policy-domain":"a.test","mx-host":["mx.a.test"]},
            "summary":{"total-successful-session-count":5,"total-failure-session-count":0}}]}"#;
        let message = mail("application/tlsrpt+gzip", "x", &gzip(json.as_bytes()));
        assert_eq!(domain(&message).as_deref(), Ok("a.test"));
    }

    #[test]
    fn bombs_and_garbage() {
        let bomb = vec![b' '; REPORT_OCTETS_MAX + 1];
        for packed in [gzip(&bomb), zip(&bomb, 8)] {
            let message = mail("application/zip", "a!b!1!2.zip", &packed);
            assert_eq!(domain(&message), Err(Fault::TooLarge));
        }
        let exactly = gzip(&bomb[1..]);
        let message = mail("application/gzip", "x.xml.gz", &exactly);
        let lacks = Unreadable::Lacks("feedback");
        assert_eq!(domain(&message), Err(Fault::Unreadable(lacks)));
        let cut = gzip(XML.as_bytes());
        let message = mail("application/gzip", "x.xml.gz", &cut[..cut.len() / 2]);
        assert_eq!(domain(&message), Err(Fault::Packing));
        let short = mail("application/zip", "x.zip", b"PK\x03\x04\x14");
        assert_eq!(domain(&short), Err(Fault::Packing));
        let text = b"Subject: our report\r\n\r\nSee you.\r\n";
        assert_eq!(domain(text), Err(Fault::None));
    }

    #[test]
    fn other_mail_is_not_looked_at() {
        for message in [
            &b"Subject: hello\r\nContent-Type: text/plain\r\n\r\nreport!!!\r\n"[..],
            b"Subject: hi!\r\n\r\nx\r\n",
        ] {
            assert!(!looks_like_one(message));
        }
    }
}
