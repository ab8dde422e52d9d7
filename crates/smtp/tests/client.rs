//! Golden transcripts of the client: see [`wire::transcript`]. Here `C:` lines are what our client
//! says and `S:` lines what the server answers.
//!
//! `O:` is a message that answers `Ready` (written behind the `Done` before it), in words `from=…
//! to=…,… content=…` and `size=`, `8bit`, `binary`, `utf8`, `requiretls`, `ret=`, `envid=`,
//! `notify=`, `orcpt=`; in `content` `\r`, `\n` and `\s` (space) are octets. Without `O:` the
//! client quits. Options: `lmtp`, `required`, `never` (TLS), `authenticated`, `no-chunking`,
//! `login`, `small` (limits).
//!
//! With `TRANSCRIPTS_BLESS` set, the files are written anew.

#![allow(clippy::unwrap_used, clippy::panic)]

use mail::Address;
use smtp::client::{Effect, Fault, Limits, Message, Options, Outcome, Reply, Session, Tls};
use smtp::effect::{Body, MailFrom, RcptTo, Ret};
use std::collections::VecDeque;
use wire::{auth::Secret, sasl::client::Credentials, transcript};

#[derive(Default)]
struct World {
    content: Vec<u8>,
    /// What answers `Ready`.
    next: VecDeque<String>,
}

fn message(words: &str) -> (Message, Vec<u8>) {
    let (mut from, mut recipients, mut content) = (MailFrom::default(), Vec::new(), Vec::new());
    let (mut notify, mut original, mut require_tls) = (None, None, false);
    for word in words.split(' ') {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        match name {
            "from" => from.path = Address::parse(value),
            "to" => recipients.extend(value.split(',').map(|to| Address::parse(to).unwrap())),
            "content" => {
                let text = value.replace("\\r", "\r").replace("\\n", "\n").replace("\\s", " ");
                content = text.into_bytes();
            }
            "size" => from.size = value.parse().ok(),
            "8bit" => from.body = Body::EightBit,
            "binary" => from.body = Body::Binary,
            "utf8" => from.utf8 = true,
            "requiretls" => require_tls = true,
            "ret" => from.ret = Some(if value == "FULL" { Ret::Full } else { Ret::Headers }),
            "envid" => from.envelope_id = Some(value.to_owned()),
            "notify" => notify = Some(value.to_owned()),
            "orcpt" => original = value.split_once(';').map(|(k, v)| (k.to_owned(), v.to_owned())),
            _ => panic!("unknown word: {word}"),
        }
    }
    let to = |path| RcptTo { path, notify: notify.clone(), original: original.clone() };
    let recipients = recipients.into_iter().map(to).collect();
    (Message { from, recipients, require_tls }, content)
}

fn words(reply: &Reply) -> String {
    let (class, subject, detail) = reply.status;
    format!("{} {class}.{subject}.{detail}", reply.code)
}

fn outcome(outcome: &Outcome) -> String {
    let undecided = if outcome.undecided { " undecided" } else { "" };
    format!("{:?} {:?} {}{undecided}", outcome.verdict, outcome.phase, words(&outcome.reply))
}

impl transcript::World for World {
    type Machine = Session;

    fn begin(&mut self, options: &[&str]) -> Session {
        let has = |word: &str| options.contains(&word);
        let mut limits = Limits::default();
        if has("small") {
            limits.reply_line_octets_max = 40;
            limits.reply_lines_max = 3;
            limits.pipelined_commands_max = 2;
            limits.content_octets_max = 4;
            limits.chunk_octets_max = 8;
            limits.recipients_max = 2;
            limits.messages_max = 2;
        }
        let tls = match (has("required"), has("never")) {
            (true, _) => Tls::Required,
            (_, true) => Tls::Never,
            _ => Tls::Opportunistic,
        };
        let credentials = has("login").then(|| Credentials {
            login: "ana".to_owned(),
            password: Secret::new(b"secret".to_vec()),
            nonce: [3; 18],
        });
        let options = Options {
            host_name: "out.example.test".to_owned(),
            lmtp: has("lmtp"),
            tls,
            authenticated: has("authenticated"),
            chunking: !has("no-chunking"),
            credentials,
        };
        Session::new(limits, options)
    }

    fn answer(&mut self, session: &mut Session, effect: Effect, given: Option<&str>) {
        if let Some(given) = given {
            self.next.push_back(given.to_owned());
        }
        match effect {
            Effect::Ready => match self.next.pop_front() {
                Some(words) => {
                    let (message, content) = message(&words);
                    self.content = content;
                    session.send(message);
                }
                None => session.quit(),
            },
            Effect::Content { .. } if self.content == b"unreadable" => session.content_failed(),
            Effect::Content { octets_max } => {
                let rest = self.content.split_off(octets_max.min(self.content.len()));
                session.content(&self.content, rest.is_empty());
                self.content = rest;
            }
            Effect::Done(_) | Effect::Failed(_) => {}
        }
    }

    fn shown(&self, effect: &Effect) -> String {
        match effect {
            Effect::Ready => "Ready".to_owned(),
            Effect::Content { octets_max } => format!("Content {octets_max}"),
            Effect::Done(report) => {
                let all: Vec<String> = report.outcomes.iter().map(outcome).collect();
                let dsn = if report.dsn_passed { ", DSN passed" } else { "" };
                format!("Done: {}{dsn}", all.join(", "))
            }
            Effect::Failed(failure) => match &failure.fault {
                Fault::Refused(reply) => format!("Failed: {:?} {}", failure.phase, words(reply)),
                fault => format!("Failed: {:?} {fault:?}", failure.phase),
            },
        }
    }

    fn is_quiet(&self, effect: &Effect) -> bool {
        matches!(effect, Effect::Content { .. })
    }
}

/// The runner plays servers: what it calls the client is the server here.
fn swap(text: &str) -> String {
    let line = |line: &str| match line.as_bytes() {
        [b'C', b':' | b'>' | b'&', ..] => line.replacen('C', "S", 1),
        [b'S', b':' | b'>' | b'&', ..] => line.replacen('S', "C", 1),
        _ => line.to_owned(),
    };
    text.lines().map(|one| line(one) + "\n").collect()
}

#[test]
fn transcripts_replay_at_every_size_of_pieces() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/client");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    assert!(files.len() > 5);
    for file in files {
        let text = swap(&std::fs::read_to_string(&file).unwrap());
        if std::env::var_os("TRANSCRIPTS_BLESS").is_some() {
            let told = transcript::play(World::default(), &text, usize::MAX);
            std::fs::write(&file, swap(&told)).unwrap();
        } else {
            transcript::check(&file.display().to_string(), &text, World::default);
        }
    }
}
