//! Whether a message has attachments: what a person would call one (RFC 8621 §4.1.4
//! `hasAttachment`, RFC 9979 §4).
//!
//! Not counted: the texts of the message, pictures that belong to its HTML, signatures, the parts
//! of reports and of encrypted mail, and what is inside an attached message, which counts itself.

use super::{Part, PartKind, Structure};

impl Structure {
    /// Whether a part is offered to be opened or saved by itself.
    #[must_use]
    pub fn has_attachment(&self) -> bool {
        let mut waiting = vec![(0_usize, None::<(&Part, usize)>)];
        while let Some((index, within)) = waiting.pop() {
            let Some(part) = self.parts.get(index) else { continue };
            match &part.kind {
                PartKind::Multipart(children) => {
                    let children = children.iter().enumerate();
                    waiting.extend(children.map(|(at, child)| (*child as usize, Some((part, at)))));
                }
                PartKind::Leaf | PartKind::Message(..) if is_attachment(part, within) => {
                    return true;
                }
                PartKind::Leaf | PartKind::Message(..) => {}
            }
        }
        false
    }
}

/// `within`: the multipart that the part is in, and its place there.
fn is_attachment(part: &Part, within: Option<(&Part, usize)>) -> bool {
    let disposition = part.disposition.as_ref().map(|(name, _)| name.as_str());
    let attached = disposition == Some("attachment");
    // The content of a whole message that is encrypted, or signed and opaque (RFC 8551 §3.4.2).
    if matches!(part.media_subtype.as_str(), "pkcs7-mime" | "x-pkcs7-mime") {
        return false;
    }
    match within {
        // RFC 1847: the second part is the signature; of an encrypted one both are machinery.
        Some((parent, 1)) if parent.media_subtype == "signed" => return false,
        Some((parent, _)) if parent.media_subtype == "encrypted" => return false,
        Some((parent, _)) if parent.media_subtype == "report" && !attached => return false,
        Some((parent, _)) if parent.media_subtype == "digest" && !attached => return false,
        // RFC 2387: what the first part refers to.
        Some((parent, 1..)) if parent.media_subtype == "related" && !attached => return false,
        _ => {}
    }
    let is_text = part.media_type == "text";
    // Apple's programs send documents and pictures inline under their names.
    let shown = disposition == Some("inline") && part.file_name().is_none();
    attached || part.file_name().is_some() || !(is_text || shown)
}

#[cfg(test)]
mod tests {
    use crate::mime::{Limits, Structure};

    fn has(message: &str) -> bool {
        let message = message.replace('\n', "\r\n");
        Structure::parse(message.as_bytes(), &Limits::default()).has_attachment()
    }

    fn multipart(subtype: &str, parts: &[&str]) -> String {
        let mut all = format!("Content-Type: multipart/{subtype}; boundary=b{subtype}\n\n");
        for part in parts {
            all += &format!("--b{subtype}\n{part}\n");
        }
        all + &format!("--b{subtype}--\n")
    }

    const TEXT: &str = "Content-Type: text/plain\n\ntext";
    const HTML: &str = "Content-Type: text/html\n\n<p>text";
    const PICTURE: &str = "Content-Type: image/png; name=a.png\nContent-ID: <a>\n\npicture";
    const PDF: &str = "Content-Type: application/pdf\n\npdf";

    #[test]
    fn texts_are_none() {
        assert!(!has("Subject: x\n\ntext"));
        assert!(!has(&multipart("alternative", &[TEXT, HTML])));
        let calendar = "Content-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR";
        assert!(!has(&multipart("alternative", &[TEXT, calendar])));
        assert!(!has(""));
    }

    #[test]
    fn documents_are() {
        assert!(has(&multipart("mixed", &[TEXT, PDF])));
        assert!(has(PDF));
        let named =
            "Content-Type: text/plain\nContent-Disposition: attachment; filename=a.txt\n\na";
        assert!(has(&multipart("mixed", &[TEXT, named])));
        let inline = "Content-Type: image/jpeg\nContent-Disposition: inline; filename=a.jpg\n\na";
        assert!(has(&multipart("mixed", &[TEXT, inline])));
        assert!(has(&multipart(
            "mixed",
            &[TEXT, "Content-Type: message/rfc822\n\nSubject: y\n\ny"]
        )));
    }

    #[test]
    fn pictures_of_the_html_are_none_unless_attached() {
        assert!(!has(&multipart("related", &[HTML, PICTURE])));
        let related = multipart("related", &[HTML, PICTURE]);
        assert!(!has(&multipart("alternative", &[TEXT, &related])));
        assert!(has(&multipart("mixed", &[&related, PDF])));
        let attached = format!("Content-Disposition: attachment\n{PICTURE}");
        assert!(has(&multipart("related", &[HTML, &attached])));
        let spacer = "Content-Type: image/gif\nContent-Disposition: inline\n\ngif";
        assert!(!has(&multipart("mixed", &[TEXT, spacer])));
    }

    #[test]
    fn signatures_reports_and_what_is_encrypted_are_none() {
        let signature = "Content-Type: application/pgp-signature; name=signature.asc\n\
                         Content-Disposition: attachment; filename=signature.asc\n\nx";
        assert!(!has(&multipart("signed", &[TEXT, signature])));
        assert!(has(&multipart("signed", &[&multipart("mixed", &[TEXT, PDF]), signature])));
        let status = "Content-Type: message/delivery-status\n\nReporting-MTA: dns; x";
        let original = "Content-Type: message/rfc822\n\nSubject: y\n\ny";
        assert!(!has(&multipart("report", &[TEXT, status, original])));
        let octets = "Content-Type: application/octet-stream; name=encrypted.asc\n\nx";
        let version = "Content-Type: application/pgp-encrypted\n\nVersion: 1";
        assert!(!has(&multipart("encrypted", &[version, octets])));
        let opaque = "Content-Type: application/pkcs7-mime; name=smime.p7m\n\
                      Content-Disposition: attachment; filename=smime.p7m\n\nx";
        assert!(!has(opaque));
    }

    #[test]
    fn a_digest_and_what_an_attached_message_holds_do_not_count_by_themselves() {
        assert!(!has(&multipart("digest", &["\nSubject: y\n\ny", "\nSubject: z\n\nz"])));
        let inner = format!("Content-Type: message/rfc822\n\n{}", multipart("mixed", &[TEXT, PDF]));
        assert!(!has(&multipart("report", &[TEXT, &inner])));
    }
}
