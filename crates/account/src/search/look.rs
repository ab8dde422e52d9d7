//! Messages that the index says too little of, looked at one by one. Exact and complete.

use super::plan::{Leaf, Place, Plan, sent_within};
use crate::{Account, Error, Record, Row, document, index::own};
use ::search::{Builder, Document, Error as IndexError, Limits, Segment};
use bytes::Bytes;
use mail::{MailboxId, MessageId, header};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// A row that must be looked at.
pub(super) struct Open {
    pub row: Row,
    pub place: Place,
    /// What [`Plan::by_row`] said.
    pub by_row: Vec<bool>,
}

/// A message being looked at; what is read of it is read once.
struct Look<'a> {
    account: &'a Account,
    record: Option<Record>,
    text: Option<Arc<Document>>,
    header: Option<String>,
    copied_at: Option<i64>,
    similar: &'a Similar,
    message: u32,
    octets: u64,
}

impl Look<'_> {
    /// The message's texts.
    async fn text(&mut self) -> Result<Option<Arc<Document>>, Error> {
        if self.text.is_none()
            && let Some(record) = &self.record
        {
            let text = Arc::new(self.account.document(record).await?);
            self.octets += u64::from(record.octets());
            // Who asks once often asks again, with a word more.
            self.account.shared.texts.remember_text(self.account.id.0, &text);
            self.text = Some(text);
        }
        Ok(self.text.clone())
    }

    async fn field(&mut self, name: &str, needle: &str) -> Result<bool, Error> {
        let holds = |(field, value): &(String, String)| field == name && value.contains(needle);
        if self.text.is_none()
            && let Some(record) = &self.record
        {
            if record.holds_field(name) {
                let fields = header::fields(record.fields());
                let mut same = fields.filter(|f| document::name_is(f, name));
                return Ok(same.any(|f| needle.is_empty() || document::value(&f).contains(needle)));
            }
            let head = self.account.body(record, 0..record.header_octets()).await?;
            self.octets += head.len() as u64;
            return Ok(document::fields(&head).iter().any(holds));
        }
        Ok(self.text.as_ref().is_some_and(|text| text.header.iter().any(holds)))
    }

    async fn leaf(&mut self, at: usize, leaf: &Leaf) -> Result<bool, Error> {
        Ok(match leaf {
            Leaf::Sent(from, to) => match (&self.record, &self.text) {
                (Some(record), _) => sent_within(record.sent_date(), (*from, *to)),
                (None, text) => sent_within(text.as_ref().and_then(|text| text.sent), (*from, *to)),
            },
            Leaf::Saved(from, to) => self
                .record
                .as_ref()
                .map(|record| self.copied_at.unwrap_or(record.save_date()))
                .is_some_and(|saved| super::within(saved, (*from, *to))),
            Leaf::Header(name, needle) => self.field(name, needle).await?,
            Leaf::Similar(_) => self.similar.contains_key(&(at, self.message)),
            Leaf::Body(needle) => {
                self.text().await?.is_some_and(|text| text.body.contains(needle.as_str()))
            }
            Leaf::Text(needle) => {
                let Some(text) = self.text().await? else { return Ok(false) };
                let header = &text.header;
                let head = self.header.get_or_insert_with(|| document::header_text(header));
                head.contains(needle.as_str()) || text.body.contains(needle.as_str())
            }
        })
    }

    async fn matches(&mut self, plan: &Plan, open: &Open) -> Result<bool, Error> {
        let mut known: Vec<Option<bool>> =
            (0..plan.leaves.len()).map(|leaf| plan.knows(leaf, open.place)).collect();
        loop {
            // The first leaf that is needed and not known is read; then it is asked again.
            let mut wanted = None;
            let decided = plan.decide_with(&open.by_row, &mut |leaf| {
                let value = known.get(leaf).copied().flatten();
                if value.is_none() {
                    wanted = wanted.or(Some(leaf));
                }
                value
            });
            if let Some(decided) = decided {
                return Ok(decided);
            }
            let Some((at, leaf)) = wanted.and_then(|at| Some((at, plan.leaves.get(at)?))) else {
                return Ok(false);
            };
            let value = self.leaf(at, leaf).await?;
            if let Some(slot) = known.get_mut(at) {
                *slot = Some(value);
            }
        }
    }
}

/// What there is to look at of a row.
#[derive(Default)]
struct Matter {
    record: Option<Record>,
    text: Option<Arc<Document>>,
    copied_at: Option<i64>,
}

/// How similar messages are that no segment holds: by leaf and message.
type Similar = HashMap<(usize, u32), f32>;

impl Plan {
    /// Looks at rows, in order, until so many octets were read; gives those that match, and how
    /// many were looked at.
    pub(super) async fn look(
        &self,
        (account, mailbox): (&Account, MailboxId),
        rows: &[Open],
        octets_max: u64,
    ) -> Result<(Vec<(Row, f32)>, usize), Error> {
        let mut matter = self.matter((account, mailbox), rows).await?;
        let similar = self.similar(account, rows, &mut matter).await?;
        let (mut found, mut octets) = (Vec::new(), 0);
        for (at, (open, Matter { record, text, copied_at })) in rows.iter().zip(matter).enumerate()
        {
            if octets > octets_max {
                return Ok((found, at));
            }
            if record.is_none() && text.is_none() {
                // Erased meanwhile.
                continue;
            }
            let message = open.row.message.0;
            let header = None;
            let similar = &similar;
            let mut look =
                Look { account, record, text, header, copied_at, similar, message, octets: 0 };
            if look.matches(self, open).await? {
                let each = (0..self.leaves.len()).filter_map(|leaf| similar.get(&(leaf, message)));
                let score = each.fold(self.score(open.place), |sum, score| sum + score);
                found.push((open.row.clone(), score));
            }
            octets += look.octets;
        }
        Ok((found, rows.len()))
    }

    /// Texts that are remembered, and records of the other rows.
    async fn matter(
        &self,
        (account, mailbox): (&Account, MailboxId),
        rows: &[Open],
    ) -> Result<Vec<Matter>, Error> {
        let saved = self.leaves.iter().any(|leaf| matches!(leaf, Leaf::Saved(..)));
        let known = |open: &Open| {
            let text = || account.shared.texts.text(account.id.0, open.row.message.0);
            Matter { text: if saved { None } else { text() }, ..Matter::default() }
        };
        let mut matter: Vec<Matter> = rows.iter().map(known).collect();
        let missing = rows.iter().zip(&matter).filter(|(_, one)| one.text.is_none());
        let ids: Vec<MessageId> = missing.map(|(open, _)| open.row.message).collect();
        let records = account.records(&ids).await?;
        let empty = matter.iter_mut().filter(|one| one.text.is_none());
        empty.zip(records).for_each(|(one, record)| one.record = record);
        if saved {
            let places: Vec<_> = rows.iter().map(|open| (open.row.message, open.row.uid)).collect();
            let times = account.copied_at(mailbox, &places).await?;
            matter.iter_mut().zip(times).for_each(|(one, time)| one.copied_at = time);
        }
        Ok(matter)
    }

    /// Asks a segment made for the purpose of the messages that no stored one holds, so that they
    /// are found by the same rules.
    async fn similar(
        &self,
        account: &Account,
        rows: &[Open],
        matter: &mut [Matter],
    ) -> Result<Similar, Error> {
        let mut similar = Similar::new();
        let leaves: Vec<(usize, &Vec<String>)> = (0..)
            .zip(&self.leaves)
            .filter_map(|(at, leaf)| match leaf {
                Leaf::Similar(words) => Some((at, words)),
                _ => None,
            })
            .collect();
        if leaves.is_empty() {
            return Ok(similar);
        }
        let mut texts = BTreeMap::new();
        for (_, one) in rows.iter().zip(matter).filter(|(open, _)| open.place.is_none()) {
            let text = match (&one.text, &one.record) {
                (Some(text), _) => Arc::clone(text),
                (None, Some(record)) => Arc::new(account.document(record).await?),
                (None, None) => continue,
            };
            account.shared.texts.remember_text(account.id.0, &text);
            texts.insert(text.message, Arc::clone(&text));
            one.text = Some(text);
        }
        let mut texts = texts.into_values().peekable();
        while texts.peek().is_some() {
            let mut builder = Builder::new(Limits::default());
            let mut messages = Vec::new();
            while let Some(text) = texts.peek() {
                match builder.push(text) {
                    Ok(()) => messages.push(text.message),
                    Err(IndexError::Full) => break,
                    Err(error) => return Err(own(error)),
                }
                texts.next();
            }
            let bytes = Bytes::from(builder.finish().map_err(own)?);
            let segment = Segment::open(Arc::new(bytes)).await.map_err(own)?;
            for (at, words) in &leaves {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                for (ordinal, score) in segment.similar(&words).await.map_err(own)? {
                    if let Some(message) = messages.get(ordinal as usize) {
                        similar.insert((*at, message.0), score);
                    }
                }
            }
        }
        Ok(similar)
    }
}
