//! What became of a message, recipient by recipient.

use super::reply::Reply;

/// Where in a session something happened; each has its time-out (RFC 5321 §4.5.3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Phase {
    /// The greeting is awaited (§4.5.3.2.1).
    Greeting,
    /// The answer to EHLO, HELO or LHLO.
    Hello,
    /// The answer to STARTTLS.
    StartTls,
    /// An answer of AUTH.
    Auth,
    /// Nothing is awaited: the session can take a message.
    Ready,
    /// The answer to RSET.
    Reset,
    /// The answer to MAIL (§4.5.3.2.2).
    Mail,
    /// The answer to RCPT (§4.5.3.2.3).
    Recipient,
    /// The answer to DATA (§4.5.3.2.4).
    DataInitiation,
    /// Content is being sent, or the answer to a chunk is awaited (§4.5.3.2.5).
    DataBlock,
    /// The answer to the whole message (§4.5.3.2.6).
    DataTermination,
    /// The answer to QUIT.
    Quit,
}

/// What a recipient's part came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Verdict {
    /// The server has it for this recipient.
    Accepted,
    /// Not now: it may be tried again later.
    Temporary,
    /// Never, as far as this server is concerned.
    Permanent,
    /// The server was not asked, or did not hear: it may be tried again at once in another
    /// transaction (LIMITS) or session (the connection had ended before it was used again).
    Untried,
}

/// What became of one recipient.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// What it came to.
    pub verdict: Verdict,
    /// Where.
    pub phase: Phase,
    /// What the server said, or words of ours with code 0.
    pub reply: Reply,
    /// The whole message was sent and its last reply never came: the server may have it.
    pub undecided: bool,
}

/// What became of a message: one outcome for each recipient, in their order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Of the recipients, in the message's order.
    pub outcomes: Vec<Outcome>,
    /// The server took RET, ENVID, NOTIFY and ORCPT: it reports, not we (RFC 3461 §5.2.2).
    pub dsn_passed: bool,
}

impl Report {
    /// Of a message that the server did not hear of, since the session had ended.
    #[must_use]
    pub fn untried(recipients: usize) -> Self {
        let reply = Reply::ours((4, 4, 2), "The connection had ended before");
        let verdict = Verdict::Untried;
        let outcome = Outcome { verdict, phase: Phase::Ready, reply, undecided: false };
        Self { outcomes: vec![outcome; recipients], dsn_passed: false }
    }

    /// Whether the server may have the message though its last reply is missing.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        self.outcomes.iter().any(|outcome| outcome.undecided)
    }
}

/// Why a session could not be used, or ended early.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Where.
    pub phase: Phase,
    /// What.
    pub fault: Fault,
}

/// What went wrong with a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The server said so.
    Refused(Reply),
    /// The connection ended.
    Lost,
    /// The server took too long.
    TimedOut,
    /// What the server said is no SMTP.
    Protocol(&'static str),
    /// Something came in clear behind the answer to STARTTLS (RFC 3207 §6): somebody injected it.
    Injected,
    /// TLS is required and not offered.
    NoTls,
    /// AUTH is required, and no mechanism that we use is offered, or there is no TLS for it.
    NoAuth,
    /// The server did not prove that it knows the password (SCRAM).
    Impostor,
}

impl Failure {
    /// In words of a reply: what is the server's own is handed on.
    #[must_use]
    pub fn reply(&self) -> Reply {
        match &self.fault {
            Fault::Refused(reply) => reply.clone(),
            Fault::Lost => Reply::ours((4, 4, 2), "The connection was lost"),
            Fault::TimedOut => Reply::ours((4, 4, 2), "The server did not answer in time"),
            Fault::Protocol(what) => {
                Reply::ours((4, 5, 0), &format!("The server does not follow SMTP: {what}"))
            }
            Fault::Injected => Reply::ours((4, 7, 0), "Octets were injected before TLS"),
            Fault::NoTls => Reply::ours((4, 7, 10), "TLS is required and the server offers none"),
            Fault::NoAuth => Reply::ours((4, 7, 0), "The server offers no login that can be used"),
            Fault::Impostor => Reply::ours((4, 7, 8), "The server does not know the password"),
        }
    }

    /// Whether the server said that it is for good.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(&self.fault, Fault::Refused(reply) if reply.is_permanent())
    }
}
