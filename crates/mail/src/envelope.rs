//! ENVELOPE (RFC 9051 §7.5.2) and the address lists of RFC 5322 §3.4.

/// One element of an address list as ENVELOPE writes it. A group opens with `mailbox` set and
/// `host` `None`, and ends with both `None`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Mailbox {
    /// Display name, unquoted, encoded words left as they are.
    pub name: Option<Vec<u8>>,
    /// Source route (`addr-adl`), obsolete.
    pub route: Option<Vec<u8>>,
    /// Local part, or group name.
    pub mailbox: Option<Vec<u8>>,
    /// Domain.
    pub host: Option<Vec<u8>>,
}

/// Header fields of ENVELOPE: unfolded, not decoded, `None` where absent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Envelope {
    /// Date
    pub date: Option<Vec<u8>>,
    /// Subject
    pub subject: Option<Vec<u8>>,
    /// From
    pub from: Vec<Mailbox>,
    /// Sender (the writer falls back on From when empty)
    pub sender: Vec<Mailbox>,
    /// Reply-To (the writer falls back on From when empty)
    pub reply_to: Vec<Mailbox>,
    /// To
    pub to: Vec<Mailbox>,
    /// Cc
    pub cc: Vec<Mailbox>,
    /// Bcc
    pub bcc: Vec<Mailbox>,
    /// In-Reply-To
    pub in_reply_to: Option<Vec<u8>>,
    /// Message-ID
    pub message_id: Option<Vec<u8>>,
}

impl Envelope {
    /// Reads the header of a message (all bytes up to and with the empty line).
    #[must_use]
    pub fn parse(_header: &[u8]) -> Self {
        todo!()
    }
    /// A compact form for storing.
    pub fn pack(&self, _out: &mut Vec<u8>) {
        todo!()
    }
    /// Reads what [`Envelope::pack`] wrote; gives the rest.
    #[must_use]
    pub fn unpack(_bytes: &[u8]) -> Option<(Self, &[u8])> {
        todo!()
    }
}

/// Parses the value of an address-list field.
#[must_use]
pub fn address_list(_value: &[u8]) -> Vec<Mailbox> {
    todo!()
}
