//! Golden transcripts: what a client says and a machine answers, as text files that are replayed on
//! the bare machine with the input cut into pieces of every size. For tests alone.
//!
//! | line | what |
//! |---|---|
//! | `C: text` | the client sends text and CRLF |
//! | `C> text` | the client sends text without CRLF |
//! | `C& text` | as `C:`, in one packet with the line before |
//! | `S: text` | the server says this line |
//! | `S> text` | the server says this and ends without ending the line |
//! | `E: effect` | the machine asks this, as [`World::shown`] writes it |
//! | `O: outcome` | the answer to the effect asked last; without it, what [`World`] likes |
//! | `@ event` | `tls`, `tls 1.2` (no binding), `eof`, `timeout`, `shutdown`, `withdrawn`, `news` |
//! | `X: step` | `StartTls`, `Compress`, `EndCompress` or `Close` |
//! | `! option` | before all others: for [`World::begin`] |
//! | `# text` | a remark |
//!
//! In `C` lines `\r`, `\n`, `\0` and `\xNN` are octets; in `S` lines octets that are not printable
//! ASCII are shown in this way.

#![allow(clippy::panic, reason = "a test that cannot go on")]

use crate::{Event, Machine, Step};
use std::{
    collections::VecDeque,
    fmt::{Debug, Write as _},
};

/// Sizes of the pieces into which the input is cut; the last is all at once.
pub const PIECE_OCTETS: [usize; 5] = [1, 2, 3, 7, usize::MAX];

/// The world's side of a transcript.
pub trait World {
    /// The protocol.
    type Machine: Machine<Effect: Debug>;

    /// A machine under these options (without their `! `).
    fn begin(&mut self, options: &[&str]) -> Self::Machine;

    /// Answers an effect; `outcome` is what the file says that it should be.
    fn answer(
        &mut self,
        machine: &mut Self::Machine,
        effect: <Self::Machine as Machine>::Effect,
        outcome: Option<&str>,
    );

    /// An effect as the transcript has it.
    fn shown(&self, effect: &<Self::Machine as Machine>::Effect) -> String {
        format!("{effect:?}")
    }

    /// Whether an effect is none of the transcript's business: it is answered and not written.
    fn is_quiet(&self, _effect: &<Self::Machine as Machine>::Effect) -> bool {
        false
    }
}

/// Plays the given lines of a transcript, in pieces of `piece_octets`; the whole transcript as it
/// came out. It is to be compared with the file, or written in its place when that is wanted.
///
/// # Panics
/// When the file is not a transcript.
pub fn play<W: World>(mut world: W, text: &str, piece_octets: usize) -> String {
    let told = ["S: ", "S> ", "E: ", "X: "];
    let given = |line: &&str| !told.iter().any(|start| line.starts_with(start));
    let given: VecDeque<&str> = text.lines().filter(given).collect();
    let options: Vec<&str> = given.iter().filter_map(|line| line.strip_prefix("! ")).collect();
    let machine = world.begin(&options);
    let mut player = Player {
        world,
        machine,
        given,
        pieces: VecDeque::new(),
        piece_octets,
        said: Vec::new(),
        told: String::new(),
    };
    player.run();
    player.told
}

/// Compares a transcript with what is played, at every size of pieces.
///
/// # Panics
/// When they differ; says where.
pub fn check<W: World>(name: &str, text: &str, world: impl Fn() -> W) {
    for piece_octets in PIECE_OCTETS {
        let told = play(world(), text, piece_octets);
        let at = text.lines().zip(told.lines()).position(|(wanted, got)| wanted != got);
        let at = at.map(|at| (at + 1, text.lines().nth(at), told.lines().nth(at)));
        assert!(told == text, "{name}: pieces of {piece_octets}: {at:?}\n{told}");
    }
}

struct Player<'a, W: World> {
    world: W,
    machine: W::Machine,
    given: VecDeque<&'a str>,
    pieces: VecDeque<Vec<u8>>,
    piece_octets: usize,
    /// What was said of a line that did not end yet.
    said: Vec<u8>,
    told: String,
}

impl<'a, W: World> Player<'a, W> {
    fn run(&mut self) {
        while self.next_starts(&["! ", "#"]) {
            self.echo();
        }
        if self.next_starts(&["@ tls"]) {
            self.event();
        }
        loop {
            match self.machine.step() {
                Step::Ask(effect) => self.effect(effect),
                Step::Wait(_) => match self.pieces.pop_front() {
                    Some(piece) => self.machine.receive(&piece),
                    None => {
                        self.flush();
                        if !self.next_input() {
                            return;
                        }
                    }
                },
                Step::StartTls => {
                    self.tell("X: StartTls");
                    self.pieces.clear();
                    assert!(self.next_starts(&["@ tls"]), "{}", self.told);
                    self.event();
                }
                Step::Compress => {
                    self.flush();
                    self.tell("X: Compress");
                }
                Step::EndCompress => {
                    self.flush();
                    self.tell("X: EndCompress");
                }
                Step::Close => {
                    self.flush();
                    if !self.said.is_empty() {
                        let _ = writeln!(self.told, "S> {}", shown(&self.said));
                    }
                    self.tell("X: Close");
                    while !self.given.is_empty() {
                        self.echo();
                    }
                    return;
                }
            }
        }
    }

    fn next_starts(&self, starts: &[&str]) -> bool {
        let starts = |line: &&str| starts.iter().any(|start| line.starts_with(start));
        self.given.front().is_some_and(starts)
    }

    fn echo(&mut self) -> &'a str {
        let line = self.given.pop_front().unwrap_or_default();
        self.told.push_str(line);
        self.told.push('\n');
        line
    }

    fn tell(&mut self, line: &str) {
        self.flush();
        self.told.push_str(line);
        self.told.push('\n');
    }

    fn flush(&mut self) {
        self.said.extend_from_slice(&self.machine.outbox().take());
        let whole = self.said.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
        for line in self.said.drain(..whole).as_slice().split_inclusive(|octet| *octet == b'\n') {
            let Some(line) = line.strip_suffix(b"\r\n") else {
                panic!("not a line: {}\n{}", line.escape_ascii(), self.told);
            };
            let _ = writeln!(self.told, "S: {}", shown(line));
        }
    }

    fn effect(&mut self, effect: <W::Machine as Machine>::Effect) {
        if self.world.is_quiet(&effect) {
            self.world.answer(&mut self.machine, effect, None);
            return;
        }
        self.tell(&format!("E: {}", self.world.shown(&effect)));
        let outcome = self.next_starts(&["O: "]).then(|| self.echo());
        let outcome = outcome.and_then(|line| line.get(3..));
        self.world.answer(&mut self.machine, effect, outcome);
    }

    /// The next packet or event; false at the end.
    fn next_input(&mut self) -> bool {
        let mut packet = Vec::new();
        while let Some(line) = self.given.front().copied() {
            let text = octets(line.get(3..).unwrap_or_default());
            match line.get(..2).unwrap_or_default() {
                "C:" | "C>" if packet.is_empty() => packet.extend(text),
                "C&" => packet.extend(text),
                "@ " if packet.is_empty() => {
                    self.event();
                    return true;
                }
                _ if !packet.is_empty() => break,
                start => {
                    let remark = line.is_empty() || start.starts_with('#');
                    assert!(remark, "out of place: {line}\n{}", self.told);
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
        let event = match self.echo() {
            "@ tls" => Event::Secured { exporter: Some([7; 32]), description: String::new() },
            "@ tls 1.2" => Event::Secured { exporter: None, description: String::new() },
            "@ eof" => Event::Eof,
            "@ timeout" => Event::TimedOut,
            "@ shutdown" => Event::ShuttingDown,
            "@ withdrawn" => Event::Withdrawn,
            "@ news" => Event::News,
            other => panic!("unknown event: {other}"),
        };
        self.machine.event(event);
    }
}

/// Octets as a transcript shows them.
fn shown(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    for octet in octets {
        match octet {
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(*octet)),
            b'\r' => text.push_str("\\r"),
            0 => text.push_str("\\0"),
            _ => {
                let _ = write!(text, "\\x{octet:02x}");
            }
        }
    }
    text
}

/// The octets that [`shown`] shows.
fn octets(text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        octets.extend_from_slice(before.as_bytes());
        let (octet, taken) = match after.as_bytes() {
            [b'r', ..] => (b'\r', 1),
            [b'n', ..] => (b'\n', 1),
            [b'0', ..] => (0, 1),
            [b'x', ..] => {
                let digits = after.get(1..3).unwrap_or_default();
                let octet = u8::from_str_radix(digits, 16);
                (octet.unwrap_or_else(|_| panic!("not an octet: {text}")), 3)
            }
            _ => (b'\\', usize::from(after.starts_with('\\'))),
        };
        octets.push(octet);
        rest = after.get(taken..).unwrap_or_default();
    }
    octets.extend_from_slice(rest.as_bytes());
    octets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Outbox, Patience};

    /// Says back each line that ends with LF, asks about `?`, closes on `q`.
    #[derive(Default)]
    struct Echo {
        input: Vec<u8>,
        out: Outbox,
        asked: Option<String>,
        ended: bool,
    }

    impl Machine for Echo {
        type Effect = String;
        fn step(&mut self) -> Step<String> {
            if let Some(asked) = self.asked.take() {
                return Step::Ask(asked);
            }
            let Some(end) = self.input.iter().position(|octet| *octet == b'\n') else {
                return if self.ended { Step::Close } else { Step::Wait(Patience::Command) };
            };
            let line: Vec<u8> = self.input.drain(..=end).collect();
            match line.as_slice() {
                b"q\r\n" => {
                    self.out.put(b"bye");
                    return Step::Close;
                }
                b"t\r\n" => {
                    self.input.clear();
                    return Step::StartTls;
                }
                b"?\r\n" => self.asked = Some("why".to_owned()),
                line => self.out.put(line),
            }
            self.step()
        }
        fn receive(&mut self, bytes: &[u8]) {
            self.input.extend_from_slice(bytes);
        }
        fn event(&mut self, event: Event) {
            self.ended |= event == Event::Eof;
        }
        fn outbox(&mut self) -> &mut Outbox {
            &mut self.out
        }
    }

    struct Answers;
    impl World for Answers {
        type Machine = Echo;
        fn begin(&mut self, options: &[&str]) -> Echo {
            let mut echo = Echo::default();
            for option in options {
                echo.out.put(format!("{option}\r\n").as_bytes());
            }
            echo
        }
        fn answer(&mut self, echo: &mut Echo, _: String, outcome: Option<&str>) {
            echo.out.put(format!("{}\r\n", outcome.unwrap_or("because")).as_bytes());
        }
    }

    const TEXT: &str = "! hello\n# a remark\nS: hello\nC: a\\\\b\nC& \\0\\xffx\nS: a\\\\b\n\
        S: \\0\\xffx\nC> half\n\n# between\nC: whole\nS: halfwhole\nC: ?\nC& ?\nE: \"why\"\n\
        O: for this\nS: for this\nE: \"why\"\nS: because\nC: t\nX: StartTls\n@ tls\nC: q\n\
        S> bye\nX: Close\n";

    #[test]
    fn what_is_right_passes() {
        check("right", TEXT, || Answers);
        check("end", "C: a\nS: a\n@ eof\nX: Close\n", || Answers);
    }

    #[test]
    fn what_is_wrong_is_written_anew() {
        let wrong = TEXT.replace("S: half", "S: no half");
        assert_eq!(play(Answers, &wrong, usize::MAX), TEXT);
    }

    #[test]
    #[should_panic(expected = "wrong: pieces of 1")]
    fn what_is_wrong_fails() {
        check("wrong", &TEXT.replace("S: halfwhole", "S: half"), || Answers);
    }
}
