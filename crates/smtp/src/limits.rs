//! Limits of a session, each a named setting.

/// Limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Octets of a command line with its CRLF: the 512 of RFC 5321 §4.5.3.1.4 with room for the
    /// parameters of all extensions.
    pub line_octets_max: usize,
    /// Octets of a line of AUTH (RFC 4954 §4).
    pub auth_line_octets_max: usize,
    /// Octets of a line of a message; RFC 5321 says 1,000, real mail has more.
    pub data_line_octets_max: usize,
    /// Octets of a message (SIZE, RFC 1870).
    pub message_octets_max: u64,
    /// Recipients of a message (RFC 5321 §4.5.3.1.8: at least 100).
    pub recipients_max: usize,
    /// Commands answered with an error before the connection is closed.
    pub errors_max: u32,
    /// Octets of an EHLO argument.
    pub hello_octets_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_octets_max: 4_096,
            auth_line_octets_max: 12_288,
            data_line_octets_max: 1 << 20,
            message_octets_max: 64 << 20,
            recipients_max: 1_000,
            errors_max: 25,
            hello_octets_max: 512,
        }
    }
}
