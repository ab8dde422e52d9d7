//! What is counted for reports to other domains: DMARC of their mail that came here, TLS of their
//! hosts that were called. One tally for each kind, day and domain, of rows that are alike.
//!
//! Invariants: rows of a tally, and of all together, have a limit, beyond which messages are only
//! counted as lost; what was reported leaves in the commit that queues the report, and what was
//! counted meanwhile stays. What a row says is the caller's.

use super::{Changed, Envelope, QUEUE, Queue, QueueId};
use crate::{
    Error, body,
    codec::{Reader, Writer},
    directory::turn::Turn,
    keys,
    seal::Kind,
};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

const FORM: u8 = 1;

/// What kind of report is counted for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TallyKind {
    /// DMARC aggregate reports (RFC 9990).
    Dmarc = 1,
    /// TLS reports (RFC 8460).
    Tls = 2,
}

/// Names a tally.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TallyId {
    /// For what kind of report.
    pub kind: TallyKind,
    /// Days since 1970, UTC.
    pub day: u32,
    /// Whose report it becomes, in lower case.
    pub domain: String,
}

/// What was counted of a domain on a day, without its rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tally {
    /// Which.
    pub id: TallyId,
    /// When the first was counted, in seconds since 1970.
    pub since: i64,
    /// Rows there are.
    pub rows: u32,
    /// All that was counted.
    pub counted: u64,
    /// Of these, what no row was left for.
    pub lost: u64,
    /// What the caller said of it last.
    pub about: Vec<u8>,
    /// Destinations that have the report already.
    pub done: Vec<String>,
    /// Times that it could not be sent.
    pub tries: u32,
    /// Not to be tried before, in seconds since 1970.
    pub next_at: i64,
}

/// A row and how often it was counted.
pub type TallyRow = (Vec<u8>, u64);

/// What is to be counted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Addition {
    /// Goes into [`Tally::about`].
    pub about: Vec<u8>,
    /// Rows and counts.
    pub rows: BTreeMap<Vec<u8>, u64>,
    /// Counted without a row.
    pub lost: u64,
}

/// How much is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TallyLimits {
    /// Rows of one tally.
    pub rows_max: u32,
    /// Rows of all tallies; each tally itself counts as one.
    pub all_rows_max: u32,
}

/// Who changes tallies, and how many rows there are; `None`: not known.
#[derive(Default)]
pub(super) struct Tallied {
    turn: Turn,
    rows: Mutex<Option<u64>>,
}

impl Tallied {
    fn rows(&self) -> MutexGuard<'_, Option<u64>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TallyKind {
    const fn read(octet: u8) -> Option<Self> {
        match octet {
            1 => Some(Self::Dmarc),
            2 => Some(Self::Tls),
            _ => None,
        }
    }
}

impl TallyId {
    const fn place(&self) -> (u8, u32) {
        (self.kind as u8, self.day)
    }
}

impl Tally {
    fn new(id: &TallyId, since: i64) -> Self {
        let (id, about, done) = (id.clone(), Vec::new(), Vec::new());
        Self { id, since, rows: 0, counted: 0, lost: 0, about, done, tries: 0, next_at: 0 }
    }

    fn write(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.byte(FORM).bytes(self.id.domain.as_bytes()).signed(self.since);
        to.number(self.rows.into()).number(self.counted).number(self.lost).bytes(&self.about);
        to.number(self.done.len() as u64);
        for one in &self.done {
            to.bytes(one.as_bytes());
        }
        to.number(self.tries.into()).signed(self.next_at);
        to.0
    }

    /// `None` for damage.
    fn read(octets: &[u8], (kind, day): (TallyKind, u32)) -> Option<Self> {
        let mut from = Reader(octets);
        (from.byte()? == FORM).then_some(())?;
        let id = TallyId { kind, day, domain: from.text()?.to_owned() };
        let mut tally = Self::new(&id, from.signed()?);
        (tally.rows, tally.counted) = (from.number32()?, from.number()?);
        (tally.lost, tally.about) = (from.number()?, from.bytes()?.to_vec());
        for _ in 0..from.number()? {
            tally.done.push(from.text()?.to_owned());
        }
        (tally.tries, tally.next_at) = (from.number32()?, from.signed()?);
        from.is_empty().then_some(tally)
    }
}

impl Queue {
    fn tally_hash(&self, id: &TallyId) -> u64 {
        let (kind, day) = id.place();
        self.seal.hash(Kind::Tally, &[&[kind], &day.to_be_bytes(), id.domain.as_bytes()])
    }

    fn tally_put(&self, tally: &Tally) -> Result<(Bytes, Option<Bytes>), Error> {
        let hash = self.tally_hash(&tally.id);
        let sealed = self.seal.seal(Kind::Tally, hash, &tally.write())?;
        Ok((keys::tally(tally.id.place(), hash), Some(sealed.into())))
    }

    fn row_put(
        &self,
        (id, hash): (&TallyId, u64),
        (row, count): (&[u8], u64),
    ) -> Result<(Bytes, Option<Bytes>), Error> {
        let number = self.row_hash(hash, row);
        let mut to = Writer::default();
        to.byte(FORM).bytes(row).number(count);
        let sealed = self.seal.seal(Kind::TallyRow, number, &to.0)?;
        Ok((keys::tally_row(id.place(), hash, number), Some(sealed.into())))
    }

    fn row_hash(&self, tally: u64, row: &[u8]) -> u64 {
        self.seal.hash(Kind::TallyRow, &[&tally.to_be_bytes(), row])
    }

    fn open_row(&self, (key, sealed): (&[u8], &[u8])) -> Result<TallyRow, Error> {
        let damaged = || Error::Damaged("a row of a tally".to_owned());
        let number = keys::tally_row_of(key).ok_or_else(damaged)?;
        let plain = self.seal.open(Kind::TallyRow, number, sealed).map_err(|_| damaged())?;
        let mut from = Reader(&plain);
        let read =
            (from.byte() == Some(FORM)).then(|| Some((from.bytes()?.to_vec(), from.number()?)));
        read.flatten().ok_or_else(damaged)
    }

    fn open_tally(&self, (key, sealed): (&[u8], &[u8])) -> Result<Tally, Error> {
        let damaged = || Error::Damaged("a tally".to_owned());
        let (kind, day, hash) = keys::tally_of(key).ok_or_else(damaged)?;
        let kind = TallyKind::read(kind).ok_or_else(damaged)?;
        let plain = self.seal.open(Kind::Tally, hash, sealed).map_err(|_| damaged())?;
        Tally::read(&plain, (kind, day)).ok_or_else(damaged)
    }

    /// All tallies, without their rows, by kind and day.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn tallies(&self) -> Result<Vec<Tally>, Error> {
        let (from, to) = keys::all(keys::tag::TALLY);
        let entries_max = usize::MAX;
        let scan = store::Scan { account: QUEUE, from, to, reverse: false, entries_max };
        let found = self.shared.kv.scan(scan).await?;
        found.iter().map(|(key, sealed)| self.open_tally((key, sealed))).collect()
    }

    /// A tally.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn tally(&self, id: &TallyId) -> Result<Option<Tally>, Error> {
        let key = keys::tally(id.place(), self.tally_hash(id));
        let Some(sealed) = self.shared.kv.get(QUEUE, key.clone()).await? else { return Ok(None) };
        self.open_tally((&key, &sealed)).map(Some)
    }

    /// Its rows.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn tally_rows(&self, id: &TallyId) -> Result<Vec<TallyRow>, Error> {
        let found = self.scan_rows(id).await?;
        found.iter().map(|(key, sealed)| self.open_row((key, sealed))).collect()
    }

    async fn scan_rows(&self, id: &TallyId) -> Result<Vec<(Bytes, Bytes)>, Error> {
        let (from, to) = keys::tally_rows(id.place(), self.tally_hash(id));
        let entries_max = usize::MAX;
        let scan = store::Scan { account: QUEUE, from, to, reverse: false, entries_max };
        Ok(self.shared.kv.scan(scan).await?)
    }

    /// Rows of all tallies. Asked in one's turn.
    async fn all_rows(&self) -> Result<u64, Error> {
        if let Some(rows) = *self.tallied.rows() {
            return Ok(rows);
        }
        Ok(self.tallies().await?.iter().map(|tally| u64::from(tally.rows) + 1).sum())
    }

    /// Adds to tallies, in one commit. What there is no room for is counted as lost, and a domain
    /// of which there is no tally yet is not counted at all then. Gives how many were not counted.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn count_rows(
        &self,
        additions: &BTreeMap<TallyId, Addition>,
        limits: TallyLimits,
    ) -> Result<u64, Error> {
        let _turn = self.tallied.turn.take().await;
        let (mut all, mut puts, mut uncounted) = (self.all_rows().await?, Vec::new(), 0_u64);
        *self.tallied.rows() = None;
        for (id, addition) in additions {
            let sum = addition.rows.values().fold(addition.lost, |sum, count| sum + count);
            let tally = match self.tally(id).await? {
                Some(tally) => tally,
                None if all >= limits.all_rows_max.into() => {
                    uncounted += sum;
                    continue;
                }
                None => {
                    all += 1;
                    Tally::new(id, self.shared.clock.now_seconds())
                }
            };
            let room = u64::from(limits.all_rows_max).saturating_sub(all);
            let own = u64::from(limits.rows_max.saturating_sub(tally.rows));
            let before = tally.rows;
            let tally = self.add(tally, addition, (room.min(own), &mut puts)).await?;
            all += u64::from(tally.rows - before);
            puts.push(self.tally_put(&tally)?);
        }
        if !puts.is_empty() {
            self.commit(|_| Ok((puts, Changed::default()))).await?;
        }
        *self.tallied.rows() = Some(all);
        Ok(uncounted)
    }

    /// Adds rows to a tally while there is `room` for new ones.
    async fn add(
        &self,
        mut tally: Tally,
        addition: &Addition,
        (mut room, puts): (u64, &mut Vec<(Bytes, Option<Bytes>)>),
    ) -> Result<Tally, Error> {
        let hash = self.tally_hash(&tally.id);
        for (row, count) in &addition.rows {
            tally.counted = tally.counted.saturating_add(*count);
            let key = keys::tally_row(tally.id.place(), hash, self.row_hash(hash, row));
            let known = match self.shared.kv.get(QUEUE, key.clone()).await? {
                Some(sealed) => Some(self.open_row((&key, &sealed))?),
                None => None,
            };
            let before = match known {
                Some((same, before)) if same == *row => before,
                None if room > 0 => {
                    (room, tally.rows) = (room - 1, tally.rows + 1);
                    0
                }
                // No room, or another row has the same hash, which does not happen.
                _ => {
                    tally.lost = tally.lost.saturating_add(*count);
                    continue;
                }
            };
            puts.push(self.row_put((&tally.id, hash), (row, before.saturating_add(*count)))?);
        }
        tally.counted = tally.counted.saturating_add(addition.lost);
        tally.lost = tally.lost.saturating_add(addition.lost);
        tally.about.clone_from(&addition.about);
        Ok(tally)
    }

    /// Remembers that a report has not been sent yet, or not everywhere.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn postpone(&self, sent: &Tally) -> Result<(), Error> {
        let _turn = self.tallied.turn.take().await;
        let Some(now) = self.tally(&sent.id).await? else { return Ok(()) };
        let Tally { tries, next_at, .. } = *sent;
        let put = self.tally_put(&Tally { done: sent.done.clone(), tries, next_at, ..now })?;
        self.commit(|_| Ok((vec![put], Changed::default()))).await.map(|_| ())
    }

    /// Takes out what was reported of a tally, and puts the report into the queue, if there is one,
    /// in one commit. What was counted since stays.
    ///
    /// # Errors
    /// Those of [`Self::put`]; [`Error::Damaged`].
    pub async fn close_tally(
        &self,
        (sent, rows): (&Tally, &[TallyRow]),
        message: Option<(&Envelope, &[u8])>,
    ) -> Result<Option<QueueId>, Error> {
        let _turn = self.tallied.turn.take().await;
        *self.tallied.rows() = None;
        let Some(mut tally) = self.tally(&sent.id).await? else { return Ok(None) };
        let told: HashMap<&[u8], u64> = rows.iter().map(|(row, count)| (&**row, *count)).collect();
        let hash = self.tally_hash(&tally.id);
        let mut puts = Vec::new();
        tally.rows = 0;
        for (key, sealed) in self.scan_rows(&sent.id).await? {
            let (row, count) = self.open_row((&key, &sealed))?;
            match count.saturating_sub(told.get(&*row).copied().unwrap_or(0)) {
                0 => puts.push((key, None)),
                left => {
                    tally.rows += 1;
                    puts.push(self.row_put((&tally.id, hash), (&row, left))?);
                }
            }
        }
        tally.counted = tally.counted.saturating_sub(sent.counted);
        tally.lost = tally.lost.saturating_sub(sent.lost);
        tally.since = self.shared.clock.now_seconds();
        (tally.done, tally.tries, tally.next_at) = (Vec::new(), 0, 0);
        puts.push(match tally.counted {
            0 => (keys::tally(tally.id.place(), hash), None),
            _ => self.tally_put(&tally)?,
        });
        let Some((envelope, content)) = message else {
            self.commit(|_| Ok((puts, Changed::default()))).await?;
            return Ok(None);
        };
        let chunks = body::chunks(content, self.shared.options.zstd_level);
        let plan = |number| {
            let (blob, places) = body::seal(&self.seal, number, &chunks)?;
            puts.push(self.envelope_put(number, envelope, &places)?);
            Ok((puts, Changed { blobs: vec![(number, blob.into())], drops: Vec::new() }))
        };
        self.commit(plan).await.map(|number| Some(QueueId(number)))
    }
}
