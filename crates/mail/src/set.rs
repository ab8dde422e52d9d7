//! Sets of numbers: message sequence numbers or Uids with `*` already resolved.

/// Sorted, disjoint, non-adjacent inclusive ranges.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NumberSet(Vec<(u32, u32)>);

impl NumberSet {
    /// From ranges in any order, either end first.
    #[must_use]
    pub fn of(ranges: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut sorted: Vec<_> =
            ranges.into_iter().map(|(a, b)| if a <= b { (a, b) } else { (b, a) }).collect();
        sorted.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(sorted.len());
        for (first, last) in sorted {
            match merged.last_mut() {
                Some(end) if first <= end.1.saturating_add(1) => end.1 = end.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }
    /// From single numbers in any order.
    #[must_use]
    pub fn of_numbers(numbers: impl IntoIterator<Item = u32>) -> Self {
        Self::of(numbers.into_iter().map(|n| (n, n)))
    }
    /// Adds a number greater than or equal to the last one.
    pub fn push(&mut self, number: u32) {
        match self.0.last_mut() {
            Some(end) if number <= end.1.saturating_add(1) => end.1 = end.1.max(number),
            _ => self.0.push((number, number)),
        }
    }
    /// The ranges.
    #[must_use]
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.0
    }
    /// Whether the number is in it.
    #[must_use]
    pub fn contains(&self, number: u32) -> bool {
        let at = self.0.partition_point(|range| range.1 < number);
        self.0.get(at).is_some_and(|range| range.0 <= number)
    }
    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// How many numbers.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.iter().map(|(a, b)| u64::from(b - a) + 1).sum()
    }
    /// Each number, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().flat_map(|&(a, b)| a..=b)
    }
}

/// As IMAP writes it: `1:4,7`.
impl std::fmt::Display for NumberSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, (first, last)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}:{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn ranges_are_put_in_order_and_merged() {
        let set = NumberSet::of([(9, 7), (1, 2), (3, 3), (5, 5), (8, 12)]);
        assert_eq!(set.ranges(), [(1, 3), (5, 5), (7, 12)]);
        assert_eq!(set.to_string(), "1:3,5,7:12");
        assert_eq!(set.len(), 10);
        assert!(set.contains(1) && set.contains(12) && !set.contains(4) && !set.contains(13));
    }

    #[test]
    fn edges_of_the_numbers() {
        let all = NumberSet::of([(0, u32::MAX), (u32::MAX, u32::MAX)]);
        assert_eq!((all.len(), all.ranges().len()), (1 << 32, 1));
        let empty = NumberSet::default();
        assert!(empty.is_empty() && !empty.contains(0) && empty.to_string().is_empty());
        assert_eq!(NumberSet::of_numbers([u32::MAX, 0]).to_string(), "0,4294967295");
    }

    #[test]
    fn pushing_in_order() {
        let mut set = NumberSet::default();
        for number in [1, 2, 2, 4, u32::MAX, u32::MAX] {
            set.push(number);
        }
        assert_eq!(set.to_string(), "1:2,4,4294967295");
    }

    proptest! {
        #[test]
        fn as_a_plain_set(ranges in proptest::collection::vec((0_u32..60, 0_u32..60), 0..12)) {
            let set = NumberSet::of(ranges.clone());
            let plain: BTreeSet<u32> =
                ranges.iter().flat_map(|(a, b)| *a.min(b)..=*a.max(b)).collect();
            prop_assert_eq!(set.iter().collect::<BTreeSet<_>>(), plain.clone());
            prop_assert_eq!(set.len(), plain.len() as u64);
            prop_assert!((0..61).all(|n| set.contains(n) == plain.contains(&n)));
            prop_assert!(set.ranges().windows(2).all(|w| w[0].1 + 1 < w[1].0));
            prop_assert_eq!(NumberSet::of_numbers(plain), set);
        }
    }
}
