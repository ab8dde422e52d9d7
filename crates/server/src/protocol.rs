//! The protocols that are served, and what differs between their listeners.

/// A protocol on a listener. The names ending in `s` are TLS from the first octet (RFC 8314).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Protocol {
    Imaps,
    Imap,
    Pop3s,
    Pop3,
    Submissions,
    Submission,
    Smtp,
    Lmtp,
    Https,
}

impl Protocol {
    /// All of them, in the order of the table that `palomar dev` prints.
    pub const ALL: [Self; 9] = [
        Self::Imaps,
        Self::Imap,
        Self::Pop3s,
        Self::Pop3,
        Self::Submissions,
        Self::Submission,
        Self::Smtp,
        Self::Lmtp,
        Self::Https,
    ];

    /// Its name in the configuration, in logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Imaps => "imaps",
            Self::Imap => "imap",
            Self::Pop3s => "pop3s",
            Self::Pop3 => "pop3",
            Self::Submissions => "submissions",
            Self::Submission => "submission",
            Self::Smtp => "smtp",
            Self::Lmtp => "lmtp",
            Self::Https => "https",
        }
    }

    /// The protocol of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name)
    }

    /// Whether TLS comes first.
    #[must_use]
    pub const fn implicit_tls(self) -> bool {
        matches!(self, Self::Imaps | Self::Pop3s | Self::Submissions | Self::Https)
    }

    /// Its port by IANA's registry; LMTP has none and takes 24, which is for private mail systems.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Imaps => 993,
            Self::Imap => 143,
            Self::Pop3s => 995,
            Self::Pop3 => 110,
            Self::Submissions => 465,
            Self::Submission => 587,
            Self::Smtp => 25,
            Self::Lmtp => 24,
            Self::Https => 443,
        }
    }

    /// Its port in `palomar dev`, where nobody needs to be root.
    #[must_use]
    pub const fn dev_port(self) -> u16 {
        match self {
            Self::Imaps => 1993,
            Self::Imap => 1143,
            Self::Pop3s => 1995,
            Self::Pop3 => 1110,
            Self::Submissions => 1465,
            Self::Submission => 1587,
            Self::Smtp => 1025,
            Self::Lmtp => 1024,
            Self::Https => 1443,
        }
    }

    /// Its ALPN id (IANA registry), where it has one.
    #[must_use]
    pub const fn alpn(self) -> Option<&'static [u8]> {
        match self {
            Self::Imaps | Self::Imap => Some(b"imap"),
            Self::Pop3s | Self::Pop3 => Some(b"pop3"),
            Self::Https => Some(b"http/1.1"),
            Self::Submissions | Self::Submission | Self::Smtp | Self::Lmtp => None,
        }
    }

    /// What a client hears in place of a greeting when there are too many connections; nothing
    /// where TLS comes first.
    #[must_use]
    pub const fn busy(self) -> &'static [u8] {
        match self {
            Self::Imaps | Self::Imap => b"* BYE [UNAVAILABLE] Too many connections\r\n",
            Self::Pop3s | Self::Pop3 => b"-ERR [SYS/TEMP] Too many connections\r\n",
            Self::Submissions | Self::Submission | Self::Smtp | Self::Lmtp => {
                b"421 4.3.2 Too many connections\r\n"
            }
            Self::Https => b"",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Protocol;

    #[test]
    fn names_come_back() {
        for protocol in Protocol::ALL {
            assert_eq!(Protocol::parse(protocol.name()), Some(protocol));
        }
        assert_eq!(Protocol::parse("gopher"), None);
    }
}
