//! How mail programs are to be set up, as Thunderbird and others ask for it
//! (<https://www.ietf.org/archive/id/draft-ietf-mailmaint-autoconfig-00.html>).
//!
//! Invariants: only what is served, and only with TLS from the first octet; the same document for
//! everybody, so that nobody learns who has an account.

use crate::protocol::Protocol;
use std::fmt::Write as _;

/// Where it is served, below `https://autoconfig.` and the domain.
pub const PATH: &str = "/mail/config-v1.1.xml";
/// Where it is served below the domain itself.
pub const WELL_KNOWN_PATH: &str = "/.well-known/autoconfig/mail/config-v1.1.xml";

/// The document of a domain. Names are in A-labels, which need no escapes.
#[must_use]
pub fn document(domain: &str, host_name: &str, served: &[Protocol]) -> String {
    let mut servers = String::new();
    for (protocol, direction, kind) in [
        (Protocol::Imaps, "incoming", "imap"),
        (Protocol::Pop3s, "incoming", "pop3"),
        (Protocol::Submissions, "outgoing", "smtp"),
    ] {
        if !served.contains(&protocol) {
            continue;
        }
        let _ = write!(
            servers,
            "    <{direction}Server type=\"{kind}\">\n\
             \x20     <hostname>{host_name}</hostname>\n\
             \x20     <port>{}</port>\n\
             \x20     <socketType>SSL</socketType>\n\
             \x20     <username>%EMAILADDRESS%</username>\n\
             \x20     <authentication>password-cleartext</authentication>\n\
             \x20   </{direction}Server>\n",
            protocol.port()
        );
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<clientConfig version=\"1.1\">\n\
         \x20 <emailProvider id=\"{domain}\">\n\
         \x20   <domain>{domain}</domain>\n\
         \x20   <displayName>{domain}</displayName>\n\
         \x20   <displayShortName>{domain}</displayShortName>\n\
         {servers}  </emailProvider>\n</clientConfig>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_served_is_told() {
        let served = [Protocol::Imaps, Protocol::Submissions, Protocol::Smtp];
        let text = document("a.test", "mx.test", &served);
        assert!(
            text.contains("<incomingServer type=\"imap\">\n      <hostname>mx.test</hostname>")
        );
        assert!(text.contains("<port>993</port>") && text.contains("<port>465</port>"));
        assert!(!text.contains("pop3") && !text.contains("<port>25</port>"));
        assert!(text.contains("<emailProvider id=\"a.test\">"));
    }
}
