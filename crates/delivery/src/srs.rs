//! Sender rewriting (SRS): mail that an alias leads elsewhere is sent on in our own name, so that
//! SPF of its sender does not stop it, and what comes back finds its way.
//!
//! Invariants: only an address that we made, some days ago at most, is turned back: nobody can have
//! us send mail to whom they like. Case does not matter: hosts on the way change it.

use mail::{Address, Domain};

/// Days that mail may come back.
const DAYS_MAX: i64 = 21;
/// Days after which numbers of days begin anew.
const DAYS_CYCLE: i64 = 1_024;
/// Characters of the proof: 35 bits.
const PROOF_CHARS: usize = 7;
const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Rewrites senders.
#[derive(Clone)]
pub struct Srs {
    key: [u8; 32],
}

/// Why an address is not turned back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It is no rewritten address.
    Syntax,
    /// We did not make it.
    Forged,
    /// It is too old.
    Old,
}

/// A number of five bits as a letter.
fn letter(number: i64) -> char {
    let at = usize::try_from(number & 31).unwrap_or(0);
    LETTERS.get(at).copied().map_or('A', char::from)
}

fn day_letters(day: i64) -> String {
    let day = day.rem_euclid(DAYS_CYCLE);
    [letter(day >> 5), letter(day)].into_iter().collect()
}

/// What follows `SRS0` or `SRS1` and one of its separators.
fn strip<'a>(local: &'a str, tag: &str) -> Option<&'a str> {
    let head = local.get(..4).filter(|head| head.eq_ignore_ascii_case(tag))?;
    let rest = local.get(head.len()..)?;
    rest.strip_prefix(['=', '+', '-'])
}

impl Srs {
    /// With a secret that no other installation has.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self { key: blake3::derive_key("palomar 2026-11 sender rewriting", secret) }
    }

    fn proof(&self, parts: &[&str]) -> String {
        let text = parts.join("=").to_lowercase();
        let hash = blake3::keyed_hash(&self.key, text.as_bytes());
        hash.as_bytes().iter().take(PROOF_CHARS).map(|octet| letter(i64::from(*octet))).collect()
    }

    /// The sender of mail that goes on from an address of `domain`, on this day (since 1970).
    /// `None` when there is no such address: what it would be is too long.
    #[must_use]
    pub fn forward(&self, sender: &Address, domain: &Domain, day: i64) -> Option<Address> {
        if sender.domain() == domain {
            return Some(sender.clone());
        }
        let (local, host) = (sender.local(), sender.domain().to_ascii());
        let rewritten = if let Some(rest) = strip(local, "SRS1") {
            // Whoever rewrote it first is who it goes back to.
            let (_, kept) = rest.split_once('=')?;
            format!("SRS1={}={kept}", self.proof(&[kept]))
        } else if strip(local, "SRS0").is_some() {
            let kept = format!("{host}={}", local.get(4..)?);
            format!("SRS1={}={kept}", self.proof(&[&kept]))
        } else {
            let day = day_letters(day);
            format!("SRS0={}={day}={host}={local}", self.proof(&[&day, &host, local]))
        };
        Address::new(&rewritten, domain.clone())
    }

    /// Whom mail to such a local part goes back to.
    ///
    /// # Errors
    /// A [`Fault`].
    pub fn reverse(&self, local: &str, day: i64) -> Result<Address, Fault> {
        let address = |local: &str, host: &str| {
            let host = Domain::parse(host).ok_or(Fault::Syntax)?;
            Address::new(local, host).ok_or(Fault::Syntax)
        };
        if let Some(rest) = strip(local, "SRS1") {
            let (proof, kept) = rest.split_once('=').ok_or(Fault::Syntax)?;
            self.check(proof, &[kept])?;
            let (host, tail) = kept.split_once('=').ok_or(Fault::Syntax)?;
            return address(&format!("SRS0{tail}"), host);
        }
        let rest = strip(local, "SRS0").ok_or(Fault::Syntax)?;
        let mut parts = rest.splitn(4, '=');
        let (Some(proof), Some(made), Some(host), Some(local)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Fault::Syntax);
        };
        self.check(proof, &[made, host, local])?;
        let fresh = (-1..=DAYS_MAX).any(|age| day_letters(day - age).eq_ignore_ascii_case(made));
        if fresh { address(local, host) } else { Err(Fault::Old) }
    }

    fn check(&self, proof: &str, parts: &[&str]) -> Result<(), Fault> {
        let wanted = self.proof(parts);
        // Guesses cost a message each: what the time of a comparison tells does not help them.
        if wanted.eq_ignore_ascii_case(proof) { Ok(()) } else { Err(Fault::Forged) }
    }
}

/// Whether a local part is a rewritten one, ours or not.
#[must_use]
pub fn is_rewritten(local: &str) -> bool {
    strip(local, "SRS0").is_some() || strip(local, "SRS1").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn there_and_back() {
        let (srs, ours) = (Srs::new(&[1; 32]), Domain::parse("ours.test").unwrap());
        let sender = address("ana=x@far.test");
        let rewritten = srs.forward(&sender, &ours, 20_000).unwrap();
        assert!(rewritten.to_string().starts_with("SRS0=") && rewritten.domain() == &ours);
        assert_eq!(srs.reverse(rewritten.local(), 20_000), Ok(sender.clone()));
        assert_eq!(srs.reverse(&rewritten.local().to_lowercase(), 20_000), Ok(sender));
        // Our own needs none.
        assert_eq!(srs.forward(&address("a@ours.test"), &ours, 1), Some(address("a@ours.test")));
    }

    #[test]
    fn ages_at_the_limit_and_beyond() {
        let (srs, ours) = (Srs::new(&[1; 32]), Domain::parse("ours.test").unwrap());
        for day in [5, 1_020, 20_000] {
            let made = srs.forward(&address("a@far.test"), &ours, day).unwrap();
            assert!(srs.reverse(made.local(), day + DAYS_MAX).is_ok());
            assert_eq!(srs.reverse(made.local(), day + DAYS_MAX + 1), Err(Fault::Old));
            assert_eq!(srs.reverse(made.local(), day - 2), Err(Fault::Old));
        }
    }

    #[test]
    fn forwarded_twice_it_goes_back_to_the_first() {
        let first = Srs::new(&[1; 32]);
        let sender = address("a@far.test");
        let one = first.forward(&sender, &Domain::parse("one.test").unwrap(), 9).unwrap();
        let second = Srs::new(&[2; 32]);
        let two = second.forward(&one, &Domain::parse("two.test").unwrap(), 9).unwrap();
        assert!(two.local().starts_with("SRS1="), "{two}");
        assert_eq!(second.reverse(two.local(), 9), Ok(one.clone()));
        let three = Srs::new(&[3; 32]).forward(&two, &Domain::parse("three.test").unwrap(), 9);
        let back = Srs::new(&[3; 32]).reverse(three.unwrap().local(), 9).unwrap();
        assert_eq!(back, one);
        assert_eq!(first.reverse(back.local(), 9), Ok(sender));
    }

    #[test]
    fn what_we_did_not_make_goes_nowhere() {
        let srs = Srs::new(&[1; 32]);
        let other =
            Srs::new(&[2; 32]).forward(&address("a@b.test"), &Domain::parse("c.test").unwrap(), 9);
        assert_eq!(srs.reverse(other.unwrap().local(), 9), Err(Fault::Forged));
        for bad in ["ana", "SRS0", "SRS0=", "SRS0=a=b=c", "SRS1=a", "SRS\u{e4}"] {
            assert!(matches!(srs.reverse(bad, 9), Err(Fault::Syntax | Fault::Forged)), "{bad}");
        }
        assert!(is_rewritten("srs0+x") && is_rewritten("SRS1-x") && !is_rewritten("srs"));
    }
}
