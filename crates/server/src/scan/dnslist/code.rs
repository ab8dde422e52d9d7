//! What a list's answers mean: codes, and what each is worth.
//!
//! Invariants: codes are in 127.0.0.0/8, and never those with which a list says an error.

use std::net::{IpAddr, Ipv4Addr};

/// What being listed is worth.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Effect {
    /// Adds to the score; lists of good senders have negative ones.
    Weight(f64),
    /// The message is refused.
    Reject,
}

/// Which answers a row is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pattern {
    /// From one to another, both included.
    Range(Ipv4Addr, Ipv4Addr),
    /// Any of these bits of the last octet (RFC 5782 §2.3: a bit mask).
    Bits(u8),
}

/// Codes and their worth.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Row {
    pattern: Pattern,
    effect: Effect,
}

impl Row {
    /// Reads `127.0.0.2`, `127.0.0.4-127.0.0.7`, or `&8` for bits of the last octet.
    #[must_use]
    pub fn parse(text: &str, effect: Effect) -> Option<Self> {
        if matches!(effect, Effect::Weight(weight) if !weight.is_finite()) {
            return None;
        }
        if let Some(bits) = text.strip_prefix('&') {
            let bits = bits.parse().ok().filter(|bits| *bits != 0)?;
            return Some(Self { pattern: Pattern::Bits(bits), effect });
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        let good = |code: Ipv4Addr| is_code(IpAddr::V4(code)).is_some();
        // A range that contained an error would begin or end with one, or beyond.
        let sane = first <= last && good(first) && good(last) && last < FIRST_ERROR;
        sane.then_some(Self { pattern: Pattern::Range(first, last), effect })
    }

    const fn has(&self, code: Ipv4Addr) -> bool {
        match self.pattern {
            Pattern::Range(first, last) => {
                let code = code.to_bits();
                first.to_bits() <= code && code <= last.to_bits()
            }
            Pattern::Bits(bits) => code.octets()[3] & bits != 0,
        }
    }
}

/// What all codes of a list are worth.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Codes(pub Vec<Row>);

impl Codes {
    /// What these answers are worth together: each row counts once, refusal is stronger than any
    /// weight. `None` when no row is about them.
    #[must_use]
    pub fn effect(&self, codes: &[Ipv4Addr]) -> Option<Effect> {
        let rows = self.0.iter().filter(|row| codes.iter().any(|code| row.has(*code)));
        rows.map(|row| row.effect).reduce(|left, right| match (left, right) {
            (Effect::Weight(left), Effect::Weight(right)) => Effect::Weight(left + right),
            _ => Effect::Reject,
        })
    }
}

/// Of 127.255.255.0/24, with which lists say that they refuse to answer.
const FIRST_ERROR: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 0);

/// An answer as a code; `None` when it is none that says that somebody is listed.
#[must_use]
pub fn is_code(answer: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V4(code) = answer else { return None };
    let listed = code.is_loopback() && code != Ipv4Addr::LOCALHOST && code < FIRST_ERROR;
    listed.then_some(code)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn codes(rows: &[(&str, Effect)]) -> Codes {
        Codes(rows.iter().map(|(text, effect)| Row::parse(text, *effect).unwrap()).collect())
    }

    fn code(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, 0, last)
    }

    #[test]
    fn rows_are_read() {
        let weight = Effect::Weight(1.0);
        for good in ["127.0.0.2", "127.0.0.4-127.0.0.7", "127.0.0.2 - 127.0.1.255", "&1", "&255"] {
            assert!(Row::parse(good, weight).is_some(), "{good}");
        }
        for bad in [
            "",
            "2",
            "127.0.0.1",
            "127.0.0.1-127.0.0.2",
            "127.0.0.7-127.0.0.4",
            "126.255.255.255",
            "128.0.0.1",
            "127.255.255.0",
            "127.255.255.254",
            "127.0.0.2-127.255.255.0",
            "127.0.0.2-127.255.255.255",
            "::1",
            "&0",
            "&256",
            "&",
            "-",
        ] {
            assert!(Row::parse(bad, weight).is_none(), "{bad}");
        }
        assert!(Row::parse("127.255.254.255", weight).is_some());
        assert!(Row::parse("&1", Effect::Weight(f64::NAN)).is_none());
    }

    #[test]
    fn worth() {
        let list = codes(&[
            ("127.0.0.2-127.0.0.3", Effect::Weight(3.0)),
            ("127.0.0.4-127.0.0.7", Effect::Reject),
            ("127.0.0.10", Effect::Weight(1.5)),
        ]);
        assert_eq!(list.effect(&[code(2)]), Some(Effect::Weight(3.0)));
        assert_eq!(list.effect(&[code(2), code(3)]), Some(Effect::Weight(3.0)), "once");
        assert_eq!(list.effect(&[code(2), code(10)]), Some(Effect::Weight(4.5)));
        assert_eq!(list.effect(&[code(2), code(7)]), Some(Effect::Reject));
        for other in [8, 9, 11] {
            assert_eq!(list.effect(&[code(other)]), None);
        }
        assert_eq!(list.effect(&[]), None);
    }

    #[test]
    fn bits() {
        let list = codes(&[("&8", Effect::Weight(2.0)), ("&64", Effect::Weight(-1.0))]);
        assert_eq!(list.effect(&[code(8)]), Some(Effect::Weight(2.0)));
        assert_eq!(list.effect(&[code(72)]), Some(Effect::Weight(1.0)));
        assert_eq!(list.effect(&[code(4)]), None);
    }

    #[test]
    fn errors_are_no_codes() {
        let is = |text: &str| is_code(text.parse().unwrap()).is_some();
        for good in ["127.0.0.2", "127.0.1.255", "127.255.254.255", "127.0.0.0"] {
            assert!(is(good), "{good}");
        }
        let bad = ["127.0.0.1", "127.255.255.0", "127.255.255.255", "10.0.0.2", "::1"];
        for bad in bad.into_iter().chain(["126.255.255.255", "128.0.0.0", "::ffff:127.0.0.2"]) {
            assert!(!is(bad), "{bad}");
        }
    }
}
