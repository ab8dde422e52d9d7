//! Several segments into one.
//!
//! Numbers of documents are held in memory; texts and lists of documents stream through.

use crate::{
    Error, Limits, Segment, Sink,
    builder::{BODY, COLUMNS, CROSSINGS, HEADER},
    column::{Column, ColumnWriter},
    container::{Output, Section, Summary},
    order::MergedValues,
    rows::{self, Row, RowWriter, RunCursor, RunWriter},
    terms::{Places, TermCursor, TermWriter},
};
use mail::MessageId;
use std::cmp::Ordering;

/// No place in the new segment.
const DROPPED: u32 = u32::MAX;
/// Octets that are gathered before the sink is given some.
const WRITE_OCTETS: usize = 256 << 10;

/// Writes one segment with the documents of all these for which `keep` holds, and gives how many
/// they are. Where the same message is in several, the last segment's document counts.
///
/// # Errors
/// [`Error::Full`] when [`Limits`] would be passed (what was written is then to be dropped);
/// [`Error::Damaged`]; those of sources and sink.
pub async fn merge(
    segments: &[&Segment],
    keep: &(dyn Fn(MessageId) -> bool + Sync),
    limits: Limits,
    sink: &mut dyn Sink,
) -> Result<u32, Error> {
    let plan = Plan::new(segments, keep).await?;
    let documents = plan.order.len() as u32;
    if documents > limits.segment_messages_max {
        return Err(Error::Full);
    }
    let out = Output::new(limits.level)?;
    let mut merge = Merge { segments, plan, out, sink, octets_max: limits.segment_octets_max };
    let summary = merge.rows().await?;
    for column in 0..COLUMNS as u8 {
        merge.column(column).await?;
    }
    merge.terms(HEADER).await?;
    merge.runs(Section::HeaderRuns).await?;
    merge.terms(BODY).await?;
    merge.terms(CROSSINGS).await?;
    merge.runs(Section::BodyRuns).await?;
    let Merge { out, sink, .. } = merge;
    sink.write(out.finish(summary)?.into()).await?;
    Ok(documents)
}

/// Which document goes where.
struct Plan {
    /// By new ordinal: place of the segment, old ordinal, message.
    order: Vec<(u32, u32, MessageId)>,
    /// By segment and old ordinal: the new ordinal.
    places: Vec<Vec<u32>>,
}

impl Plan {
    async fn new(
        segments: &[&Segment],
        keep: &(dyn Fn(MessageId) -> bool + Sync),
    ) -> Result<Self, Error> {
        let mut order = Vec::new();
        let mut places = Vec::with_capacity(segments.len());
        for (at, segment) in (0_u32..).zip(segments) {
            let messages = segment.messages().await?;
            let kept = (0_u32..).zip(&messages).filter(|(_, message)| keep(**message));
            order.extend(kept.map(|(ordinal, message)| (at, ordinal, *message)));
            places.push(vec![DROPPED; messages.len()]);
        }
        // Of the same message the last segment's first, which alone stays.
        order.sort_unstable_by_key(|(at, _, message)| (*message, u32::MAX - at));
        order.dedup_by_key(|(_, _, message)| *message);
        for (new, (at, ordinal, _)) in (0_u32..).zip(&order) {
            let places: Option<&mut Vec<u32>> = places.get_mut(*at as usize);
            if let Some(place) = places.and_then(|places| places.get_mut(*ordinal as usize)) {
                *place = new;
            }
        }
        Ok(Self { order, places })
    }

    fn place(&self, segment: usize, ordinal: u32) -> u32 {
        let places = self.places.get(segment);
        places.and_then(|places| places.get(ordinal as usize)).copied().unwrap_or(DROPPED)
    }
}

struct Merge<'m> {
    segments: &'m [&'m Segment],
    plan: Plan,
    out: Output,
    sink: &'m mut dyn Sink,
    octets_max: u64,
}

impl Merge<'_> {
    /// Passes on what has gathered.
    async fn pass(&mut self) -> Result<(), Error> {
        if self.out.octets() > self.octets_max {
            return Err(Error::Full);
        }
        if self.out.ready() >= WRITE_OCTETS {
            self.sink.write(self.out.take().into()).await?;
        }
        Ok(())
    }

    async fn rows(&mut self) -> Result<Summary, Error> {
        let mut old = Vec::with_capacity(self.segments.len());
        for segment in self.segments {
            let input = &segment.input;
            let (sent, links) = (rows::sent(input).await?, rows::links(input).await?);
            let letters = rows::letters(input).await?;
            old.push((sent, links, rows::partial(input).await?, letters));
        }
        let mut writer = RowWriter::new();
        let id = |row: Option<&(u32, u32, MessageId)>| row.map_or(0, |(_, _, message)| message.0);
        let mut summary = Summary {
            documents: self.plan.order.len() as u32,
            span: (id(self.plan.order.first()), id(self.plan.order.last())),
            partial: 0,
        };
        for (at, ordinal, message) in &self.plan.order {
            let Some((sent, links, partial, letters)) = old.get_mut(*at as usize) else { continue };
            let place = *ordinal as usize;
            let references = links.references.get_mut(place);
            let row = Row {
                message: *message,
                partial: partial.contains(*ordinal),
                reply: links.replies.get(place).copied().unwrap_or(false),
                sent: sent.get(place).copied().flatten(),
                letters: letters.get(place).copied().unwrap_or(0),
                message_id: links.message_ids.get(place).copied().unwrap_or(0),
                references: references.map(std::mem::take).unwrap_or_default(),
            };
            summary.partial += u32::from(row.partial);
            writer.push(&row, &mut self.out)?;
        }
        writer.finish(&mut self.out)?;
        self.pass().await?;
        Ok(summary)
    }

    async fn column(&mut self, column: u8) -> Result<(), Error> {
        let mut old = Vec::with_capacity(self.segments.len());
        for (at, segment) in self.segments.iter().enumerate() {
            let opened = Column::new(&segment.input, column);
            let ranks = opened.ranks().await?;
            // Of values that stay the new rank, once it is known; 0 of others.
            let mut used = crate::Set::empty(opened.values() + 1);
            for (ordinal, rank) in (0_u32..).zip(&ranks) {
                if self.plan.place(at, ordinal) != DROPPED {
                    used.insert(*rank);
                }
            }
            old.push((ranks, used, vec![0_u32]));
        }
        let mut writer = ColumnWriter::new(column);
        let mut values = MergedValues::new(self.segments, column).await?;
        while let Some((value, holders)) = values.next().await? {
            let is_used = |at: &usize| {
                old.get(*at).is_some_and(|(_, used, news)| used.contains(news.len() as u32))
            };
            let any = holders.iter().any(is_used);
            let rank = if any { writer.value(&value, &mut self.out)? } else { 0 };
            for at in holders {
                if let Some((_, _, news)) = old.get_mut(at) {
                    news.push(rank);
                }
            }
            self.pass().await?;
        }
        let rank = |(at, ordinal, _): &(u32, u32, MessageId)| {
            let (ranks, _, news) = old.get(*at as usize)?;
            news.get(*ranks.get(*ordinal as usize)? as usize).copied()
        };
        let ranks: Vec<u32> = self.plan.order.iter().map(|one| rank(one).unwrap_or(0)).collect();
        writer.ranks(&ranks, &mut self.out)?;
        self.pass().await
    }

    async fn terms(&mut self, places: Places) -> Result<(), Error> {
        let mut cursors = Vec::with_capacity(self.segments.len());
        for (at, segment) in self.segments.iter().enumerate() {
            let mut cursor = TermCursor::new(&segment.input, places);
            if cursor.advance().await? {
                cursors.push((at, cursor));
            }
        }
        let mut writer = TermWriter::new(places, self.plan.order.len() as u32);
        let (mut name, mut text, mut list) = (String::new(), String::new(), Vec::new());
        while let Some((_, least)) = cursors.iter().min_by(|(_, a), (_, b)| by_term(a, b)) {
            name.clone_from(&least.name);
            text.clone_from(&least.text);
            list.clear();
            let mut at = 0;
            while let Some((segment, cursor)) = cursors.get_mut(at) {
                if cursor.name != name || cursor.text != text {
                    at += 1;
                    continue;
                }
                let new = cursor.list.iter().map(|old| self.plan.place(*segment, *old));
                list.extend(new.filter(|new| *new != DROPPED));
                if cursor.advance().await? {
                    at += 1;
                } else {
                    cursors.remove(at);
                }
            }
            if !list.is_sorted() {
                list.sort_unstable();
            }
            if !list.is_empty() {
                writer.push((&name, &text), &list, &mut self.out)?;
                self.pass().await?;
            }
        }
        writer.finish(&mut self.out)?;
        self.out.release();
        self.pass().await
    }

    async fn runs(&mut self, section: Section) -> Result<(), Error> {
        let place = section.place();
        let mut cursors = Vec::with_capacity(self.segments.len());
        for segment in self.segments {
            let mut cursor = RunCursor::new(&segment.input, place);
            let first = cursor.next().await?.map(|(ordinal, runs)| (ordinal, runs.to_owned()));
            cursors.push((cursor, first));
        }
        let mut writer = RunWriter::new(place);
        for at in 0..self.plan.order.len() {
            let Some((segment, ordinal, _)) = self.plan.order.get(at).copied() else { break };
            let Some((cursor, next)) = cursors.get_mut(segment as usize) else { continue };
            while next.as_ref().is_some_and(|(old, _)| *old < ordinal) {
                *next = cursor.next().await?.map(|(old, runs)| (old, runs.to_owned()));
            }
            let runs = next.as_ref().filter(|(old, _)| *old == ordinal);
            writer.push(runs.map_or("", |(_, runs)| runs.as_str()), &mut self.out)?;
            self.pass().await?;
        }
        writer.finish(&mut self.out)?;
        self.pass().await
    }
}

fn by_term(a: &TermCursor<'_>, b: &TermCursor<'_>) -> Ordering {
    (&a.name, &a.text).cmp(&(&b.name, &b.text))
}
