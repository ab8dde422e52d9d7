//! Limits and time-outs of a session, each a named setting.

use super::outcome::Phase;

/// Limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Octets of a line of a reply with its end; RFC 5321 §4.5.3.1.5 says 512, real ones have more.
    pub reply_line_octets_max: usize,
    /// Lines of a reply.
    pub reply_lines_max: usize,
    /// Commands sent ahead of their replies (PIPELINING).
    pub pipelined_commands_max: usize,
    /// Octets of content asked for at once.
    pub content_octets_max: usize,
    /// Octets of a chunk of BDAT, as far as it is full; one is held in memory.
    pub chunk_octets_max: usize,
    /// Recipients of a transaction; those beyond are for another (RFC 5321 §4.5.3.1.8: 100 are
    /// always taken). LIMITS may say less.
    pub recipients_max: usize,
    /// Messages of a session. LIMITS may say less.
    pub messages_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            reply_line_octets_max: 4_096,
            reply_lines_max: 128,
            pipelined_commands_max: 100,
            content_octets_max: 64 << 10,
            chunk_octets_max: 256 << 10,
            recipients_max: 100,
            messages_max: 100,
        }
    }
}

/// How long a server may take for a reply; the minima of RFC 5321 §4.5.3.2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timeouts {
    /// Greeting (§4.5.3.2.1).
    pub greeting_seconds: u32,
    /// EHLO, HELO, LHLO, STARTTLS, RSET: commands that the RFC names no time for.
    pub command_seconds: u32,
    /// AUTH.
    pub auth_seconds: u32,
    /// MAIL (§4.5.3.2.2).
    pub mail_seconds: u32,
    /// RCPT (§4.5.3.2.3).
    pub recipient_seconds: u32,
    /// DATA (§4.5.3.2.4).
    pub data_initiation_seconds: u32,
    /// For the server to take a piece of content, or to answer a chunk (§4.5.3.2.5).
    pub data_block_seconds: u32,
    /// The reply to the whole message (§4.5.3.2.6): a short one makes duplicates.
    pub data_termination_seconds: u32,
    /// QUIT: all is settled, nothing is lost by going.
    pub quit_seconds: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            greeting_seconds: 300,
            command_seconds: 300,
            auth_seconds: 300,
            mail_seconds: 300,
            recipient_seconds: 300,
            data_initiation_seconds: 120,
            data_block_seconds: 180,
            data_termination_seconds: 600,
            quit_seconds: 10,
        }
    }
}

impl Timeouts {
    /// Seconds of a phase.
    #[must_use]
    pub const fn seconds(&self, phase: Phase) -> u32 {
        match phase {
            Phase::Greeting => self.greeting_seconds,
            Phase::Hello | Phase::StartTls | Phase::Ready | Phase::Reset => self.command_seconds,
            Phase::Auth => self.auth_seconds,
            Phase::Mail => self.mail_seconds,
            Phase::Recipient => self.recipient_seconds,
            Phase::DataInitiation => self.data_initiation_seconds,
            Phase::DataBlock => self.data_block_seconds,
            Phase::DataTermination => self.data_termination_seconds,
            Phase::Quit => self.quit_seconds,
        }
    }
}
