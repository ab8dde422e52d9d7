//! Why a message is where it came to: who sent it, what was checked, what was decided. Stored in
//! the commit that stores the message, and erased with it.

use crate::codec::{Reader, Writer};

/// The first form did not name senders.
const FORM: u8 = 2;
/// Checks, reasons or words that are kept of a message; the first ones.
pub const ITEMS_MAX: usize = 32;
/// Octets of a text that are kept.
pub const TEXT_OCTETS_MAX: usize = 500;

/// What a check found (RFC 8601 §2.2), e.g. `spf`, `pass`, `smtp.mailfrom=example.org`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Check {
    /// Its name, as in Authentication-Results.
    pub method: String,
    /// What it found.
    pub result: String,
    /// Of what, and why.
    pub of: String,
}

/// A reason that somebody gave: a policy, a scanner, a list.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Reason {
    /// Who says so, or which rule.
    pub by: String,
    /// How much it counts; 0 where nothing is counted.
    pub score: f64,
    /// In words.
    pub text: String,
}

/// A thing in the message that the classifier knows.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Word {
    /// Where it is, e.g. `subject`.
    pub place: String,
    /// The word.
    pub text: String,
    /// Between 0, wanted, and 1, junk.
    pub probability: f64,
}

/// Why a message is where it came to.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Explained {
    /// The transaction, as the log names it.
    pub id: String,
    /// When it came, in seconds since 1970 UTC.
    pub time: i64,
    /// The address of who gave it, e.g. `192.0.2.1`.
    pub client: String,
    /// What that one called itself.
    pub hello: String,
    /// The reverse-path; empty for `<>`.
    pub from: String,
    /// What was checked.
    pub checks: Vec<Check>,
    /// Why it is Junk, or nearly.
    pub reasons: Vec<Reason>,
    /// What the classifier thought, between 0, wanted, and 1, junk; none when it was not asked or
    /// knows too little.
    pub probability: Option<f64>,
    /// Its strongest words.
    pub words: Vec<Word>,
    /// It was put into Junk.
    pub junk: bool,
    /// Whom what people do with it speaks for or against, as [`crate::reputation::Name`] writes
    /// them: domains that are proven to have sent it, the client's address, its network. None where
    /// nobody is judged.
    pub senders: Vec<String>,
}

fn write_text(to: &mut Writer, text: &str) {
    let mut end = text.len().min(TEXT_OCTETS_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    to.bytes(text.get(..end).unwrap_or_default().as_bytes());
}

/// Thousandths are enough for people.
fn write_score(to: &mut Writer, score: f64) {
    to.signed((score.clamp(-1e9, 1e9) * 1_000.0).round() as i64);
}

fn read_score(from: &mut Reader<'_>) -> Option<f64> {
    Some(from.signed()? as f64 / 1_000.0)
}

fn read_text(from: &mut Reader<'_>) -> Option<String> {
    from.text().map(str::to_owned)
}

fn read_items<T>(
    from: &mut Reader<'_>,
    mut one: impl FnMut(&mut Reader<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let count = from.number()?;
    if count > ITEMS_MAX as u64 {
        return None;
    }
    (0..count).map(|_| one(from)).collect()
}

impl Explained {
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.byte(FORM).byte(u8::from(self.junk)).signed(self.time);
        for text in [&self.id, &self.client, &self.hello, &self.from] {
            write_text(&mut to, text);
        }
        to.number(self.checks.len().min(ITEMS_MAX) as u64);
        for Check { method, result, of } in self.checks.iter().take(ITEMS_MAX) {
            [method, result, of].into_iter().for_each(|text| write_text(&mut to, text));
        }
        to.number(self.reasons.len().min(ITEMS_MAX) as u64);
        for Reason { by, score, text } in self.reasons.iter().take(ITEMS_MAX) {
            write_text(&mut to, by);
            write_score(&mut to, *score);
            write_text(&mut to, text);
        }
        to.byte(u8::from(self.probability.is_some()));
        write_score(&mut to, self.probability.unwrap_or_default());
        to.number(self.words.len().min(ITEMS_MAX) as u64);
        for Word { place, text, probability } in self.words.iter().take(ITEMS_MAX) {
            write_text(&mut to, place);
            write_text(&mut to, text);
            write_score(&mut to, *probability);
        }
        to.number(self.senders.len().min(ITEMS_MAX) as u64);
        self.senders.iter().take(ITEMS_MAX).for_each(|name| write_text(&mut to, name));
        to.0
    }

    /// `None` for damage.
    pub(crate) fn read(octets: &[u8]) -> Option<Self> {
        let mut from = Reader(octets);
        let form = from.byte()?;
        (1..=FORM).contains(&form).then_some(())?;
        let junk = from.byte()? != 0;
        let time = from.signed()?;
        let mut text = || read_text(&mut from);
        let (id, client, hello, reverse_path) = (text()?, text()?, text()?, text()?);
        let checks = read_items(&mut from, |from| {
            Some(Check { method: read_text(from)?, result: read_text(from)?, of: read_text(from)? })
        })?;
        let reasons = read_items(&mut from, |from| {
            Some(Reason { by: read_text(from)?, score: read_score(from)?, text: read_text(from)? })
        })?;
        let asked = from.byte()? != 0;
        let probability = Some(read_score(&mut from)?).filter(|_| asked);
        let words = read_items(&mut from, |from| {
            let (place, text) = (read_text(from)?, read_text(from)?);
            Some(Word { place, text, probability: read_score(from)? })
        })?;
        let senders = if form == 1 { Vec::new() } else { read_items(&mut from, read_text)? };
        let explained = Self { id, time, client, hello, from: reverse_path, ..Self::default() };
        Some(Self { checks, reasons, probability, words, junk, senders, ..explained })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> Explained {
        let check = Check {
            method: "spf".into(),
            result: "pass".into(),
            of: "smtp.mailfrom=a.test".into(),
        };
        let reason = Reason { by: "RBL".into(), score: -2.5, text: "listed".into() };
        let word = Word { place: "subject".into(), text: "año".into(), probability: 0.875 };
        Explained {
            id: "1.2".into(),
            time: 1_790_000_000,
            client: "192.0.2.1".into(),
            hello: "mx.test".into(),
            from: "a@a.test".into(),
            checks: vec![check],
            reasons: vec![reason],
            probability: Some(0.993),
            words: vec![word],
            junk: true,
            senders: vec!["a.test".into(), "192.0.2.1".into()],
        }
    }

    #[test]
    fn the_first_form_names_no_senders_and_is_read() {
        // As it was written then.
        let mut octets =
            b"\x01\x01\x80\xee\x89\xab\x0d\x031.2\x09192.0.2.1\x07mx.test\x08a@a.test\x01\
              \x03spf\x04pass\x14smtp.mailfrom=a.test\x01\x03RBL\x87'\x06listed\x01\xc2\x0f\
              \x01\x07subject\x04a\xc3\xb1o\xd6\x0d"
                .to_vec();
        assert_eq!(Explained::read(&octets), Some(Explained { senders: Vec::new(), ..one() }));
        octets[0] = FORM + 1;
        assert_eq!(Explained::read(&octets), None);
    }

    #[test]
    fn what_is_written_is_read() {
        let octets = one().write();
        assert_eq!(Explained::read(&octets), Some(one()));
        for end in 0..octets.len() {
            assert_eq!(Explained::read(&octets[..end]), None);
        }
        let none = Explained { probability: None, ..one() };
        assert_eq!(Explained::read(&none.write()), Some(none));
    }

    #[test]
    fn long_texts_and_lists_are_cut_at_their_limits() {
        let exactly = Explained { hello: "x".repeat(TEXT_OCTETS_MAX), ..one() };
        assert_eq!(Explained::read(&exactly.write()), Some(exactly));
        let more = Explained { hello: format!("x{}", "ñ".repeat(TEXT_OCTETS_MAX)), ..one() };
        let read = Explained::read(&more.write()).unwrap();
        assert_eq!(read.hello.len(), TEXT_OCTETS_MAX - 1, "a character is not cut in two");
        let reasons = vec![Reason::default(); ITEMS_MAX + 1];
        let read = Explained::read(&Explained { reasons, ..one() }.write()).unwrap();
        assert_eq!(read.reasons.len(), ITEMS_MAX);
    }
}
