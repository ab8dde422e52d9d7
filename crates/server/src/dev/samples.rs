//! Mail for the first start: a welcome that tells how to connect, a thread of two in two languages,
//! HTML with a picture and an attachment, other scripts.

use super::{DevAccount, Ports};
use account::{Account, MailboxName, NewMessage};
use bytes::Bytes;
use mail::SystemFlags;

/// Each message as it is in `samples/`, its mailbox, and whether it was read.
const SAMPLES: [(&str, &str, bool); 6] = [
    (include_str!("samples/invitacion.eml"), "INBOX", true),
    (include_str!("samples/antwort.eml"), "INBOX", true),
    (include_str!("samples/photo.eml"), "INBOX", false),
    (include_str!("samples/nihongo.eml"), "INBOX", false),
    (include_str!("samples/draft.eml"), "Drafts", true),
    (include_str!("samples/welcome.eml"), "INBOX", false),
];

/// Puts them into a new account.
pub async fn deliver(account: &Account, owner: &DevAccount, ports: &Ports) -> Result<(), String> {
    for (text, mailbox, seen) in SAMPLES {
        let name = MailboxName::parse(mailbox).map_err(|error| error.to_string())?;
        let Some(target) = account.mailbox(&name) else { continue };
        let bytes = message(text, owner, ports);
        let sent = mail::header::first(&bytes, "Date")
            .and_then(|field| mail::header::date(&field.unfolded()));
        let mut new = NewMessage::new(Bytes::from(bytes));
        if seen {
            new.flags.system = SystemFlags::SEEN;
        }
        if mailbox == "Drafts" {
            new.flags.system = new.flags.system.union(SystemFlags::DRAFT);
        }
        new.internal_date = sent.map(|(seconds, _)| seconds);
        account.append(target.id, vec![new]).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// With CRLF, and with what is different for each server filled in.
fn message(text: &str, owner: &DevAccount, ports: &Ports) -> Vec<u8> {
    let mut text = text.replace("@OWNER@", &owner.address);
    for (protocol, port) in ports {
        let mark = format!("@{}@", protocol.name().to_uppercase());
        text = text.replace(&mark, &port.to_string());
    }
    crate::files::with_crlf(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_is_filled_in() {
        let owner = DevAccount { address: "ana@example.test".into(), password: None };
        for (text, _, _) in SAMPLES {
            let bytes = message(text, &owner, &super::super::ports(0).unwrap());
            let text = String::from_utf8(bytes).unwrap();
            assert!(!text.contains("@OWNER@") && !text.contains("@IMAPS@"), "{text}");
            for line in text.split("\r\n") {
                assert!(line.len() <= 998 && !line.contains('\n'), "{line}");
            }
        }
    }
}
