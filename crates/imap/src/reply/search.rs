//! What searching answers: SEARCH, SORT, THREAD, ESEARCH (RFC 9051 §7.3.3, §7.3.4, RFC 5256 §4,
//! RFC 4731, RFC 5267).

use super::{Reply, decimal, mailbox_name, quoted};
use crate::types::Window;
use mail::{ModSeq, NumberSet, Uid};

/// What was found.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// In the order of the mailbox.
    Set(&'a NumberSet),
    /// In an order of its own.
    Ordered(&'a [u32]),
}

impl Found<'_> {
    const fn is_empty(&self) -> bool {
        match self {
            Self::Set(set) => set.is_empty(),
            Self::Ordered(numbers) => numbers.is_empty(),
        }
    }
}

/// What ESEARCH says (RFC 4731 §3.1); `None` and not asked are both left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct EsearchLine<'a> {
    /// The mailbox and its UIDVALIDITY, when it may be another than the selected one (RFC 7377).
    pub mailbox: Option<(&'a str, u32)>,
    /// The numbers are Uids: UID SEARCH.
    pub uid: bool,
    /// MIN; left out when nothing was found.
    pub min: Option<u32>,
    /// MAX; left out when nothing was found.
    pub max: Option<u32>,
    /// ALL; left out when empty (RFC 4731 §3.1).
    pub all: Option<Found<'a>>,
    /// PARTIAL: the window as it was asked for, and what is in it (RFC 9394 §3.1).
    pub partial: Option<(Window, Found<'a>)>,
    /// COUNT
    pub count: Option<u64>,
    /// RELEVANCY, in the order of the results (RFC 6203 §4).
    pub relevancy: Option<&'a [u8]>,
    /// MODSEQ (RFC 7162 §3.1.10)
    pub modseq: Option<ModSeq>,
}

/// What changed in a result (RFC 5267 §4.3.2): (place, numbers) from place 1 in the order of the
/// result, or place 0 in the order of the mailbox.
#[derive(Clone, Copy, Debug)]
pub struct ContextUpdate<'a> {
    /// Tag of the command that asked.
    pub tag: &'a str,
    /// The numbers are Uids.
    pub uid: bool,
    /// REMOVEFROM, which comes first.
    pub removed: &'a [(u32, Vec<u32>)],
    /// ADDTO
    pub added: &'a [(u32, Vec<u32>)],
}

/// A piece of a THREAD response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ThreadMark {
    /// `(`
    Open,
    /// A message.
    Number(u32),
    /// `)`
    Close,
}

impl Reply<'_> {
    /// `* SEARCH …` (RFC 9051 §7.3.3 of IMAP4rev1; RFC 7162 §3.1.6)
    pub fn search(&mut self, numbers: impl IntoIterator<Item = u32>, modseq: Option<ModSeq>) {
        self.out.put(b"* SEARCH");
        self.numbers(numbers, modseq);
    }

    /// `* SORT …` (RFC 5256 §4 BASE.7.2.SORT; RFC 7162 §7)
    pub fn sort(&mut self, numbers: impl IntoIterator<Item = u32>, modseq: Option<ModSeq>) {
        self.out.put(b"* SORT");
        self.numbers(numbers, modseq);
    }

    fn numbers(&mut self, numbers: impl IntoIterator<Item = u32>, modseq: Option<ModSeq>) {
        for number in numbers {
            self.out.put(b" ");
            decimal(self.out, number.into());
        }
        if let Some(modseq) = modseq {
            self.out.put(b" (MODSEQ ");
            decimal(self.out, modseq.0);
            self.out.put(b")");
        }
        self.out.put(b"\r\n");
    }

    /// `* UIDBATCHES (TAG "…") newest:oldest,…`, from the newest batch on (RFC 10022).
    pub fn uid_batches(&mut self, ranges: &[(Uid, Uid)]) {
        self.out.put(b"* UIDBATCHES (TAG ");
        quoted(self.out, self.tag.as_bytes());
        self.out.put(b")");
        let mut before: &[u8] = b" ";
        for (newest, oldest) in ranges {
            self.out.put(before);
            decimal(self.out, newest.0.into());
            if newest != oldest {
                self.out.put(b":");
                decimal(self.out, oldest.0.into());
            }
            before = b",";
        }
        self.out.put(b"\r\n");
    }

    /// `* THREAD …` (RFC 5256 §4 BASE.7.2.THREAD). The marks must pair.
    pub fn thread(&mut self, marks: impl IntoIterator<Item = ThreadMark>) {
        self.out.put(b"* THREAD");
        let mut after_number = true;
        for mark in marks {
            // `"THREAD" [SP 1*thread-list]`, and
            // `thread-members = nz-number *(SP nz-number) [SP thread-nested]`
            if after_number && mark != ThreadMark::Close {
                self.out.put(b" ");
            }
            after_number = matches!(mark, ThreadMark::Number(_));
            match mark {
                ThreadMark::Open => self.out.put(b"("),
                ThreadMark::Number(number) => decimal(self.out, number.into()),
                ThreadMark::Close => self.out.put(b")"),
            }
        }
        self.out.put(b"\r\n");
    }

    /// `* ESEARCH (TAG "…") …` (RFC 9051 §7.3.4, RFC 4731)
    pub fn esearch(&mut self, line: &EsearchLine<'_>) {
        self.out.put(b"* ESEARCH (TAG ");
        quoted(self.out, self.tag.as_bytes());
        if let Some((mailbox, uid_validity)) = line.mailbox {
            self.out.put(b" MAILBOX ");
            mailbox_name(self.out, mailbox, self.enabled);
            self.out.put(b" UIDVALIDITY ");
            decimal(self.out, uid_validity.into());
        }
        self.out.put(b")");
        if line.uid {
            self.out.put(b" UID");
        }
        self.labelled(b" MIN ", line.min.map(u64::from));
        self.labelled(b" MAX ", line.max.map(u64::from));
        self.labelled(b" COUNT ", line.count);
        if let Some(all) = line.all.filter(|all| !all.is_empty()) {
            self.out.put(b" ALL ");
            self.found(all);
        }
        if let Some((window, found)) = line.partial {
            self.out.put(b" PARTIAL (");
            self.window(window);
            self.out.put(b" ");
            if found.is_empty() {
                self.out.put(b"NIL");
            } else {
                self.found(found);
            }
            self.out.put(b")");
        }
        if let Some(scores) = line.relevancy {
            self.out.put(b" RELEVANCY (");
            for (at, score) in scores.iter().enumerate() {
                if at > 0 {
                    self.out.put(b" ");
                }
                decimal(self.out, (*score).into());
            }
            self.out.put(b")");
        }
        self.labelled(b" MODSEQ ", line.modseq.map(|modseq| modseq.0));
        self.out.put(b"\r\n");
    }

    /// `* ESEARCH (TAG "…") [UID] REMOVEFROM (…) ADDTO (…)` (RFC 5267 §4.3.3, §4.3.4); nothing if
    /// nothing changed.
    pub fn esearch_update(&mut self, update: &ContextUpdate<'_>) {
        if update.removed.is_empty() && update.added.is_empty() {
            return;
        }
        self.out.put(b"* ESEARCH (TAG ");
        quoted(self.out, update.tag.as_bytes());
        self.out.put(if update.uid { b") UID" } else { b")" });
        let items: [(&[u8], _); 2] =
            [(b" REMOVEFROM (", update.removed), (b" ADDTO (", update.added)];
        for (name, runs) in items.into_iter().filter(|(_, runs)| !runs.is_empty()) {
            self.out.put(name);
            for (at, (place, numbers)) in runs.iter().enumerate() {
                if at > 0 {
                    self.out.put(b" ");
                }
                decimal(self.out, (*place).into());
                self.out.put(b" ");
                self.ordered(numbers);
            }
            self.out.put(b")");
        }
        self.out.put(b"\r\n");
    }

    /// `* NO [NOUPDATE "tag"] text` (RFC 5267 §4.3.1)
    pub fn no_update(&mut self) {
        self.out.put(b"* NO [NOUPDATE ");
        quoted(self.out, self.tag.as_bytes());
        self.out.put(b"] This result is not kept up to date\r\n");
    }

    /// Tag of the command at hand.
    #[must_use]
    pub const fn tag(&self) -> &str {
        self.tag
    }

    /// The window as the client wrote it.
    fn window(&mut self, window: Window) {
        let sign: &[u8] = if window.from_end { b"-" } else { b"" };
        self.out.put(sign);
        decimal(self.out, window.first.into());
        self.out.put(b":");
        self.out.put(sign);
        decimal(self.out, window.last.into());
    }

    pub(super) fn found(&mut self, found: Found<'_>) {
        match found {
            Found::Set(set) => self.set(set),
            Found::Ordered(numbers) => self.ordered(numbers),
        }
    }

    /// RFC 5267 §3.2: ranges only of numbers that ascend one by one.
    fn ordered(&mut self, numbers: &[u32]) {
        let mut rest = numbers;
        while let Some(first) = rest.first() {
            let runs =
                (*first..=u32::MAX).zip(rest).take_while(|(wanted, number)| wanted == *number);
            let length = runs.count().max(1);
            let (run, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            if rest.len() < numbers.len() {
                self.out.put(b",");
            }
            decimal(self.out, (*first).into());
            if let Some(last) = run.last().filter(|last| *last != first) {
                self.out.put(b":");
                decimal(self.out, (*last).into());
            }
            rest = after;
        }
    }
}
