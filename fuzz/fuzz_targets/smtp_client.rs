//! A whole session of the SMTP or LMTP client: the first octet chooses options, the second the
//! messages, the third the size of pieces; the rest is what the server says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mail::Address;
use smtp::client::{Effect, Limits, Message, Options, Report, Session, Tls, Verdict};
use smtp::effect::{Body, MailFrom, RcptTo};
use wire::{Event, Machine, Step, auth::Secret, sasl::client::Credentials};

const CONTENT: &[u8] = b".one\r\ntwo\nthree\r.\r\n\r\n.\r\nfour";
const MESSAGES: usize = 3;

fuzz_target!(|data: &[u8]| {
    let [options, messages, piece, input @ ..] = data else { return };
    let mut play = Play::new(*options, *messages);
    let mut open = true;
    for piece in input.chunks(usize::from(*piece).max(1)) {
        open = play.run();
        if !open {
            break;
        }
        play.session.receive(piece);
    }
    if open && play.run() {
        let late = messages & 64 != 0;
        play.session.event(if late { Event::TimedOut } else { Event::Eof });
        assert!(!play.run(), "open after the end");
    }
    play.check();
});

struct Play {
    session: Session,
    message: Message,
    sent: usize,
    /// Octets of the content that were given.
    given: usize,
    reports: Vec<Report>,
    failed: usize,
    said: Vec<u8>,
}

impl Play {
    fn new(options: u8, messages: u8) -> Self {
        let mut limits = Limits::default();
        if options & 1 != 0 {
            limits.reply_line_octets_max = 64;
            limits.reply_lines_max = 3;
            limits.pipelined_commands_max = 2;
            limits.content_octets_max = 3;
            limits.chunk_octets_max = 5;
            limits.recipients_max = 2;
            limits.messages_max = 2;
        }
        let credentials = (options & 2 != 0).then(|| Credentials {
            login: "a".to_owned(),
            password: Secret::new(b"b".to_vec()),
            nonce: [3; 18],
        });
        let tls = match options >> 2 & 3 {
            0 => Tls::Required,
            1 => Tls::Opportunistic,
            _ => Tls::Never,
        };
        let host_name = "out.example.test".to_owned();
        let lmtp = options & 16 != 0;
        let (authenticated, chunking) = (options & 32 != 0, options & 64 != 0);
        let options = Options { host_name, lmtp, tls, authenticated, chunking, credentials };
        let session = Session::new(limits, options);
        let message = message(messages);
        let (reports, said) = (Vec::new(), Vec::new());
        Self { session, message, sent: 0, given: 0, reports, failed: 0, said }
    }

    /// Runs to the next wait; `false` at the end.
    fn run(&mut self) -> bool {
        loop {
            let step = self.session.step();
            self.said.extend_from_slice(&self.session.outbox().take());
            match step {
                Step::Ask(Effect::Ready) if self.sent < MESSAGES => {
                    self.sent += 1;
                    self.given = 0;
                    self.session.send(self.message.clone());
                }
                Step::Ask(Effect::Ready) => self.session.quit(),
                Step::Ask(Effect::Content { octets_max }) => {
                    let end = CONTENT.len().min(self.given + octets_max);
                    self.session.content(&CONTENT[self.given..end], end == CONTENT.len());
                    self.given = end;
                }
                Step::Ask(Effect::Done(report)) => self.reports.push(report),
                Step::Ask(Effect::Failed(_)) => self.failed += 1,
                Step::Wait(_) => return true,
                Step::StartTls => {
                    let description = String::new();
                    self.session.event(Event::Secured { exporter: Some([7; 32]), description });
                }
                Step::Compress | Step::EndCompress => panic!("SMTP compresses nothing"),
                Step::Close => return false,
            }
        }
    }

    fn check(&self) {
        assert_eq!(self.reports.len(), self.sent, "a report for each message");
        assert!(self.failed == 0 || (self.failed == 1 && self.sent == 0));
        let count = |part: &[u8]| self.said.windows(part.len()).filter(|one| *one == part).count();
        let mut accepted = 0;
        for report in &self.reports {
            assert_eq!(report.outcomes.len(), self.message.recipients.len());
            for outcome in &report.outcomes {
                let positive = outcome.reply.code / 100 == 2;
                assert_eq!(outcome.verdict == Verdict::Accepted, positive);
                assert!(!outcome.undecided || outcome.verdict == Verdict::Temporary);
            }
            let taken = |verdict| report.outcomes.iter().any(|one| one.verdict == verdict);
            accepted += usize::from(taken(Verdict::Accepted));
        }
        assert!(accepted <= count(b"four\r\n.\r\n") + count(b" LAST\r\n"), "half a message");
        if self.message.from.body != Body::Binary {
            let pairs = count(b"\r\n");
            assert_eq!((count(b"\r"), count(b"\n")), (pairs, pairs), "a bare CR or LF");
        }
    }
}

fn message(choice: u8) -> Message {
    let to = |at: u8| RcptTo {
        path: Address::parse(&format!("r{at}@d{}.example", at % 2)).unwrap(),
        notify: Some("SUCCESS".to_owned()),
        original: Some(("rfc822".to_owned(), "o@p.example".to_owned())),
    };
    let body = match choice >> 2 & 3 {
        0 => Body::Binary,
        1 => Body::EightBit,
        _ => Body::SevenBit,
    };
    let path = Address::parse("a@b.example");
    let from = MailFrom { path, body, size: Some(30), ..MailFrom::default() };
    let recipients = (0..choice & 3).map(to).collect();
    Message { from, recipients, require_tls: choice & 16 != 0 }
}
