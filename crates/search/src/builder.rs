//! Builds a segment from documents, in memory that it tells.

use crate::{
    Document, Error, Field, Limits, SortKey,
    column::BETWEEN,
    container::{Output, Section, Summary},
    gather::{OF_FIELD, Postings, Values},
    rows::{LINK_OCTETS, Row, RowWriter, RunWriter},
    terms::Places,
    tokens::{self, Class, TERM_OCTETS_MAX, WORD_OCTETS_MAX},
};
use mail::MessageId;

/// Where the dictionary of the body is.
pub const BODY: Places = Places {
    texts: Section::BodyTerms.place(),
    postings: Section::BodyPostings.place(),
    names: None,
};
/// Where the crossings of the body are.
pub const CROSSINGS: Places = Places {
    texts: Section::CrossingTerms.place(),
    postings: Section::CrossingPostings.place(),
    names: None,
};
/// Where that of the header is.
pub const HEADER: Places = Places {
    texts: Section::HeaderTerms.place(),
    postings: Section::HeaderPostings.place(),
    names: Some(Section::HeaderNames.place()),
};
/// Columns: [`Field::ALL`], then [`SortKey::ALL`].
pub const COLUMNS: usize = Field::ALL.len() + SortKey::ALL.len();

/// Builds one segment.
pub struct Builder {
    limits: Limits,
    rows: Vec<Row>,
    row_octets: usize,
    body: Postings,
    header: Postings,
    crossings: Postings,
    body_runs: Vec<(u32, String)>,
    header_runs: Vec<(u32, String)>,
    columns: [Values; COLUMNS],
    /// A field's name and a term of it.
    term: String,
}

impl Builder {
    /// An empty one.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            rows: Vec::new(),
            row_octets: 0,
            body: Postings::default(),
            header: Postings::default(),
            crossings: Postings::default(),
            body_runs: Vec::new(),
            header_runs: Vec::new(),
            columns: Default::default(),
            term: String::new(),
        }
    }

    /// Adds a document.
    ///
    /// # Errors
    /// [`Error::Order`] when its id is not above the last one's; [`Error::Full`] when
    /// [`Limits::segment_messages_max`] are there or [`Limits::builder_octets_max`] are passed:
    /// finish this one, and add it to the next.
    pub fn push(&mut self, document: &Document) -> Result<(), Error> {
        if self.last().is_some_and(|last| last >= document.message) {
            return Err(Error::Order);
        }
        if self.len() >= self.limits.segment_messages_max
            || self.octets() >= self.limits.builder_octets_max
        {
            return Err(Error::Full);
        }
        let ordinal = self.len();
        let octets_max = self.limits.document_octets_max.min(document.body.len());
        let cut = document.body.floor_char_boundary(octets_max);
        let partial = cut < document.body.len() || document.partial;
        let body = document.body.get(..cut).unwrap_or_default();
        self.body(ordinal, body);
        self.header(ordinal, &document.header);
        let keys = self.columns.iter_mut().skip(Field::ALL.len());
        for (column, key) in keys.zip(&document.sort) {
            column.push(Some(key));
        }
        let row = Row {
            message: document.message,
            partial,
            reply: document.reply,
            sent: document.sent,
            letters: tokens::letters(body),
            message_id: document.message_id,
            references: document.references.clone(),
        };
        self.row_octets += size_of::<Row>() + row.references.len() * 8 + LINK_OCTETS;
        self.rows.push(row);
        Ok(())
    }

    /// Takes in a body.
    fn body(&mut self, ordinal: u32, body: &str) {
        self.body.document();
        let mut long = String::new();
        let mut crossings = tokens::Crossings::new(body);
        self.crossings.document();
        tokens::runs(body, |class, run| {
            if let Some(crossing) = crossings.next(run) {
                self.crossings.term(&tokens::crossing_term(crossing));
            }
            match class {
                Class::Dense => tokens::pairs(run, |pair| self.body.term(pair)),
                _ if run.len() <= TERM_OCTETS_MAX => self.body.term(run),
                _ => {
                    long.push_str(run);
                    long.push('\n');
                }
            }
        });
        if !long.is_empty() {
            self.row_octets += long.len() + size_of::<String>();
            self.body_runs.push((ordinal, long));
        }
    }

    /// Takes in a header.
    fn header(&mut self, ordinal: u32, fields: &[(String, String)]) {
        self.header.document();
        let mut long = String::new();
        let mut own: [Option<String>; Field::ALL.len()] = Default::default();
        for (name, value) in fields {
            if let Some(slot) = Field::of(name).and_then(|field| own.get_mut(field as usize)) {
                match slot {
                    Some(values) => {
                        values.push(BETWEEN);
                        values.push_str(value);
                    }
                    None => *slot = Some(value.clone()),
                }
                continue;
            }
            self.term.clear();
            // A name has no control characters (RFC 5322 §3.6.8); one that has is found without.
            self.term.extend(name.chars().map(|c| if c < ' ' { '?' } else { c }));
            self.term.push(OF_FIELD);
            let start = self.term.len();
            self.header.term(&self.term);
            for word in tokens::words(name, value) {
                if word.len() > WORD_OCTETS_MAX {
                    long.push_str(&self.term);
                    long.push_str(word);
                    long.push('\n');
                    continue;
                }
                self.term.push_str(word);
                self.header.term(&self.term);
                self.term.truncate(start);
            }
        }
        if !long.is_empty() {
            self.row_octets += long.len() + size_of::<String>();
            self.header_runs.push((ordinal, long));
        }
        for (column, value) in self.columns.iter_mut().zip(&own) {
            column.push(value.as_deref());
        }
    }

    /// The last document added.
    #[must_use]
    pub fn last(&self) -> Option<MessageId> {
        self.rows.last().map(|last| last.message)
    }

    /// Documents added.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.rows.len() as u32
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Memory held and needed to finish, octets; without the segment's own.
    #[must_use]
    pub fn octets(&self) -> usize {
        let columns: usize = self.columns.iter().map(Values::octets).sum();
        self.row_octets
            + self.crossings.octets()
            + self.body.octets()
            + self.header.octets()
            + columns
    }

    /// The segment's bytes.
    ///
    /// # Errors
    /// [`Error::Full`] past [`Limits::segment_octets_max`].
    pub fn finish(self) -> Result<Vec<u8>, Error> {
        let id = |row: Option<&Row>| row.map_or(0, |row| row.message.0);
        let summary = Summary {
            documents: self.len(),
            span: (id(self.rows.first()), id(self.rows.last())),
            partial: self.rows.iter().filter(|row| row.partial).count() as u32,
        };
        let mut out = Output::new(self.limits.level)?;
        let mut rows = RowWriter::new();
        for row in &self.rows {
            rows.push(row, &mut out)?;
        }
        rows.finish(&mut out)?;
        for (column, values) in (0_u8..).zip(self.columns) {
            values.write(column, &mut out)?;
        }
        self.header.write(HEADER, &mut out)?;
        out.release();
        write_runs(Section::HeaderRuns, &self.header_runs, &mut out)?;
        self.body.write(BODY, &mut out)?;
        out.release();
        self.crossings.write(CROSSINGS, &mut out)?;
        out.release();
        write_runs(Section::BodyRuns, &self.body_runs, &mut out)?;
        let octets = out.finish(summary)?;
        if octets.len() as u64 > self.limits.segment_octets_max {
            return Err(Error::Full);
        }
        Ok(octets)
    }
}

fn write_runs(section: Section, all: &[(u32, String)], out: &mut Output) -> Result<(), Error> {
    let mut writer = RunWriter::new(section.place());
    let mut next = 0;
    for (ordinal, runs) in all {
        for _ in next..*ordinal {
            writer.push("", out)?;
        }
        writer.push(runs, out)?;
        next = ordinal + 1;
    }
    writer.finish(out)
}
