//! SipHash-2-4 (Aumasson and Bernstein, 2012) with a key: what makes a token's name.
//!
//! Who has the counts but not the key cannot tell which words they are about, nor choose words
//! that share a count.

/// The secret of a server, under which all its tokens are named.
#[derive(Clone, Copy)]
pub struct Key(u64, u64);

impl Key {
    /// The key that these octets are.
    #[must_use]
    pub fn new(octets: [u8; 16]) -> Self {
        let both = u128::from_le_bytes(octets);
        Self(both as u64, (both >> 64) as u64)
    }

    /// The hash of some octets.
    #[must_use]
    pub fn hash(&self, octets: &[u8]) -> u64 {
        let mut state = [
            self.0 ^ 0x736f_6d65_7073_6575,
            self.1 ^ 0x646f_7261_6e64_6f6d,
            self.0 ^ 0x6c79_6765_6e65_7261,
            self.1 ^ 0x7465_6462_7974_6573,
        ];
        let (words, rest) = octets.as_chunks::<8>();
        for word in words {
            absorb(&mut state, u64::from_le_bytes(*word));
        }
        // The last word has the octets left, and the length's lowest octet on top.
        let mut last = (octets.len() as u64) << 56;
        for (at, octet) in rest.iter().enumerate() {
            last |= u64::from(*octet) << (8 * at);
        }
        absorb(&mut state, last);
        state[2] ^= 0xff;
        for _ in 0..4 {
            round(&mut state);
        }
        state.iter().fold(0, |all, part| all ^ part)
    }
}

fn absorb(state: &mut [u64; 4], word: u64) {
    state[3] ^= word;
    round(state);
    round(state);
    state[0] ^= word;
}

fn round([a, b, c, d]: &mut [u64; 4]) {
    *a = a.wrapping_add(*b);
    *c = c.wrapping_add(*d);
    *b = b.rotate_left(13) ^ *a;
    *d = d.rotate_left(16) ^ *c;
    *a = a.rotate_left(32);
    *c = c.wrapping_add(*b);
    *a = a.wrapping_add(*d);
    *b = b.rotate_left(17) ^ *c;
    *d = d.rotate_left(21) ^ *a;
    *c = c.rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_the_paper() {
        let key = Key::new(std::array::from_fn(|at| at as u8));
        let octets: Vec<u8> = (0..15).collect();
        assert_eq!(key.hash(&octets), 0xa129_ca61_49be_45e5);
        assert_eq!(key.hash(b""), 0x726f_db47_dd0e_0e31);
    }

    #[test]
    fn another_key_gives_another_name() {
        assert_ne!(Key::new([1; 16]).hash(b"word"), Key::new([2; 16]).hash(b"word"));
    }
}
