//! The hash of a body in its canonical form (RFC 6376 §3.4.3, §3.4.4), piece by piece.
//!
//! Invariants: the hash does not depend on where pieces end; nothing of the body is kept but how
//! many empty lines and whether white space wait to be hashed.

use aws_lc_rs::digest::{Context, SHA256};

/// A canonicalisation (§3.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Canonical {
    /// As it is, but for empty lines at the end.
    Simple,
    /// White space counts as little as it can.
    Relaxed,
}

/// Hashes a body.
#[derive(Clone)]
pub struct BodyHash {
    canonical: Canonical,
    context: Context,
    /// Octets that still count (`l=`).
    left: u64,
    /// Octets of the canonical form so far.
    octets: u64,
    /// Line ends that are hashed if something follows.
    lines: u64,
    /// White space that is hashed, as one space, if something follows on the line.
    space: bool,
    /// A CR whose LF may follow.
    cr: bool,
    /// Something was hashed.
    any: bool,
}

impl BodyHash {
    /// Of at most `octets_max` octets of the canonical form.
    #[must_use]
    pub fn new(canonical: Canonical, octets_max: u64) -> Self {
        Self {
            canonical,
            context: Context::new(&SHA256),
            left: octets_max,
            octets: 0,
            lines: 0,
            space: false,
            cr: false,
            any: false,
        }
    }

    fn emit(&mut self, octets: &[u8]) {
        self.octets += octets.len() as u64;
        let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(octets.len());
        self.left -= count as u64;
        self.context.update(octets.get(..count).unwrap_or_default());
    }

    /// Content that is neither line end nor white space that may go.
    fn content(&mut self, octets: &[u8]) {
        for _ in 0..std::mem::take(&mut self.lines) {
            self.emit(b"\r\n");
        }
        if std::mem::take(&mut self.space) {
            self.emit(b" ");
        }
        self.any = true;
        self.emit(octets);
    }

    /// The next piece.
    pub fn update(&mut self, mut piece: &[u8]) {
        while let Some(first) = piece.first().copied() {
            if std::mem::take(&mut self.cr) {
                if first == b'\n' {
                    // §3.4.4: white space at the end of a line does not count.
                    self.space = false;
                    self.lines += 1;
                    piece = piece.get(1..).unwrap_or_default();
                    continue;
                }
                self.content(b"\r");
            }
            let relaxed = self.canonical == Canonical::Relaxed;
            match first {
                b'\r' => {
                    self.cr = true;
                    piece = piece.get(1..).unwrap_or_default();
                }
                b' ' | b'\t' if relaxed => {
                    self.space = true;
                    piece = piece.get(1..).unwrap_or_default();
                }
                _ => {
                    let end = if relaxed {
                        memchr::memchr3(b'\r', b' ', b'\t', piece)
                    } else {
                        memchr::memchr(b'\r', piece)
                    };
                    let (run, rest) = piece.split_at(end.unwrap_or(piece.len()));
                    self.content(run);
                    piece = rest;
                }
            }
        }
    }

    /// The hash, and octets of the canonical form.
    #[must_use]
    pub fn finish(mut self) -> ([u8; 32], u64) {
        if std::mem::take(&mut self.cr) {
            self.content(b"\r");
        }
        // §3.4.3: "If there is no body or no trailing CRLF on the message body, a CRLF is added."
        // §3.4.4: an empty body stays empty.
        if self.any || self.canonical == Canonical::Simple {
            self.emit(b"\r\n");
        }
        let mut hash = [0; 32];
        let digest = self.context.finish();
        for (slot, octet) in hash.iter_mut().zip(digest.as_ref()) {
            *slot = *octet;
        }
        (hash, self.octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::digest::digest;
    use proptest::prelude::*;

    fn hash(canonical: Canonical, body: &[u8]) -> Vec<u8> {
        let mut hash = BodyHash::new(canonical, u64::MAX);
        hash.update(body);
        hash.finish().0.to_vec()
    }

    fn of(octets: &[u8]) -> Vec<u8> {
        digest(&SHA256, octets).as_ref().to_vec()
    }

    #[test]
    fn rfc6376_3_4_5_examples() {
        let body = b" C \r\nD \t E\r\n\r\n\r\n";
        assert_eq!(hash(Canonical::Relaxed, body), of(b" C\r\nD E\r\n"));
        assert_eq!(hash(Canonical::Simple, body), of(b" C \r\nD \t E\r\n"));
    }

    #[test]
    fn ends_of_bodies() {
        for (body, simple, relaxed) in [
            (&b""[..], &b"\r\n"[..], &b""[..]),
            (b"\r\n\r\n", b"\r\n", b""),
            (b" \t\r\n\r\n", b" \t\r\n", b""),
            (b"a", b"a\r\n", b"a\r\n"),
            (b"a\r\n \r\n\t\r\n", b"a\r\n \r\n\t\r\n", b"a\r\n"),
            (b"a  \t", b"a  \t\r\n", b"a\r\n"),
            (b"a\r", b"a\r\r\n", b"a\r\r\n"),
            (b"a\nb\r\n", b"a\nb\r\n", b"a\nb\r\n"),
            (b"a\r\r\nb", b"a\r\r\nb\r\n", b"a\r\r\nb\r\n"),
        ] {
            assert_eq!(hash(Canonical::Simple, body), of(simple), "{body:?}");
            assert_eq!(hash(Canonical::Relaxed, body), of(relaxed), "{body:?}");
        }
    }

    #[test]
    fn only_so_many_octets() {
        let mut hash = BodyHash::new(Canonical::Simple, 3);
        hash.update(b"abcdef\r\n");
        let (found, octets) = hash.finish();
        assert_eq!((found.to_vec(), octets), (of(b"abc"), 8));
    }

    proptest! {
        #[test]
        fn where_pieces_end_does_not_matter(
            body in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b' '), Just(b'\t'), any::<u8>()], 0..60),
            cuts in proptest::collection::vec(0..60_usize, 0..6),
        ) {
            for canonical in [Canonical::Simple, Canonical::Relaxed] {
                let mut cuts = cuts.clone();
                cuts.retain(|cut| *cut < body.len());
                cuts.sort_unstable();
                let (mut hash_of, mut from) = (BodyHash::new(canonical, u64::MAX), 0);
                for cut in cuts {
                    hash_of.update(&body[from..cut]);
                    from = cut;
                }
                hash_of.update(&body[from..]);
                prop_assert_eq!(hash_of.finish().0.to_vec(), hash(canonical, &body));
            }
        }
    }
}
