//! Which messages a segment holds: message id to ordinal, in little memory.

use mail::MessageId;

/// Bits of a map for each document, at most; of messages further apart a list is kept.
const BITS_MAX: usize = 64;

/// The message ids of a segment's documents, ascending.
pub(crate) struct Ids(Form);

enum Form {
    /// A bit for each id from the first on, and how many are set before each word.
    Dense {
        first: u32,
        words: Vec<u64>,
        before: Vec<u32>,
    },
    Sparse(Vec<u32>),
}

impl Ids {
    /// Of ascending ids.
    pub fn of(ids: &[MessageId]) -> Self {
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else {
            return Self(Form::Sparse(Vec::new()));
        };
        let bits = last.0.saturating_sub(first.0) as usize + 1;
        if bits > BITS_MAX.saturating_mul(ids.len()) {
            return Self(Form::Sparse(ids.iter().map(|id| id.0).collect()));
        }
        let mut words = vec![0_u64; bits.div_ceil(64)];
        for id in ids {
            let at = id.0.saturating_sub(first.0);
            if let Some(word) = words.get_mut(at as usize / 64) {
                *word |= 1 << (at % 64);
            }
        }
        let count = |sum: &mut u32, word: &u64| {
            let before = *sum;
            *sum += word.count_ones();
            Some(before)
        };
        let before = words.iter().scan(0, count).collect();
        Self(Form::Dense { first: first.0, words, before })
    }

    /// The ordinal of a message's document.
    pub fn ordinal(&self, message: u32) -> Option<u32> {
        match &self.0 {
            Form::Dense { first, words, before } => {
                let at = message.checked_sub(*first)?;
                let (word, bit) = (words.get(at as usize / 64)?, at % 64);
                let below = (word & ((1 << bit) - 1)).count_ones();
                (word >> bit & 1 == 1).then_some(before.get(at as usize / 64)? + below)
            }
            Form::Sparse(ids) => ids.binary_search(&message).ok().and_then(|n| n.try_into().ok()),
        }
    }

    /// Octets of memory.
    pub fn octets(&self) -> usize {
        match &self.0 {
            Form::Dense { words, .. } => words.len() * 12,
            Form::Sparse(ids) => ids.len() * 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn check(ids: &BTreeSet<u32>) {
        let all: Vec<MessageId> = ids.iter().copied().map(MessageId).collect();
        let built = Ids::of(&all);
        for (at, id) in ids.iter().enumerate() {
            assert_eq!(built.ordinal(*id), Some(at as u32));
            for other in [id.wrapping_sub(1), id.wrapping_add(1)] {
                assert_eq!(built.ordinal(other).is_some(), ids.contains(&other));
            }
        }
    }

    #[test]
    fn none_one_and_far_apart() {
        check(&BTreeSet::new());
        assert_eq!(Ids::of(&[]).ordinal(0), None);
        check(&BTreeSet::from([0]));
        check(&BTreeSet::from([0, u32::MAX]));
        check(&BTreeSet::from([1, 63, 64, 65, 127, 128]));
    }

    proptest! {
        #[test]
        fn ordinals_are_places(near: BTreeSet<u8>, far: BTreeSet<u32>) {
            check(&near.into_iter().map(u32::from).collect());
            check(&far);
        }
    }
}
