//! Who a message says it is from: its From and Sender fields (RFC 5322 §3.6.2), as a submission is
//! checked.
//!
//! Never says whether somebody may send as that: it says whom to ask about.

use mail::{
    Address, envelope,
    header::{self, Field},
};

/// Addresses in From and Sender together; nobody writes more, and each is looked up.
pub const AUTHORS_MAX: usize = 50;

/// Why a message does not say who it is from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// There is no From field with an address, or there are several From or Sender fields
    /// (RFC 5322 §3.6: each at most once), or one with something that is no address.
    From,
    /// From has several addresses, and there is no Sender with a single one: "If the from field
    /// contains more than one mailbox specification in the mailbox-list, then the sender field
    /// … MUST appear in the message" (RFC 5322 §3.6.2).
    Sender,
}

/// Every address that the message says it is from.
///
/// # Errors
/// A [`Fault`].
pub fn authors(message: &[u8]) -> Result<Vec<Address>, Fault> {
    let head = message.get(..header::header_octets(message)).unwrap_or(message);
    let mut from = addresses(head, "From")?.filter(|found| !found.is_empty()).ok_or(Fault::From)?;
    let sender = addresses(head, "Sender")?;
    let is_single = sender.as_ref().is_some_and(|found| found.len() == 1);
    if !is_single && (sender.is_some() || from.len() > 1) {
        return Err(Fault::Sender);
    }
    from.extend(sender.into_iter().flatten());
    if from.len() > AUTHORS_MAX { Err(Fault::From) } else { Ok(from) }
}

/// The addresses of a field that may be there once; those of groups too (RFC 6854 §2).
fn addresses(head: &[u8], name: &str) -> Result<Option<Vec<Address>>, Fault> {
    let mut fields = header::fields(head).filter(|field: &Field<'_>| field.is(name));
    let Some(field) = fields.next() else { return Ok(None) };
    if fields.next().is_some() {
        return Err(Fault::From);
    }
    let list = envelope::address_list(&field.unfolded());
    if list.len() > AUTHORS_MAX {
        return Err(Fault::From);
    }
    let mut found = Vec::new();
    for mailbox in list {
        // Without a domain: where a group begins or ends.
        let (Some(local), Some(host)) = (mailbox.mailbox, mailbox.host) else { continue };
        let text = [local.as_slice(), b"@", host.as_slice()].concat();
        let address = std::str::from_utf8(&text).ok().and_then(Address::parse);
        found.push(address.ok_or(Fault::From)?);
    }
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, expect: Result<&[&str], Fault>) {
        let message = format!("{header}\r\n\r\nFrom: body@example.org\r\n");
        let found = authors(message.as_bytes());
        let text = |all: Vec<Address>| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        let expect = expect.map(|all| all.iter().map(|one| (*one).to_owned()).collect());
        assert_eq!(found.map(text), expect, "{header}");
    }

    #[test]
    fn one_author() {
        check("From: Ana <ana@example.test>", Ok(&["ana@example.test"]));
        check("Subject: x\r\nfrom:\r\n ana@example.test", Ok(&["ana@example.test"]));
        let both = &["ana@example.test", "bruno@example.test"];
        check("From: ana@example.test\r\nSender: bruno@example.test", Ok(both));
    }

    #[test]
    fn nobody() {
        for header in [
            "Subject: x",
            "From:",
            "From: ",
            "From: Ana",
            "From: <>",
            "From: <ana>",
            "From: friends:;",
            "From: undisclosed-recipients",
            "From: \"ana@example.test\"",
            "From: (ana@example.test)",
            "From: ana@",
            "From: @example.test",
            "From: ana@exa mple..test",
            "From: ana@example.test, @",
        ] {
            check(header, Err(Fault::From));
        }
    }

    #[test]
    fn fields_that_may_be_there_once() {
        check("From: a@example.test\r\nFrom: a@example.test", Err(Fault::From));
        check("From: a@x.test\r\nSender: a@x.test\r\nSender: a@x.test", Err(Fault::From));
    }

    #[test]
    fn several_authors_have_a_sender() {
        let from = "From: a@x.test, b@x.test";
        check(from, Err(Fault::Sender));
        check(&format!("{from}\r\nSender: a@x.test, b@x.test"), Err(Fault::Sender));
        check(&format!("{from}\r\nSender:"), Err(Fault::Sender));
        let all = &["a@x.test", "b@x.test", "b@x.test"];
        check(&format!("{from}\r\nSender: b@x.test"), Ok(all));
        check("From: both: a@x.test, b@x.test;\r\nSender: b@x.test", Ok(all));
        check("From: a@x.test\r\nSender:", Err(Fault::Sender));
    }

    #[test]
    fn addresses_at_the_limit_and_beyond() {
        let from = |count| vec!["a@x.test"; count].join(", ");
        let header = |count| format!("From: {}\r\nSender: a@x.test\r\n\r\n", from(count));
        assert_eq!(authors(header(AUTHORS_MAX - 1).as_bytes()).unwrap().len(), AUTHORS_MAX);
        assert_eq!(authors(header(AUTHORS_MAX).as_bytes()), Err(Fault::From));
        assert_eq!(authors(header(10_000).as_bytes()), Err(Fault::From));
    }
}
