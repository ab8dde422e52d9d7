//! Golden transcripts: see [`wire::transcript`] for how a file is written. `O:` answers an effect
//! by a `Verdict` as `Debug` writes it, or for `DataEnd` one for each recipient (`Ok` is a word
//! too). Options: `submission`, `lmtp`, `no-tls`, `small` (limits).
//!
//! With `TRANSCRIPTS_BLESS` set, the files are written anew.

#![allow(clippy::unwrap_used, clippy::panic)]

use smtp::{Effect, Kind, Limits, Options, Session, Verdict};
use wire::auth::{Answer, Ask, Refusal};
use wire::transcript;

/// Takes all mail, unless the file says otherwise.
#[derive(Default)]
struct World {
    recipients: usize,
}

fn verdict(word: &str) -> Result<(), Verdict> {
    let all = [
        Verdict::NoSuchUser,
        Verdict::NoRelay,
        Verdict::NotSetUp,
        Verdict::NotYourAddress,
        Verdict::NotYourFrom,
        Verdict::BadFrom,
        Verdict::NoSender,
        Verdict::RecipientDisabled,
        Verdict::MailboxFull,
        Verdict::TooBig,
        Verdict::Loop,
        Verdict::NoRoom,
        Verdict::TryLater,
        Verdict::Unauthenticated,
        Verdict::Unwanted,
        Verdict::ComeAgain,
        Verdict::Unanswered,
        Verdict::Greylisted,
        Verdict::SendingLimit,
        Verdict::SendingPaused,
        Verdict::HoldTooLong,
    ];
    if word == "Ok" {
        return Ok(());
    }
    let found = all.into_iter().find(|one| format!("{one:?}") == word);
    Err(found.unwrap_or_else(|| panic!("no verdict: {word}")))
}

impl transcript::World for World {
    type Machine = Session;

    fn begin(&mut self, options: &[&str]) -> Session {
        let mut limits = Limits::default();
        let has = |word: &str| options.contains(&word);
        if has("small") {
            limits.line_octets_max = 40;
            limits.message_octets_max = 20;
            limits.data_line_octets_max = 10;
            limits.recipients_max = 2;
            limits.errors_max = 2;
        }
        let kind = match (has("submission"), has("lmtp")) {
            (true, _) => Kind::Submission,
            (_, true) => Kind::Lmtp,
            _ => Kind::Reception,
        };
        let host_name = "mx.example.test".to_owned();
        Session::new(
            limits,
            Options { kind, host_name, starttls: !has("no-tls"), release: release() },
        )
    }

    fn answer(&mut self, session: &mut Session, effect: Effect, outcome: Option<&str>) {
        let outcome_of = |word: Option<&str>| word.map_or(Ok(()), verdict);
        match effect {
            Effect::Auth(Ask::Password { .. } | Ask::Token { .. }) => session.auth(match outcome {
                Some(_) => Answer::Refused(Refusal::Credentials),
                None => Answer::Accepted { login: "ana@example.test".to_owned() },
            }),
            Effect::Auth(_) => session.auth(Answer::Refused(Refusal::Credentials)),
            Effect::Mail(_) => {
                self.recipients = 0;
                session.done(outcome_of(outcome));
            }
            Effect::Recipient(_) => {
                let done = outcome_of(outcome);
                self.recipients += usize::from(done.is_ok());
                session.done(done);
            }
            Effect::DataBegin(_) | Effect::Data(_) => session.done(outcome_of(outcome)),
            Effect::DataEnd => {
                let outcomes: Vec<_> = match outcome {
                    Some(words) => words.split(' ').map(verdict).collect(),
                    None => vec![Ok(()); self.recipients],
                };
                session.delivered(&outcomes);
            }
            Effect::Abort => {}
        }
    }

    /// Content comes in pieces as the input does.
    fn is_quiet(&self, effect: &Effect) -> bool {
        matches!(effect, Effect::Data(_))
    }
}

#[test]
fn transcripts_replay_at_every_size_of_pieces() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    assert!(files.len() > 5);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        if std::env::var_os("TRANSCRIPTS_BLESS").is_some() {
            let told = transcript::play(World::default(), &text, usize::MAX);
            std::fs::write(&file, told).unwrap();
        } else {
            transcript::check(&file.display().to_string(), &text, World::default);
        }
    }
}

/// What is held for senders; a transcript has no clock.
fn release() -> Option<smtp::Release> {
    Some(smtp::Release { seconds_max: 86_400, until: "2026-11-24T12:00:00Z".to_owned() })
}
