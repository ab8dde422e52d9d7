//! Mail that goes round: the servers that it passed, and the addresses that it was sent on from.
//!
//! Invariants: only the header is looked at. What others took out of it is not seen: the count of
//! servers ends a loop whose other side removes Delivered-To.

use mail::{Address, header};

/// Whether the message passed more servers than it may: it has more than `received_max` Received
/// fields (RFC 5321 §6.3).
#[must_use]
pub fn is_looping(message: &[u8], received_max: u32) -> bool {
    let max = usize::try_from(received_max).unwrap_or(usize::MAX);
    received(message).nth(max).is_some()
}

fn received(message: &[u8]) -> impl Iterator<Item = header::Field<'_>> {
    header::fields(head(message)).filter(|field| field.is("Received"))
}

fn head(message: &[u8]) -> &[u8] {
    message.get(..header::header_octets(message)).unwrap_or(message)
}

/// Whether the message was sent on from this address before: it says so in Delivered-To (RFC 9228).
#[must_use]
pub fn came_from(message: &[u8], address: &Address) -> bool {
    let wanted = address.fold();
    let is_it = |field: header::Field<'_>| {
        let value = field.unfolded();
        let text = std::str::from_utf8(&value).ok()?.trim();
        let text = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text);
        Address::parse(text)
    };
    let mut fields = header::fields(head(message)).filter(|field| field.is("Delivered-To"));
    fields.any(|field| is_it(field).is_some_and(|found| found.fold() == wanted))
}

/// Delivered-To (RFC 9228 §4), with CRLF: for the top of a message that is sent on.
#[must_use]
pub fn delivered_to(address: &Address) -> String {
    format!("Delivered-To: {address}\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc5321_6_3_as_many_servers_as_the_limit_and_one_more() {
        let hops = |count: usize| format!("{}\r\nReceived: y\r\n", "Received: x\r\n".repeat(count));
        for max in [0, 1, 100] {
            let at = usize::try_from(max).unwrap();
            assert!(!is_looping(hops(at).as_bytes(), max));
            assert!(is_looping(hops(at + 1).as_bytes(), max));
        }
        assert!(!is_looping(b"", 0));
    }

    #[test]
    fn what_was_sent_on_is_known_again() {
        let alias = Address::parse("Team@Ours.test").unwrap();
        let message = [delivered_to(&alias).as_bytes(), b"Subject: x\r\n\r\n"].concat();
        assert!(came_from(&message, &alias));
        assert!(came_from(&message, &Address::parse("team@ours.TEST").unwrap()));
        assert!(!came_from(&message, &Address::parse("other@ours.test").unwrap()));
        for same in ["Delivered-To:\r\n <team@ours.test>\r\n", "delivered-to:team@ours.test\r\n"] {
            assert!(came_from(same.as_bytes(), &alias), "{same}");
        }
        let others = "Delivered-To: x\r\nX: team@ours.test\r\n\r\nDelivered-To: team@ours.test\r\n";
        assert!(!came_from(others.as_bytes(), &alias));
    }
}
