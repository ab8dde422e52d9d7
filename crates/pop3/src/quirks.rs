//! Client behaviour that the RFCs do not foresee and that is borne here: name, client, date.
//!
//! `tests/quirks.rs` holds a test of each; it does not compile when one is missing.

/// A quirk of clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quirk {
    /// `AUTH` with a space and nothing behind it asks for the mechanisms. Outlook Express (2000).
    OutlookAuthSpace,
    /// A NUL in a message hangs the client; sent as octet 80 hex when
    /// [`crate::Options::outlook_2003`] is on. Outlook 2003.
    OutlookNul,
    /// A message that ends within its header hangs the client; an empty line is added when
    /// [`crate::Options::outlook_2003`] is on. Outlook Express and Netscape (2003).
    OutlookEndOfHeader,
    /// The size that LIST says is compared with what comes. fetchmail 6.4 (2022).
    FetchmailExactSizes,
    /// Lower-case commands. Several.
    LowerCase,
    /// Spaces at the end of a line. Several.
    ExtraSpaces,
    /// Lines that end with a bare LF. Scripts.
    BareLineFeeds,
}

impl Quirk {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::OutlookAuthSpace,
        Self::OutlookNul,
        Self::OutlookEndOfHeader,
        Self::FetchmailExactSizes,
        Self::LowerCase,
        Self::ExtraSpaces,
        Self::BareLineFeeds,
    ];
}
