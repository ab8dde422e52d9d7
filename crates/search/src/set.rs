//! Sets of a segment's documents, and answers made of two of them.

/// A set of ordinals below a segment's number of documents.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Set {
    words: Vec<u64>,
    documents: u32,
}

impl Set {
    /// The empty set of a segment with so many documents.
    #[must_use]
    pub fn empty(documents: u32) -> Self {
        Self { words: vec![0; documents.div_ceil(64) as usize], documents }
    }

    /// All of a segment's documents.
    #[must_use]
    pub fn full(documents: u32) -> Self {
        let mut set = Self { words: vec![u64::MAX; documents.div_ceil(64) as usize], documents };
        set.trim();
        set
    }

    /// Bits past the last document are always clear.
    fn trim(&mut self) {
        let over = self.documents % 64;
        if over > 0
            && let Some(last) = self.words.last_mut()
        {
            *last &= (1 << over) - 1;
        }
    }

    /// Documents that a set of this segment can hold.
    #[must_use]
    pub fn documents(&self) -> u32 {
        self.documents
    }

    /// Members.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    /// Whether it has no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Adds a member; one past the last document is left out. Gives whether it is new.
    pub fn insert(&mut self, ordinal: u32) -> bool {
        let Some(word) = self.words.get_mut(ordinal as usize / 64) else { return false };
        let bit = 1 << (ordinal % 64);
        let is_new = ordinal < self.documents && *word & bit == 0;
        *word |= if is_new { bit } else { 0 };
        is_new
    }

    /// Whether it is a member.
    #[must_use]
    pub fn contains(&self, ordinal: u32) -> bool {
        self.words.get(ordinal as usize / 64).is_some_and(|word| word >> (ordinal % 64) & 1 == 1)
    }

    /// The members, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().zip(0_u32..).flat_map(|(word, at)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros();
                left &= left.wrapping_sub(1);
                (bit < 64).then_some(at * 64 + bit)
            })
        })
    }

    /// Keeps what is in both.
    pub fn intersect(&mut self, other: &Self) {
        for (at, word) in self.words.iter_mut().enumerate() {
            *word &= other.words.get(at).copied().unwrap_or(0);
        }
    }

    /// Adds what is in the other.
    pub fn unite(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word |= other;
        }
        self.trim();
    }

    /// Takes away what is in the other.
    pub fn subtract(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= !other;
        }
    }

    /// What is not in it.
    pub fn complement(&mut self) {
        for word in &mut self.words {
            *word = !*word;
        }
        self.trim();
    }
}

/// What a segment knows of a question: documents that match, and others that may match and must be
/// looked at. The two sets have no member in common; all other documents do not match.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Answer {
    /// Match.
    pub certain: Set,
    /// May match.
    pub possible: Set,
}

impl Answer {
    /// Matches nothing.
    #[must_use]
    pub fn none(documents: u32) -> Self {
        Self { certain: Set::empty(documents), possible: Set::empty(documents) }
    }

    /// Matches all.
    #[must_use]
    pub fn all(documents: u32) -> Self {
        Self { certain: Set::full(documents), possible: Set::empty(documents) }
    }

    /// Nothing is known.
    #[must_use]
    pub fn unknown(documents: u32) -> Self {
        Self { certain: Set::empty(documents), possible: Set::full(documents) }
    }

    /// Exactly these match.
    #[must_use]
    pub fn exactly(certain: Set) -> Self {
        let possible = Set::empty(certain.documents());
        Self { certain, possible }
    }

    /// Both match.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        let mut either = self.certain.clone();
        either.unite(&self.possible);
        let mut other_either = other.certain.clone();
        other_either.unite(&other.possible);
        either.intersect(&other_either);
        self.certain.intersect(&other.certain);
        either.subtract(&self.certain);
        self.possible = either;
        self
    }

    /// One of them matches.
    #[must_use]
    pub fn or(mut self, other: &Self) -> Self {
        self.certain.unite(&other.certain);
        self.possible.unite(&other.possible);
        self.possible.subtract(&self.certain);
        self
    }

    /// Does not match.
    #[must_use]
    pub fn negated(mut self) -> Self {
        self.certain.unite(&self.possible);
        self.certain.complement();
        self
    }
}
