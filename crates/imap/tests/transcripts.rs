//! Golden transcripts: each file of `tests/transcripts/` is replayed on the bare machine, its input
//! cut into pieces of 1, 2, 3, 7 octets and whole; what is said must be the same each time.
//!
//! Lines of a file:
//!
//! | line | what |
//! |---|---|
//! | `C: text` | the client sends text and CRLF |
//! | `C> text` | the client sends text without CRLF |
//! | `C& text` | as `C:`, in one packet with the line before |
//! | `S: text` | the server says this line |
//! | `E: effect` | the machine asks this, as `Debug` writes it |
//! | `D: octets` | octets of messages that came with `AppendData`, escaped |
//! | `O: outcome` | the answer to the effect (see [`Player::outcome`]); without one it is OK |
//! | `R: response` | an untagged response before the outcome (see [`Player::respond`]) |
//! | `@ event` | `tls`, `eof`, `timeout`, `shutdown`, `withdrawn`, `news`, `keepalive` |
//! | `X: step` | `StartTls`, `Compress`, `EndCompress` or `Close` |
//! | `! option` | before all others: `tls-required`, `starttls`, `small`, `hide X`, … |
//!
//! The list of capabilities after login is written as `CAPABILITY *` but for files with
//! `! capabilities`, so that a new extension changes one file.
//!
//! With `TRANSCRIPTS_BLESS` set, the lines `S`, `E`, `D` and `X` are written anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use imap::effect::{Appended, Done, Effect, Refusal, Selected};
use imap::types::{StatusItem, Window};
use imap::{
    ContextUpdate, EsearchLine, Found, Limits, ListLine, Options, QuotaResource, Session,
    StatusValue, ThreadMark,
};
use mail::{Keyword, ModSeq, NumberSet, Rights, SystemFlags, Uid, UidValidity};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;
use wire::auth::{Answer, Refusal as LoginRefusal, ScramKeys};
use wire::{Event, Machine as _, Step};

fn options(lines: &[&str]) -> Options {
    let mut options = Options {
        limits: Limits::default(),
        host: "mail.example.test".to_owned(),
        tls_required: false,
        starttls: false,
        append_octets_max: 1_000_000,
        hidden_capabilities: Vec::new(),
        jmap_session_url: None,
    };
    for line in lines {
        match line.strip_prefix("! ") {
            Some("tls-required") => options.tls_required = true,
            Some("starttls") => options.starttls = true,
            Some("small") => {
                options.append_octets_max = 20;
                options.limits.command_octets_max = 100;
                options.limits.greeting_command_octets_max = 60;
                options.limits.literal_minus_octets_max = 10;
                options.limits.append_messages_max = 2;
                options.limits.filter_mailboxes_max = 2;
                options.limits.metadata_entries_max = 2;
                options.limits.bad_commands_max = 2;
            }
            Some(jmap) if jmap.starts_with("jmap ") => {
                options.jmap_session_url = Some(jmap[5..].to_owned());
            }
            Some("message-limits") => {
                options.limits.command_messages_max = 1_000;
                options.limits.saved_messages_max = 2;
            }
            Some(hide) if hide.starts_with("hide ") => {
                options.hidden_capabilities.push(hide[5..].to_owned());
            }
            _ => {}
        }
    }
    options
}

/// Plays the given lines of a transcript and writes the whole of it.
struct Player<'a> {
    session: Session,
    given: VecDeque<&'a str>,
    pieces: VecDeque<Vec<u8>>,
    piece_octets: usize,
    data: Vec<u8>,
    told: String,
    lists_capabilities: bool,
}

fn is_given(line: &str) -> bool {
    !["S: ", "E: ", "D: ", "X: "].iter().any(|start| line.starts_with(start))
}

impl<'a> Player<'a> {
    fn new(text: &'a str, piece_octets: usize) -> Self {
        let lines: Vec<&str> = text.lines().filter(|line| is_given(line)).collect();
        Self {
            lists_capabilities: lines.contains(&"! capabilities"),
            session: Session::new(Arc::new(options(&lines))),
            given: lines.into(),
            pieces: VecDeque::new(),
            piece_octets,
            data: Vec::new(),
            told: String::new(),
        }
    }

    fn play(mut self) -> String {
        while self.given.front().is_some_and(|line| line.starts_with(['!', '#'])) {
            self.echo();
        }
        if self.given.front() == Some(&"@ tls") {
            self.event();
        }
        loop {
            match self.session.step() {
                Step::Ask(effect) => self.effect(effect),
                Step::Wait(_) => {
                    if let Some(piece) = self.pieces.pop_front() {
                        self.session.receive(&piece);
                    } else {
                        self.flush();
                        if !self.next_input() {
                            return self.told;
                        }
                    }
                }
                Step::StartTls => {
                    self.flush();
                    self.told.push_str("X: StartTls\n");
                    assert_eq!(self.given.front(), Some(&"@ tls"));
                    self.pieces.clear();
                    self.event();
                }
                Step::Compress => {
                    self.flush();
                    self.told.push_str("X: Compress\n");
                }
                Step::EndCompress => {
                    self.flush();
                    self.told.push_str("X: EndCompress\n");
                }
                Step::Close => {
                    self.flush();
                    self.told.push_str("X: Close\n");
                    for rest in &self.given {
                        writeln!(self.told, "{rest}").unwrap();
                    }
                    return self.told;
                }
            }
        }
    }

    fn echo(&mut self) -> &'a str {
        let line = self.given.pop_front().unwrap();
        writeln!(self.told, "{line}").unwrap();
        line
    }

    /// The next packet or event.
    fn next_input(&mut self) -> bool {
        let mut packet = Vec::new();
        while let Some(line) = self.given.front().copied() {
            let text = line.get(3..).unwrap_or_default().as_bytes();
            match line.get(..2).unwrap_or_default() {
                "C:" | "C>" if packet.is_empty() => packet.extend_from_slice(text),
                "C&" => packet.extend_from_slice(text),
                "@ " if packet.is_empty() => {
                    self.event();
                    return true;
                }
                start => {
                    let blank = start.is_empty() || start.starts_with('#');
                    assert!(blank || !packet.is_empty(), "out of place: {line}\n{}", self.told);
                    if !packet.is_empty() {
                        break;
                    }
                }
            }
            if line.starts_with("C:") || line.starts_with("C&") {
                packet.extend_from_slice(b"\r\n");
            }
            self.echo();
        }
        self.pieces = packet.chunks(self.piece_octets).map(<[u8]>::to_vec).collect();
        !packet.is_empty()
    }

    fn event(&mut self) {
        match self.echo() {
            "@ tls" => {
                let event = Event::Secured { exporter: Some([7; 32]), description: String::new() };
                self.session.event(event);
            }
            "@ eof" => self.session.event(Event::Eof),
            "@ timeout" => self.session.event(Event::TimedOut),
            "@ withdrawn" => self.session.event(Event::Withdrawn),
            "@ shutdown" => self.session.event(Event::ShuttingDown),
            "@ news" => self.session.event(Event::News),
            "@ keepalive" => self.session.keep_alive(),
            other => panic!("unknown event: {other}"),
        }
    }

    fn flush(&mut self) {
        if !self.data.is_empty() {
            writeln!(self.told, "D: {}", self.data.escape_ascii()).unwrap();
            self.data.clear();
        }
        let said = self.session.outbox().take();
        let said = String::from_utf8(said.to_vec()).unwrap();
        for line in said.split_inclusive("\r\n") {
            let line = line.strip_suffix("\r\n").unwrap();
            let list = line.find("CAPABILITY IMAP4rev2 IMAP4rev1 LITERAL+");
            match list.filter(|_| !self.lists_capabilities) {
                Some(at) => {
                    let (before, rest) = line.split_at(at);
                    let rest = rest.find(']').map_or("", |end| &rest[end..]);
                    writeln!(self.told, "S: {before}CAPABILITY *{rest}").unwrap();
                }
                None => writeln!(self.told, "S: {line}").unwrap(),
            }
        }
    }

    fn effect(&mut self, effect: Effect) {
        if let Effect::AppendData(octets) = effect {
            if self.data.is_empty() {
                self.flush();
            }
            self.data.extend_from_slice(&octets);
            self.session.done(Done::Ok(None));
            return;
        }
        self.flush();
        writeln!(self.told, "E: {effect:?}").unwrap();
        if matches!(
            effect,
            Effect::Id(_) | Effect::Idle(_) | Effect::AppendAbort | Effect::Unauthenticate
        ) {
            return;
        }
        if let Effect::Notify(set) = &effect {
            self.session.notify(set.is_some());
        }
        let words: &[&str] = match effect {
            Effect::Auth(_) => &["O: accepted", "O: refused", "O: scram"],
            Effect::Select { .. } => &["O: selected", "O: unselected"],
            Effect::AppendEnd => &["O: appended", "O: unappended"],
            _ => &["O: ok", "O: no", "O: more"],
        };
        let outcome = self.lines_and_outcome(words);
        let resync = matches!(effect, Effect::Select { qresync: Some(_), .. });
        if resync && outcome.starts_with("selected") {
            self.lines_and_outcome(&["O: ok", "O: no", "O: more"]);
        }
    }

    /// Untagged responses, and an outcome among those that fit.
    fn lines_and_outcome(&mut self, fits: &[&str]) -> &'a str {
        while self.given.front().is_some_and(|line| line.starts_with("R: ")) {
            let line = self.echo();
            self.respond(&line[3..]);
        }
        let mut outcome = "ok";
        if self.given.front().is_some_and(|line| fits.iter().any(|fit| line.starts_with(fit))) {
            outcome = &self.echo()[3..];
        }
        self.outcome(outcome);
        outcome
    }

    /// `ok [code]`, `more`, `no Refusal`, `accepted`, `refused Refusal`, `selected [read-only]`,
    /// `unselected Refusal`, `appended Uids`, `unappended Refusal`
    fn outcome(&mut self, text: &str) {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match word {
            "ok" => {
                let code = (!rest.is_empty()).then(|| rest.to_owned());
                self.session.done(Done::Ok(code));
            }
            "more" => self.session.done(Done::More),
            "no" => self.session.done(Done::No(refusal(rest))),
            "accepted" => self.session.auth(Answer::Accepted { login: "ana".to_owned() }),
            "scram" => self.session.auth(Answer::Scram {
                keys: ScramKeys {
                    salt: b"salt".to_vec(),
                    iterations: 2,
                    stored_key: STORED_KEY,
                    server_key: SERVER_KEY,
                },
                nonce: [5; 18],
            }),
            "refused" => self.session.auth(Answer::Refused(login_refusal(rest))),
            "selected" => self.session.selected(Ok(selected(rest == "read-only"))),
            "unselected" => self.session.selected(Err(refusal(rest))),
            "appended" => {
                let uids = rest.split(',').map(|uid| Uid(uid.parse().unwrap())).collect();
                let highest_modseq = Some(ModSeq(90));
                let uid_validity = UidValidity(5);
                let appended = Appended { uid_validity, uids, highest_modseq };
                self.session.appended(Ok(appended));
            }
            "unappended" => self.session.appended(Err(refusal(rest))),
            _ => panic!("unknown outcome: {text}"),
        }
    }

    fn respond(&mut self, text: &str) {
        let mut words = text.split(' ');
        let word = words.next().unwrap();
        let rest: Vec<&str> = words.collect();
        let number = |at: usize| rest[at].parse::<u32>().unwrap();
        let mut reply = self.session.reply();
        match word {
            "exists" => reply.exists(number(0)),
            "recent" => reply.recent(number(0)),
            "expunge" => reply.expunge(number(0)),
            "ok" => reply.ok(&rest.join(" "), "Done"),
            "vanished" => reply.vanished(false, &set(rest[0])),
            "vanished-earlier" => reply.vanished(true, &set(rest[0])),
            "flags" => {
                let keywords: Vec<_> = rest.iter().map(|k| Keyword::parse(k).unwrap()).collect();
                reply.flags(&keywords, imap::types::Permanent::ALL);
            }
            "search" => reply.search(set(rest[0]).iter(), None),
            "search-modseq" => reply.search(set(rest[0]).iter(), Some(ModSeq(9))),
            "esearch" => {
                let all = set(rest[0]);
                let count = Some(all.len());
                let all = Some(Found::Set(&all));
                let line = EsearchLine { all, count, ..EsearchLine::default() };
                reply.esearch(&line);
            }
            "uidbatches" => {
                let range = |part: &str| {
                    let (newest, oldest) = part.split_once(':').unwrap_or((part, part));
                    (Uid(newest.parse().unwrap()), Uid(oldest.parse().unwrap()))
                };
                let ranges: Vec<_> =
                    rest.iter().flat_map(|text| text.split(',')).map(range).collect();
                reply.uid_batches(&ranges);
            }
            "preview" => {
                let mut line = reply.fetch(number(0), Uid(number(0)));
                line.preview(&rest[1].replace('_', " "));
                line.end();
            }
            "esearch-of" => {
                let all = set(rest[2]);
                let mailbox = Some((rest[0], number(1)));
                let all = Some(Found::Set(&all));
                reply.esearch(&EsearchLine { mailbox, uid: true, all, ..EsearchLine::default() });
            }
            "esearch-all" => reply.esearch(&EsearchLine {
                uid: true,
                all: Some(Found::Ordered(&numbers(rest[0]))),
                relevancy: rest.get(1).map(|_| &[99_u8, 42, 4][..]),
                ..EsearchLine::default()
            }),
            "esearch-partial" => {
                let found = numbers(rest.get(1).copied().unwrap_or_default());
                let window = window(rest[0]);
                let partial = Some((window, Found::Ordered(&found)));
                reply.esearch(&EsearchLine { partial, ..EsearchLine::default() });
            }
            "update" => {
                let runs = |words: &[&str]| -> Vec<(u32, Vec<u32>)> {
                    let pairs = words.chunks(2).filter(|pair| pair[0] != "-");
                    pairs.map(|pair| (pair[0].parse().unwrap(), numbers(pair[1]))).collect()
                };
                let middle = rest.iter().position(|word| *word == "/").unwrap();
                let (removed, added) = (runs(&rest[1..middle]), runs(&rest[middle + 1..]));
                let (tag, uid) = (rest[0], rest[0].starts_with('B'));
                let (removed, added) = (&removed[..], &added[..]);
                reply.esearch_update(&ContextUpdate { tag, uid, removed, added });
            }
            "no-update" => reply.no_update(),
            "sort" => reply.sort(rest.iter().map(|n| n.parse().unwrap()), None),
            "thread" => reply.thread(rest.iter().map(|mark| match *mark {
                "(" => ThreadMark::Open,
                ")" => ThreadMark::Close,
                number => ThreadMark::Number(number.parse().unwrap()),
            })),
            "esearch-uid" => {
                let (min, max) = (Some(number(0)), Some(number(1)));
                let modseq = Some(ModSeq(3));
                reply.esearch(&EsearchLine { uid: true, min, max, modseq, ..Default::default() });
            }
            "progress" => reply.in_progress(number(0).into(), Some(number(1).into())),
            "list" | "lsub" | "list-renamed" | "list-child" => {
                let line = ListLine {
                    attributes: &rest[1..],
                    separator: Some('/'),
                    mailbox: rest[0],
                    old_name: (word == "list-renamed").then_some("Old"),
                    child_info: word == "list-child",
                };
                if word == "lsub" { reply.lsub(&line) } else { reply.list(&line) }
            }
            "status" => reply.status(
                rest[0],
                &[
                    (StatusItem::Messages, StatusValue::Number(4)),
                    (StatusItem::MailboxId, StatusValue::Id("M1")),
                    (StatusItem::AppendLimit, StatusValue::Nil),
                ],
            ),
            "quota" => {
                let resource = |name, used| QuotaResource { name, used, limit: 1000 };
                reply.quota("User quota", &[resource("STORAGE", 10), resource("MESSAGE", 3)]);
            }
            "metadata" => {
                let value = |text: &str| (text != "NIL").then(|| text.replace('_', " "));
                let values: Vec<_> = rest[1..].chunks(2).map(|pair| value(pair[1])).collect();
                let names = rest[1..].chunks(2).map(|pair| pair[0]);
                let entries: Vec<_> = names
                    .zip(&values)
                    .map(|(n, v)| (n, v.as_ref().map(String::as_bytes)))
                    .collect();
                reply.metadata(if rest[0] == "server" { "" } else { rest[0] }, &entries);
            }
            "metadata-changed" => {
                reply.metadata_changed(if rest[0] == "server" { "" } else { rest[0] }, &rest[1..]);
            }
            "acl" => {
                let entries: Vec<_> =
                    rest[1..].chunks(2).map(|pair| (pair[0].to_owned(), rights(pair[1]))).collect();
                reply.acl(rest[0], &entries);
            }
            "listrights" => {
                reply.list_rights(rest[0], rest[1], (rights(rest[2]), rights(rest[3])));
            }
            "myrights" => reply.my_rights(rest[0], rights(rest[1])),
            "quotaroot" => reply.quota_root(rest[0], &["User quota"]),
            "fetch-uid" => {
                let mut fetch = reply.fetch(number(0), Uid(number(1)));
                fetch.uid(Uid(number(1)));
                fetch.end();
            }
            "fetch" => {
                let mut fetch = reply.fetch(number(0), Uid(number(1)));
                fetch.uid(Uid(number(1)));
                fetch.flags(SystemFlags::SEEN, true, ["$Junk"]);
                fetch.modseq(ModSeq(12));
                fetch.end();
            }
            _ => panic!("unknown response: {text}"),
        }
    }
}

/// StoredKey and ServerKey (RFC 5802 §3) of the password "secret", salt "salt", 2 iterations.
const STORED_KEY: [u8; 32] = [
    74, 124, 97, 197, 112, 194, 65, 187, 170, 50, 113, 41, 95, 127, 196, 177, 158, 221, 177, 222,
    163, 131, 49, 168, 52, 242, 182, 189, 180, 76, 101, 149,
];
const SERVER_KEY: [u8; 32] = [
    170, 52, 87, 245, 43, 58, 72, 104, 54, 23, 41, 35, 106, 4, 138, 190, 225, 185, 27, 214, 75,
    116, 249, 85, 14, 191, 226, 21, 9, 113, 183, 176,
];

fn rights(letters: &str) -> Rights {
    Rights::parse(letters.trim_matches('"')).unwrap()
}

fn set(text: &str) -> NumberSet {
    NumberSet::of_numbers(text.split(',').filter(|n| !n.is_empty()).map(|n| n.parse().unwrap()))
}

fn selected(read_only: bool) -> Selected {
    Selected {
        mailbox: "INBOX".to_owned(),
        exists: 3,
        recent: 1,
        first_unseen: Some(2),
        uid_validity: 5,
        uid_next: 9,
        highest_modseq: 77,
        keywords: vec![Keyword::parse("$Junk").unwrap()],
        mailbox_id: "M1".to_owned(),
        read_only,
        permanent: if read_only {
            imap::types::Permanent::NONE
        } else {
            imap::types::Permanent::ALL
        },
    }
}

fn refusal(name: &str) -> Refusal {
    match name {
        "NoSuchMailbox" => Refusal::NoSuchMailbox,
        "MailboxExists" => Refusal::MailboxExists,
        "BadName" => Refusal::BadName,
        "BadUrl" => Refusal::BadUrl,
        "Empty" => Refusal::Empty,
        "NoSuchIdentifier" => Refusal::NoSuchIdentifier,
        "MessageLimit" => Refusal::MessageLimit(1_000),
        "NoSuchMessage" => Refusal::NoSuchMessage,
        "UseAttr" => Refusal::UseAttr,
        "OverQuota" => Refusal::OverQuota,
        "NoPermission" => Refusal::NoPermission,
        "MetadataTooBig" => Refusal::MetadataTooBig { octets_max: 1_024 },
        "MetadataTooMany" => Refusal::MetadataTooMany,
        "MetadataNoPrivate" => Refusal::MetadataNoPrivate,
        "ExpungeIssued" => Refusal::ExpungeIssued,
        "UnknownCte" => Refusal::UnknownCte,
        "TagReuse" => Refusal::TagReuse,
        "Unavailable" => Refusal::Unavailable,
        _ => panic!("unknown refusal: {name}"),
    }
}

fn login_refusal(name: &str) -> LoginRefusal {
    match name {
        "Credentials" => LoginRefusal::Credentials,
        "Authorization" => LoginRefusal::Authorization,
        "Disabled" => LoginRefusal::Disabled,
        "Unavailable" => LoginRefusal::Unavailable,
        "TooMany" => LoginRefusal::TooMany,
        _ => panic!("unknown refusal: {name}"),
    }
}

#[test]
fn transcripts_replay_at_every_chunk_size() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        if std::env::var_os("TRANSCRIPTS_BLESS").is_some() {
            std::fs::write(&file, Player::new(&text, usize::MAX).play()).unwrap();
            continue;
        }
        for piece_octets in [usize::MAX, 1, 2, 3, 7] {
            let told = Player::new(&text, piece_octets).play();
            let at = text.lines().zip(told.lines()).position(|(a, b)| a != b);
            let at = at.map(|at| (at + 1, text.lines().nth(at), told.lines().nth(at)));
            assert!(told == text, "{}: pieces of {piece_octets}: {at:?}", file.display());
        }
    }
}

/// Numbers between commas, in the order that they have.
fn numbers(text: &str) -> Vec<u32> {
    text.split(',').filter(|n| !n.is_empty()).map(|n| n.parse().unwrap()).collect()
}

/// As in PARTIAL.
fn window(text: &str) -> Window {
    let (first, last) = text.split_once(':').unwrap();
    let number = |text: &str| text.trim_start_matches('-').parse().unwrap();
    Window { first: number(first), last: number(last), from_end: text.starts_with('-') }
}
