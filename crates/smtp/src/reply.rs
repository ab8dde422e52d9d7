//! Replies: each a named value with its code, enhanced code (RFC 3463) and text.

/// A reply of one line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reply {
    /// Reply code.
    pub code: u16,
    /// Enhanced status code, empty where there is none.
    pub status: &'static str,
    /// For people.
    pub text: &'static str,
}

impl Reply {
    /// Whether it counts as an error of the peer.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        self.code >= 400
    }
}

macro_rules! replies {
    ($($(#[$doc:meta])* $name:ident = $code:literal $status:literal $text:literal;)*) => {
        $($(#[$doc])* pub const $name: Reply =
            Reply { code: $code, status: $status, text: $text };)*
        /// All of them.
        pub const ALL: &[Reply] = &[$($name),*];
    };
}

replies! {
    /// QUIT.
    BYE = 221 "2.0.0" "Bye";
    /// NOOP, RSET.
    OK = 250 "2.0.0" "OK";
    /// MAIL.
    SENDER_OK = 250 "2.1.0" "Sender OK";
    /// RCPT.
    RECIPIENT_OK = 250 "2.1.5" "Recipient OK";
    /// BDAT before the last.
    CHUNK_OK = 250 "2.0.0" "Chunk received";
    /// The message is durable in every mailbox named.
    ACCEPTED = 250 "2.0.0" "Message accepted";
    /// AUTH.
    LOGGED_IN = 235 "2.7.0" "Authentication succeeded";
    /// STARTTLS.
    READY_FOR_TLS = 220 "2.0.0" "Ready to start TLS";
    /// HELP.
    HELP = 214 "2.0.0" "See RFC 5321";
    /// VRFY tells nothing (RFC 5321 §7.3).
    CANNOT_VERIFY = 252 "2.5.2" "Cannot VRFY user, but will accept message";
    /// DATA.
    SEND_DATA = 354 "" "End data with <CR><LF>.<CR><LF>";
    /// Time-out.
    TIMED_OUT = 421 "4.4.2" "Timeout, closing connection";
    /// Shutdown.
    GOING_DOWN = 421 "4.3.2" "Service shutting down";
    /// The login was withdrawn: the account is switched off or erased, or the token revoked.
    WITHDRAWN = 421 "4.7.0" "Access was withdrawn, closing connection";
    /// Too many errors.
    TOO_MANY_ERRORS = 421 "4.7.0" "Too many errors, closing connection";
    /// The store failed.
    TRY_LATER = 451 "4.3.0" "Temporary failure, try again later";
    /// The disk is full, or too many messages are under way.
    NO_ROOM = 452 "4.3.1" "Insufficient system storage, try again later";
    /// The recipient's quota is used up.
    MAILBOX_FULL = 452 "4.2.2" "Mailbox full";
    /// RFC 5321 §4.5.3.1.10.
    TOO_MANY_RECIPIENTS = 452 "4.5.3" "Too many recipients";
    /// The account store cannot answer.
    AUTH_UNAVAILABLE = 454 "4.7.0" "Temporary authentication failure";
    /// STARTTLS where there is no TLS.
    NO_TLS = 454 "4.7.0" "TLS not available";
    /// A line that is too long.
    LINE_TOO_LONG = 500 "5.5.6" "Line too long";
    /// A bare CR or LF in a command.
    BARE_LINE_END = 500 "5.5.2" "Line must end with CRLF";
    /// No such command.
    UNKNOWN_COMMAND = 500 "5.5.2" "Command not recognized";
    /// A command's argument.
    SYNTAX = 501 "5.5.2" "Syntax error in parameters";
    /// SASL: base64 or the mechanism's grammar.
    MALFORMED_RESPONSE = 501 "5.5.2" "Malformed authentication response";
    /// SASL: `*`.
    AUTH_CANCELLED = 501 "5.7.0" "Authentication cancelled";
    /// EXPN and the like.
    NOT_IMPLEMENTED = 502 "5.5.1" "Command not implemented";
    /// Out of order.
    BAD_SEQUENCE = 503 "5.5.1" "Bad sequence of commands";
    /// MAIL without EHLO.
    HELLO_FIRST = 503 "5.5.1" "Say EHLO first";
    /// LMTP: MAIL without LHLO.
    LHLO_FIRST = 503 "5.5.1" "Say LHLO first";
    /// DATA without recipients.
    NO_RECIPIENTS = 503 "5.5.1" "No valid recipients";
    /// AUTH twice.
    ALREADY_LOGGED_IN = 503 "5.5.1" "Already authenticated";
    /// STARTTLS twice.
    ALREADY_TLS = 503 "5.5.1" "TLS is already active";
    /// AUTH of an unknown kind.
    UNKNOWN_MECHANISM = 504 "5.5.4" "Mechanism not supported";
    /// Submission without TLS.
    TLS_FIRST = 530 "5.7.0" "Must issue a STARTTLS command first";
    /// Submission without login.
    LOGIN_FIRST = 530 "5.7.0" "Authentication required";
    /// Wrong name or password.
    WRONG_CREDENTIALS = 535 "5.7.8" "Authentication credentials invalid";
    /// The account is switched off.
    ACCOUNT_DISABLED = 535 "5.7.13" "Account is disabled";
    /// AUTH without TLS: no password in clear.
    ENCRYPTION_REQUIRED = 538 "5.7.11" "Encryption required for authentication";
    /// RCPT: nobody.
    NO_SUCH_USER = 550 "5.1.1" "No such user here";
    /// RCPT from the world to the world.
    NO_RELAY = 550 "5.7.1" "Relaying denied";
    /// RCPT of a submission to the world.
    NOT_SET_UP = 550 "5.7.1" "Sending to other servers is not set up on this server";
    /// MAIL: somebody else's address.
    NOT_YOUR_ADDRESS = 550 "5.7.1" "You may not send as this address";
    /// From field: somebody else's address.
    NOT_YOUR_FROM = 550 "5.7.1" "You may not send with this From address";
    /// RFC 5322 §3.6: a From field once, with addresses.
    BAD_FROM = 550 "5.6.0" "Message needs one From field with a valid address";
    /// RFC 5322 §3.6.2.
    NO_SENDER = 550 "5.6.0" "Message from several addresses needs a Sender field with one";
    /// An address in UTF-8 without SMTPUTF8 (RFC 6531 §3.5).
    NEEDS_SMTPUTF8 = 550 "5.6.7" "Address needs SMTPUTF8";
    /// The recipient's account is switched off.
    RECIPIENT_DISABLED = 550 "5.2.1" "Mailbox is disabled";
    /// Larger than SIZE.
    TOO_BIG = 552 "5.3.4" "Message exceeds maximum size";
    /// Not an address.
    BAD_ADDRESS = 553 "5.1.3" "Malformed address";
    /// HTTP and the like.
    NOT_SMTP = 554 "5.5.1" "This is a mail server";
    /// A bare CR or LF in a message.
    BARE_IN_DATA = 554 "5.6.11" "Message contains a bare CR or LF";
    /// A line of a message that is too long.
    DATA_LINE_TOO_LONG = 554 "5.6.0" "Message contains a line that is too long";
    /// Too many Received fields.
    LOOP = 554 "5.4.6" "Message is looping";
    /// DMARC (RFC 9989); with its status for failed authentication.
    UNAUTHENTICATED = 550 "5.7.26" "Not authenticated, which its domain asks to refuse";
    /// What is unwanted.
    UNWANTED = 550 "5.7.1" "The message is refused by policy";
    /// Greylisted: nothing is wrong with it.
    GREYLISTED = 450 "4.7.1"
        "Greylisted: this sender is new here, please come again in some minutes";
    /// A scanner that is required gave no answer.
    COME_AGAIN = 451 "4.7.1" "Come again in some minutes";
    /// DNS did not answer (RFC 7208 §8.6: "451", "4.4.3").
    UNANSWERED = 451 "4.4.3" "DNS does not answer for the author's domain; come again later";
    /// Too many messages or recipients of one network in an hour (RFC 3463's registry: mail flood
    /// detected).
    TOO_MUCH = 450 "4.7.28" "Too much comes from your network; try again later";
    /// Too many recipients in an hour or a day (RFC 3463's registry: mail flood detected).
    SENDING_LIMIT = 450 "4.7.28"
        "You have written to as many people as you may for now; try again later";
    /// Whoever runs the server stopped it for now.
    SENDING_PAUSED = 450 "4.7.1" "Sending from this account is paused";
    /// BDAT failed before.
    TRANSACTION_FAILED = 554 "5.5.0" "Transaction failed";
    /// FUTURERELEASE (RFC 4865 §4).
    HOLD_TOO_LONG = 501 "5.5.4" "Messages are not held for so long";
    /// An unknown parameter (RFC 5321 §4.1.1.11).
    UNKNOWN_PARAMETER = 555 "5.5.4" "Parameter not recognized";
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn the_classes_of_both_codes_agree() {
        for reply in ALL.iter().filter(|reply| !reply.status.is_empty()) {
            let class = (reply.code / 100).to_string();
            assert!(reply.status.starts_with(&class), "{reply:?}");
        }
    }
}
