//! What others say of a message: rspamd over HTTP, clamd, DNS lists.
//!
//! Invariants: a scanner that fails decides nothing: its [`Failure`] becomes a reason that can be
//! read, and mail goes on, or waits at its sender where the scanner is required. Each question has
//! a limit of time and of octets; each answer too. Nothing here changes a message, and what
//! scanners say comes out as plain text: no control characters, no line ends.

pub mod clamd;
pub mod dnslist;
pub mod rspamd;

use std::fmt;

/// Scanners that are asked, and what they may take.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Settings {
    /// `spam.rspamd_*`
    pub rspamd: rspamd::Settings,
    /// `virus.clamd_*`
    pub clamd: clamd::Settings,
    /// `spam.dns_list*`
    pub dns_lists: dnslist::Settings,
}

/// What is to be done with a message; a later one is harder on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Action {
    /// It is delivered.
    Accept,
    /// Its sender is asked to come again (451), unless it did so already.
    Greylist,
    /// It is delivered to Junk.
    Junk,
    /// Its sender is asked to come again (451).
    SoftReject,
    /// It is refused (550).
    Reject,
}

/// One thing that was found.
#[derive(Clone, PartialEq, Debug)]
pub struct Reason {
    /// Name of a rule, of a list.
    pub name: String,
    /// What it adds to the score.
    pub score: f64,
    /// What it is, for people; may be empty.
    pub text: String,
}

/// What was found, and what is to be done.
#[derive(Clone, PartialEq, Debug)]
pub struct Verdict {
    /// What is to be done.
    pub action: Action,
    /// Sum of scores.
    pub score: f64,
    /// Score from which it would be refused; `None` where nobody says.
    pub required: Option<f64>,
    /// What was found, the heaviest first.
    pub reasons: Vec<Reason>,
    /// What the sender is told when it is refused or asked to come again: one line of ASCII.
    pub reply: Option<String>,
    /// Header fields to add on top: a name, and a value without line ends.
    pub fields: Vec<(String, String)>,
    /// Message-ID that the scanner read.
    pub message_id: Option<String>,
}

impl Verdict {
    /// Nothing was found, but for this note.
    #[must_use]
    pub fn noted(action: Action, name: &str, text: String) -> Self {
        let reason = Reason { name: name.to_owned(), score: 0.0, text };
        Self {
            action,
            score: 0.0,
            required: None,
            reasons: vec![reason],
            reply: None,
            fields: Vec::new(),
            message_id: None,
        }
    }
}

/// Why a scanner said nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// It was not reached, or the connection broke.
    Unreachable(String),
    /// It did not answer within so many seconds.
    Late(u32),
    /// It refused the question: what it said.
    Refused(String),
    /// Its answer was not understood.
    Unclear(String),
    /// The message has more octets than it is asked about.
    TooLarge(u64),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "not reached: {why}"),
            Self::Late(seconds) => write!(f, "no answer within {seconds} s"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Unclear(why) => write!(f, "answer not understood: {why}"),
            Self::TooLarge(octets) => write!(f, "not asked: more than {octets} octets"),
        }
    }
}

impl std::error::Error for Failure {}

/// Text of others made safe: no control characters, so many characters at most.
fn plain(text: &str, chars_max: usize) -> String {
    let safe = text.chars().map(|char| if char.is_control() { ' ' } else { char });
    safe.take(chars_max).collect::<String>().trim().to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn harder_is_greater() {
        let all =
            [Action::Accept, Action::Greylist, Action::Junk, Action::SoftReject, Action::Reject];
        assert!(all.is_sorted_by(|left, right| left < right));
    }

    #[test]
    fn text_of_others_is_one_line_and_short() {
        assert_eq!(plain("a\r\nb\0ü\u{85}", 9), "a  b ü");
        assert_eq!(plain("abc", 3), "abc");
        assert_eq!(plain("abcd", 3), "abc");
    }
}
