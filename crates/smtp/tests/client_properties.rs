//! The client against servers that say anything, in pieces of any size: it never panics, it ends,
//! and each recipient of each message has one outcome.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use mail::Address;
use proptest::prelude::*;
use smtp::client::{Effect, Limits, Message, Options, Report, Session, Tls, Verdict};
use smtp::effect::{Body, MailFrom, RcptTo};
use wire::{Event, Machine, Step, auth::Secret, sasl::client::Credentials};

const CONTENT: &[u8] = b".one\r\ntwo\nthree\r.\r\n\r\n.\r\nfour";

fn message(recipients: usize, body: Body) -> Message {
    let to = |at: usize| RcptTo {
        path: Address::parse(&format!("r{at}@d{}.example", at % 2)).unwrap(),
        notify: None,
        original: None,
    };
    let from = MailFrom { path: Address::parse("a@b.example"), body, ..MailFrom::default() };
    Message { from, recipients: (0..recipients).map(to).collect(), require_tls: false }
}

#[derive(Clone, Debug)]
struct Setting {
    lmtp: bool,
    login: bool,
    tls: Tls,
    small: bool,
    recipients: usize,
    body: Body,
    /// How the connection ends.
    end: Event,
}

struct Play {
    session: Session,
    setting: Setting,
    sent: usize,
    reports: Vec<Report>,
    said: Vec<u8>,
    failed: usize,
    at: usize,
}

impl Play {
    fn new(setting: Setting) -> Self {
        let mut limits = Limits::default();
        if setting.small {
            limits.reply_line_octets_max = 64;
            limits.reply_lines_max = 3;
            limits.pipelined_commands_max = 2;
            limits.content_octets_max = 3;
            limits.chunk_octets_max = 5;
            limits.recipients_max = 2;
            limits.messages_max = 2;
        }
        let credentials = setting.login.then(|| Credentials {
            login: "ana".to_owned(),
            password: Secret::new(b"secret".to_vec()),
            nonce: [3; 18],
        });
        let options = Options {
            host_name: "out.example.test".to_owned(),
            lmtp: setting.lmtp,
            tls: setting.tls,
            authenticated: false,
            chunking: true,
            credentials,
        };
        let session = Session::new(limits, options);
        let (reports, said) = (Vec::new(), Vec::new());
        Self { session, setting, sent: 0, reports, said, failed: 0, at: 0 }
    }

    /// Runs to the next wait; false at the end.
    fn run(&mut self) -> bool {
        for _ in 0..100_000 {
            let step = self.session.step();
            self.said.extend_from_slice(&self.session.outbox().take());
            match step {
                Step::Ask(Effect::Ready) if self.sent < 3 => {
                    self.sent += 1;
                    self.at = 0;
                    self.session.send(message(self.setting.recipients, self.setting.body));
                }
                Step::Ask(Effect::Ready) => self.session.quit(),
                Step::Ask(Effect::Content { octets_max }) => {
                    let end = CONTENT.len().min(self.at + octets_max);
                    self.session.content(&CONTENT[self.at..end], end == CONTENT.len());
                    self.at = end;
                }
                Step::Ask(Effect::Done(report)) => self.reports.push(report),
                Step::Ask(Effect::Failed(_)) => self.failed += 1,
                Step::Wait(_) => return true,
                Step::StartTls => {
                    let description = String::new();
                    self.session.event(Event::Secured { exporter: None, description });
                }
                Step::Compress | Step::EndCompress => unreachable!("SMTP compresses nothing"),
                Step::Close => return false,
            }
        }
        panic!("no end");
    }

    fn play(mut self, input: &[u8], piece: usize) -> Self {
        let mut open = true;
        for piece in input.chunks(piece) {
            open = self.run();
            if !open {
                break;
            }
            self.session.receive(piece);
        }
        if open && self.run() {
            self.session.event(self.setting.end.clone());
            if self.setting.end == Event::ShuttingDown && self.run() {
                self.session.event(Event::Eof);
            }
            assert!(!self.run(), "open after the end");
        }
        self
    }

    fn check(&self) {
        assert_eq!(self.reports.len(), self.sent);
        assert!(self.failed == 0 || self.sent == 0);
        for report in &self.reports {
            assert_eq!(report.outcomes.len(), self.setting.recipients);
            for outcome in &report.outcomes {
                // Nobody has it unless the server said so.
                let positive = outcome.reply.code / 100 == 2;
                assert_eq!(outcome.verdict == Verdict::Accepted, positive, "{outcome:?}");
                assert!(!outcome.undecided || outcome.verdict == Verdict::Temporary);
            }
        }
        // And nobody has it unless all of it was said.
        let count = |end: &[u8]| self.said.windows(end.len()).filter(|part| *part == end).count();
        let accepted = |report: &&Report| {
            report.outcomes.iter().any(|outcome| outcome.verdict == Verdict::Accepted)
        };
        let ends = count(b"four\r\n.\r\n") + count(b" LAST\r\n");
        assert!(self.reports.iter().filter(accepted).count() <= ends);
        // No line of what was said ends otherwise than by CRLF; BINARYMIME goes as it is.
        if self.setting.body != Body::Binary {
            let pairs = count(b"\r\n");
            assert_eq!((count(b"\r"), count(b"\n")), (pairs, pairs));
        }
    }
}

fn setting() -> impl Strategy<Value = Setting> {
    let tls = prop_oneof![Just(Tls::Never), Just(Tls::Opportunistic), Just(Tls::Required)];
    let body = prop_oneof![Just(Body::SevenBit), Just(Body::EightBit), Just(Body::Binary)];
    let end = prop_oneof![Just(Event::Eof), Just(Event::TimedOut), Just(Event::ShuttingDown)];
    let bools = (any::<bool>(), any::<bool>(), any::<bool>());
    (bools, tls, 0_usize..4, body, end).prop_map(
        |((lmtp, login, small), tls, recipients, body, end)| Setting {
            lmtp,
            login,
            tls,
            small,
            recipients,
            body,
            end,
        },
    )
}

/// What servers say, likely and not.
fn reply() -> impl Strategy<Value = Vec<u8>> {
    let good = prop_oneof![
        4 => Just("250 ok\r\n"), 2 => Just("354 go\r\n"), 1 => Just("220 x\r\n"),
        1 => Just("550 5.1.1 no\r\n"), 1 => Just("452 4.5.3 no\r\n"), 1 => Just("552 no\r\n"),
        1 => Just("421 4.3.2 bye\r\n"), 1 => Just("334 \r\n"), 1 => Just("235 in\r\n"),
        1 => Just("250-more\r\n"), 1 => Just("221 bye\r\n"), 1 => Just("503 what\n"),
    ];
    prop_oneof![
        20 => good.prop_map(|text| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..80),
    ]
}

fn server() -> impl Strategy<Value = Vec<u8>> {
    let hello = prop_oneof![
        Just("220 x\r\n250 x\r\n"),
        Just("220 x\r\n250-x\r\n250-PIPELINING\r\n250 8BITMIME\r\n"),
        Just("220 x\r\n250-x\r\n250-8BITMIME\r\n250 CHUNKING\r\n"),
        Just("220 x\r\n250-x\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250 PIPELINING\r\n"),
        Just("220 x\r\n250-x\r\n250-LIMITS RCPTMAX=2 MAILMAX=2 RCPTDOMAINMAX=1\r\n250 DSN\r\n"),
        Just("220 x\r\n250-x\r\n250 STARTTLS\r\n220 go\r\n"),
        Just("220 x\r\n502 x\r\n250 x\r\n"),
        Just(""),
    ];
    let replies = proptest::collection::vec(reply(), 0..40);
    (hello, replies)
        .prop_map(|(hello, replies)| [hello.as_bytes().to_vec(), replies.concat()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn each_recipient_has_one_outcome(
        setting in setting(),
        input in server(),
        piece in prop_oneof![1_usize..9, Just(usize::MAX)],
    ) {
        Play::new(setting).play(&input, piece).check();
    }
}
