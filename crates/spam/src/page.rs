//! Counts as they are stored: pages of packed entries, sorted, bounded, aged.
//!
//! Octets of a page: version (1), age in halvings modulo 256, then entries of 8 octets, little
//! endian, ascending: `name (32 bits) | ham (12) | spam (12) | touched (8)`. A token's page and
//! name are bits of its hash, so names say nothing without the key. A page that is full forgets
//! what was seen seldom and long ago; halvings are done when a page is next touched.

/// Pages of an account, or of the server.
pub const PAGES: usize = 256;
/// Entries of a page: with 8 octets each, all pages of an account are below 2 MB.
pub const ENTRIES_MAX: usize = 960;
/// Entries that stay when a full page forgets.
const ENTRIES_KEPT: usize = 900;
/// Largest count of an entry.
pub(crate) const COUNT_MAX: u16 = 0xfff;
const VERSION: u8 = 1;

/// In how many messages of each class a token was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Messages that were kept.
    pub ham: u16,
    /// Messages called junk.
    pub spam: u16,
}

/// Where the counts of a token are: the number of the page, and the name in it.
#[must_use]
pub const fn place(hash: u64) -> (u8, u32) {
    ((hash >> 56) as u8, (hash >> 24) as u32)
}

/// Why stored octets are not a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageError {
    /// Of a version that is not known.
    Version,
    /// Not whole entries, too many, or not in order.
    Damaged,
}

impl std::fmt::Display for PageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Version => "counts of an unknown version",
            Self::Damaged => "damaged counts",
        })
    }
}

impl std::error::Error for PageError {}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry {
    name: u32,
    counts: Counts,
    touched: u8,
}

impl Entry {
    const fn unpack(packed: u64) -> Self {
        let counts = Counts {
            ham: (packed >> 20) as u16 & COUNT_MAX,
            spam: (packed >> 8) as u16 & COUNT_MAX,
        };
        Self { name: (packed >> 32) as u32, counts, touched: packed as u8 }
    }

    const fn pack(self) -> u64 {
        (self.name as u64) << 32
            | (self.counts.ham as u64) << 20
            | (self.counts.spam as u64) << 8
            | self.touched as u64
    }
}

/// A page of counts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    age: u8,
    entries: Vec<u64>,
}

impl Page {
    /// Reads a stored page; of no octets, an empty one.
    pub fn open(octets: &[u8]) -> Result<Self, PageError> {
        let (age, rest) = match octets {
            [] => return Ok(Self::default()),
            [VERSION, age, rest @ ..] => (*age, rest),
            [VERSION] => return Err(PageError::Damaged),
            _ => return Err(PageError::Version),
        };
        let (packed, cut) = rest.as_chunks::<8>();
        if !cut.is_empty() || packed.len() > ENTRIES_MAX {
            return Err(PageError::Damaged);
        }
        let entries: Vec<u64> = packed.iter().map(|octets| u64::from_le_bytes(*octets)).collect();
        if entries.is_sorted_by(|a, b| a >> 32 < b >> 32) {
            Ok(Self { age, entries })
        } else {
            Err(PageError::Damaged)
        }
    }

    /// As it is stored; empty when it holds nothing, and then it need not be stored.
    #[must_use]
    pub fn pack(&self) -> Vec<u8> {
        if self.entries.is_empty() {
            return Vec::new();
        }
        let mut octets = Vec::with_capacity(2 + 8 * self.entries.len());
        octets.extend([VERSION, self.age]);
        self.entries.iter().for_each(|entry| octets.extend(entry.to_le_bytes()));
        octets
    }

    /// How many tokens have counts.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none has.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The counts of the token with this name, at this age of the totals.
    #[must_use]
    pub fn counts(&self, name: u32, age: u8) -> Counts {
        let shift = u32::from(age.wrapping_sub(self.age)).min(15);
        self.entry(name).map_or_else(Counts::default, |entry| Counts {
            ham: entry.counts.ham >> shift,
            spam: entry.counts.spam >> shift,
        })
    }

    fn entry(&self, name: u32) -> Option<Entry> {
        let at = self.at(name).ok()?;
        self.entries.get(at).map(|packed| Entry::unpack(*packed))
    }

    fn at(&self, name: u32) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&name, |packed| (packed >> 32) as u32)
    }

    /// Halves what is older than the totals.
    pub(crate) fn halve(&mut self, age: u8) {
        let shift = u32::from(age.wrapping_sub(self.age)).min(15);
        self.age = age;
        if shift == 0 {
            return;
        }
        self.entries.retain_mut(|packed| {
            let mut entry = Entry::unpack(*packed);
            entry.counts.ham >>= shift;
            entry.counts.spam >>= shift;
            *packed = entry.pack();
            entry.counts != Counts::default()
        });
    }

    /// Changes one token's counts; an entry without counts goes.
    pub(crate) fn change(&mut self, name: u32, touched: u8, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.entry(name).map(|entry| entry.counts).unwrap_or_default();
        change(&mut counts);
        counts.ham = counts.ham.min(COUNT_MAX);
        counts.spam = counts.spam.min(COUNT_MAX);
        let packed = Entry { name, counts, touched }.pack();
        match self.at(name) {
            Ok(at) if counts == Counts::default() => {
                self.entries.remove(at);
            }
            Ok(at) => {
                if let Some(entry) = self.entries.get_mut(at) {
                    *entry = packed;
                }
            }
            Err(_) if counts == Counts::default() => {}
            Err(at) => self.entries.insert(at, packed),
        }
        if self.entries.len() > ENTRIES_MAX {
            self.forget(touched);
        }
    }

    /// Forgets what is worth least: a count is worth half after each sixteen generations unseen.
    fn forget(&mut self, now: u8) {
        let worth = |packed: &u64| {
            let Entry { counts, touched, .. } = Entry::unpack(*packed);
            let weight = (u32::from(counts.ham) + u32::from(counts.spam)).max(1).ilog2() * 16;
            (weight + 255).saturating_sub(u32::from(now.wrapping_sub(touched)))
        };
        let mut worths: Vec<(u32, u64)> =
            self.entries.iter().map(|packed| (worth(packed), *packed)).collect();
        worths.sort_unstable_by_key(|(worth, packed)| (std::cmp::Reverse(*worth), *packed));
        worths.truncate(ENTRIES_KEPT);
        self.entries = worths.into_iter().map(|(_, packed)| packed).collect();
        self.entries.sort_unstable();
    }
}

#[cfg(test)]
mod tests;
