//! Settings of how long is waited.

use crate::config::{Setting, read::Read};

/// In the order of the documentation.
pub const SETTINGS: &[Setting] = &[
    row!(
        "timeouts.greeting_seconds",
        "seconds",
        "180",
        "From connecting (or from STARTTLS) to the end of login.",
        timeouts.greeting_seconds
    ),
    row!(
        "timeouts.command_seconds",
        "seconds",
        "1800",
        "Between commands of imap.",
        timeouts.command_seconds
    ),
    row!(
        "timeouts.pop3_command_seconds",
        "seconds",
        "600",
        "Between commands of pop3, whose sessions lock the account against each other (RFC 1939: \
         at least 600).",
        pop3_command_seconds
    ),
    row!(
        "timeouts.smtp_command_seconds",
        "seconds",
        "300",
        "Between commands of smtp, submission and lmtp.",
        smtp_command_seconds
    ),
    row!(
        "timeouts.middle_seconds",
        "seconds",
        "300",
        "Silence in the middle of a command.",
        timeouts.middle_seconds
    ),
    row!(
        "timeouts.idle_seconds",
        "seconds",
        "1860",
        "IMAP IDLE without a word from the client.",
        timeouts.idle_seconds
    ),
    row!(
        "timeouts.write_seconds",
        "seconds",
        "300",
        "For a client to take 64 KiB of an answer.",
        timeouts.write_seconds
    ),
    row!(
        "timeouts.handshake_seconds",
        "seconds",
        "30",
        "For a TLS handshake, and for a PROXY header.",
        timeouts.handshake_seconds
    ),
    row!(
        "timeouts.shutdown_seconds",
        "seconds",
        "10",
        "For open connections to end when the server stops.",
        timeouts.shutdown_seconds
    ),
    row!(
        "timeouts.octets_per_second_min",
        "octets/second",
        "100",
        "A client that sends a message slower than this is cut off.",
        timeouts.octets_per_second_min
    ),
];
