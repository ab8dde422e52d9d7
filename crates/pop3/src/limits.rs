//! Limits of a session, each a named setting. At a limit is allowed, one more is not.

/// Limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Octets of a command with its line end (RFC 2449 §4: 255 must be borne).
    pub command_octets_max: usize,
    /// Octets of a line of AUTH with its line end (RFC 5034 §4: 12,288 suffice for Kerberos).
    pub auth_octets_max: usize,
    /// `-ERR` answers before login; with one more the session is ended.
    pub greeting_errors_max: u32,
    /// Unknown or malformed commands in a row after login; with one more the session is ended.
    pub bad_commands_max: u32,
    /// Octets of an answer that are written before the peer must have taken some.
    pub piece_octets_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command_octets_max: 512,
            auth_octets_max: 12_288,
            greeting_errors_max: 10,
            bad_commands_max: 20,
            piece_octets_max: 64 << 10,
        }
    }
}
