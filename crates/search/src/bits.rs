//! Bits, and the two codes that lists of ordinals are made of: Elias gamma for counts and binary
//! interpolative coding for the list itself, which spends least where documents of a word stand
//! close together, as those of a conversation do.
//!
//! Reading never fails and never panics: past the end there are zeros, and what was decoded is
//! always inside the range asked for. Whether the bytes are whole is the checksum's to say.

/// Zero octets behind a stream, so that eight can be read at any place of it.
const PADDING: usize = 8;
/// The largest member of a list.
pub const HIGH_MAX: u32 = u32::MAX / 2;

/// Bits being written, lowest first.
#[derive(Default)]
pub struct BitWriter {
    out: Vec<u8>,
    held: u64,
    bits: u32,
}

impl BitWriter {
    /// Appends the lowest `bits` (at most 32) of `value`.
    pub fn put(&mut self, value: u32, bits: u32) {
        debug_assert!(bits <= 32 && (bits == 32 || value >> bits == 0));
        self.held |= u64::from(value) << self.bits;
        self.bits += bits;
        if self.bits >= 32 {
            self.out.extend_from_slice(&(self.held as u32).to_le_bytes());
            self.held >>= 32;
            self.bits -= 32;
        }
    }

    /// Elias gamma of a number of at least 1.
    pub fn put_gamma(&mut self, value: u32) {
        let wide = value.max(1).ilog2();
        self.put(0, wide);
        self.put(1, 1);
        self.put(value & ((1_u64 << wide) - 1) as u32, wide);
    }

    /// One of `choices` numbers, in ⌊log₂⌋ bits or one more.
    fn put_choice(&mut self, value: u32, choices: u32) {
        let wide = choices.max(1).ilog2();
        // So many of the choices fit the shorter code.
        let short = (2_u64 << wide) as u32;
        let short = short.wrapping_sub(choices);
        if value < short {
            self.put(value, wide);
        } else {
            let value = value + short;
            self.put(value >> 1, wide);
            self.put(value & 1, 1);
        }
    }

    /// An ascending list whose members are in `low..=high`; the reader must know how many. `high`
    /// is at most [`HIGH_MAX`].
    pub fn put_list(&mut self, list: &[u32], low: u32, high: u32) {
        let middle = list.len() / 2;
        let Some(&value) = list.get(middle) else { return };
        // All of the range: nothing to say.
        if (high - low) as usize + 1 == list.len() {
            return;
        }
        let (before, after) = (middle as u32, (list.len() - middle - 1) as u32);
        self.put_choice(value - (low + before), high - after - (low + before) + 1);
        if let (Some(left), Some(right)) = (list.get(..middle), list.get(middle + 1..)) {
            if !left.is_empty() {
                self.put_list(left, low, value - 1);
            }
            if !right.is_empty() {
                self.put_list(right, value + 1, high);
            }
        }
    }

    /// Bits written.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.out.len() as u64 * 8 + u64::from(self.bits)
    }

    /// Appends what another wrote.
    pub fn append(&mut self, other: &Self) {
        let (words, rest) = other.out.as_chunks::<4>();
        debug_assert!(rest.is_empty());
        for word in words {
            self.put(u32::from_le_bytes(*word), 32);
        }
        self.put(other.held as u32, other.bits);
    }

    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.out.clear();
        (self.held, self.bits) = (0, 0);
    }

    /// The octets, padded for [`BitReader`]; empties it.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        let mut out = std::mem::take(&mut self.out);
        out.extend_from_slice(&self.held.to_le_bytes());
        out.truncate(out.len() - 8 + self.bits.div_ceil(8) as usize);
        out.extend_from_slice(&[0; PADDING]);
        (self.held, self.bits) = (0, 0);
        out
    }
}

/// Bits being read.
pub struct BitReader<'a> {
    bytes: &'a [u8],
    at: u64,
}

impl<'a> BitReader<'a> {
    /// Reads what [`BitWriter::take`] gave.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// As [`BitReader::new`], from where another was ([`BitReader::place`]).
    #[must_use]
    pub fn at(bytes: &'a [u8], at: u64) -> Self {
        Self { bytes, at }
    }

    /// Bits passed.
    #[must_use]
    pub fn place(&self) -> u64 {
        self.at
    }

    /// At least 32 bits from here.
    fn peek(&self) -> u64 {
        let place = usize::try_from(self.at / 8).unwrap_or(usize::MAX);
        let eight = self.bytes.get(place..).and_then(<[u8]>::first_chunk::<8>);
        eight.map_or(0, |eight| u64::from_le_bytes(*eight)) >> (self.at % 8)
    }

    /// Reads at most 32 bits.
    pub fn read(&mut self, bits: u32) -> u32 {
        let value = self.peek() & ((1_u64 << bits) - 1);
        self.at += u64::from(bits);
        value as u32
    }

    /// Reads what [`BitWriter::put_gamma`] wrote.
    pub fn read_gamma(&mut self) -> u32 {
        let wide = self.peek().trailing_zeros();
        // Wider ones are never written: the end, or damage.
        if wide > 31 {
            self.at = self.bytes.len() as u64 * 8;
            return 1;
        }
        self.at += u64::from(wide) + 1;
        self.read(wide) | 1 << wide
    }

    fn read_choice(&mut self, choices: u32) -> u32 {
        let wide = choices.max(1).ilog2();
        let short = ((2_u64 << wide) as u32).wrapping_sub(choices);
        let bits = self.peek();
        let value = (bits & ((1_u64 << wide) - 1)) as u32;
        if value < short {
            self.at += u64::from(wide);
            value
        } else {
            self.at += u64::from(wide) + 1;
            (value << 1 | (bits >> wide & 1) as u32).wrapping_sub(short).min(choices - 1)
        }
    }

    /// Fills `list` with what [`BitWriter::put_list`] wrote for that range, ascending. A list
    /// longer than the range is left as it is.
    pub fn read_list(&mut self, list: &mut [u32], low: u32, high: u32) {
        let count = list.len();
        if count == 0 || low > high || high > HIGH_MAX || (high - low) as usize + 1 < count {
            return;
        }
        if (high - low) as usize + 1 == count {
            for (slot, value) in list.iter_mut().zip(low..=high) {
                *slot = value;
            }
            return;
        }
        let middle = count / 2;
        let (before, after) = (middle as u32, (count - middle - 1) as u32);
        let value = low + before + self.read_choice(high - after - (low + before) + 1);
        let Some((left, rest)) = list.split_at_mut_checked(middle) else { return };
        let Some((slot, right)) = rest.split_first_mut() else { return };
        *slot = value;
        if !left.is_empty() {
            self.read_list(left, low, value - 1);
        }
        if !right.is_empty() {
            self.read_list(right, value + 1, high);
        }
    }

    /// Passes over so many bits.
    pub fn skip(&mut self, bits: u64) {
        self.at = self.at.saturating_add(bits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn there_and_back(list: &[u32], high: u32) -> u64 {
        let mut writer = BitWriter::default();
        writer.put(5, 3);
        writer.put_list(list, 0, high);
        let bits = writer.len() - 3;
        writer.put_gamma(77);
        let bytes = writer.take();
        let mut reader = BitReader::new(&bytes);
        assert_eq!(reader.read(3), 5);
        let mut read = vec![0; list.len()];
        reader.read_list(&mut read, 0, high);
        assert_eq!(read, list);
        assert_eq!(reader.read_gamma(), 77);
        bits
    }

    #[test]
    fn lists_at_the_borders() {
        assert_eq!(there_and_back(&[], 10), 0);
        assert_eq!(there_and_back(&[0], 0), 0);
        there_and_back(&[HIGH_MAX], HIGH_MAX);
        there_and_back(&[0, HIGH_MAX], HIGH_MAX);
        let all: Vec<u32> = (0..=1_000).collect();
        assert_eq!(there_and_back(&all, 1_000), 0);
        // A run costs little beyond saying where it is.
        let run: Vec<u32> = (5_000..5_100).collect();
        assert!(there_and_back(&run, 100_000) < 250);
    }

    #[test]
    fn gamma_and_appending() {
        let mut one = BitWriter::default();
        let mut other = BitWriter::default();
        for value in [1, 2, 3, 4, 1_000, u32::MAX] {
            one.put_gamma(value);
            other.put(1, 1);
            other.put_gamma(value);
        }
        one.append(&other);
        let bytes = one.take();
        let mut reader = BitReader::new(&bytes);
        for value in [1, 2, 3, 4, 1_000, u32::MAX] {
            assert_eq!(reader.read_gamma(), value);
        }
        for value in [1, 2, 3, 4, 1_000, u32::MAX] {
            assert_eq!(reader.read(1), 1);
            assert_eq!(reader.read_gamma(), value);
        }
    }

    proptest! {
        #[test]
        fn lists(set in prop::collection::btree_set(0_u32..5_000, 0..400), more in 0_u32..9_000) {
            let list: Vec<u32> = BTreeSet::into_iter(set).collect();
            there_and_back(&list, 5_000 + more);
        }

        #[test]
        fn any_bytes_read(bytes in prop::collection::vec(any::<u8>(), 0..64), count in 0_usize..99) {
            let mut reader = BitReader::new(&bytes);
            for _ in 0..20 {
                let high = reader.read_gamma();
                let mut list = vec![0; count];
                reader.read_list(&mut list, 0, high);
                prop_assert!(list.iter().all(|value| *value <= high));
            }
        }
    }
}
