//! Untagged responses (RFC 9051 §7) written straight into the outbox: one method, one response.
//!
//! Invariants: every line is complete, except a FETCH line between [`Reply::fetch`] and
//! [`FetchWriter::end`], which may stay open over several calls of `perform` so that a large
//! literal streams. Names go out as modified UTF-7 or UTF-8 by what the client enabled. Nothing
//! here allocates per line and nothing formats through `fmt`: FETCH of a large mailbox is the hot
//! path of the whole server.

mod acl;
mod fetch;
mod metadata;
mod search;
mod server;
mod string;
mod structure;

pub use fetch::FetchWriter;
pub use search::{ContextUpdate, EsearchLine, Found, ThreadMark};

use crate::effect::Enabled;
use crate::types::{Permanent, StatusItem};
use mail::{Keyword, NumberSet, SystemFlags, Uid};
use wire::Outbox;

pub(crate) use string::{astring, decimal, mailbox_name, quoted};

/// A FETCH line that is being written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct FetchLine {
    /// Between `(` and `)`.
    pub open: bool,
    /// An item was written: the next one needs a space.
    pub spaced: bool,
    /// Octets of the literal at hand that are still to come.
    pub literal_left: u64,
    /// The Uid that the line begins with, when no item was written yet (UIDONLY).
    pub uid: Option<Uid>,
}

/// Writers of untagged responses, borrowed from a [`Session`](crate::Session).
#[derive(Debug)]
pub struct Reply<'a> {
    pub(crate) out: &'a mut Outbox,
    pub(crate) line: &'a mut FetchLine,
    pub(crate) enabled: Enabled,
    pub(crate) tag: &'a str,
}

/// What a LIST line says (RFC 9051 §7.3.1).
#[derive(Clone, Copy, Debug, Default)]
pub struct ListLine<'a> {
    /// Attributes as written, e.g. `\HasNoChildren`, `\Sent`.
    pub attributes: &'a [&'a str],
    /// Hierarchy separator, `None` for NIL.
    pub separator: Option<char>,
    /// The name in UTF-8.
    pub mailbox: &'a str,
    /// OLDNAME extended item (RFC 9051 §6.3.9.7).
    pub old_name: Option<&'a str>,
    /// CHILDINFO ("SUBSCRIBED") extended item (RFC 9051 §6.3.9.6).
    pub child_info: bool,
}

/// The value of a STATUS item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatusValue<'a> {
    /// All but those below.
    Number(u64),
    /// MAILBOXID (RFC 8474 §4.3), without parentheses.
    Id(&'a str),
    /// APPENDLIMIT of a mailbox without limit (RFC 7889 §4).
    Nil,
}

/// The resource of a quota (RFC 9208 §5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QuotaResource {
    /// `STORAGE` (units of 1,024 octets) or `MESSAGE`.
    pub name: &'static str,
    /// In use.
    pub used: u64,
    /// Allowed.
    pub limit: u64,
}

impl Reply<'_> {
    /// What the client enabled, which the caller may need to decide what to say.
    #[must_use]
    pub const fn enabled(&self) -> Enabled {
        self.enabled
    }

    /// `* n EXISTS` (RFC 9051 §7.4.1)
    pub fn exists(&mut self, messages: u32) {
        self.number_line(messages, b" EXISTS\r\n");
    }

    /// `* n RECENT` (RFC 3501 §7.3.2); says nothing when IMAP4rev2 is enabled.
    pub fn recent(&mut self, messages: u32) {
        if !self.enabled.rev2 {
            self.number_line(messages, b" RECENT\r\n");
        }
    }

    /// `* n EXPUNGE` (RFC 9051 §7.5.1)
    pub fn expunge(&mut self, seq: u32) {
        self.number_line(seq, b" EXPUNGE\r\n");
    }

    /// `* VANISHED [(EARLIER)] uids` (RFC 7162 §3.2.10); says nothing for an empty set.
    pub fn vanished(&mut self, earlier: bool, uids: &NumberSet) {
        if uids.is_empty() {
            return;
        }
        self.out.put(if earlier { b"* VANISHED (EARLIER) " } else { b"* VANISHED " });
        self.set(uids);
        self.out.put(b"\r\n");
    }

    /// `* FLAGS (…)` and `* OK [PERMANENTFLAGS (…)]` (RFC 9051 §7.3.5, §7.1), as in SELECT and
    /// again when a new keyword came up.
    pub fn flags(&mut self, keywords: &[Keyword], permanent: Permanent) {
        self.out.put(b"* FLAGS (");
        self.flag_names(keywords);
        self.out.put(b")\r\n* OK [PERMANENTFLAGS (");
        if permanent == Permanent::NONE {
            self.out.put(b")] Mailbox is read-only\r\n");
            return;
        }
        let kept = if permanent.keywords { keywords } else { &[] };
        self.flag_names_of(permanent.system, kept);
        match (permanent.keywords, permanent.system == SystemFlags::NONE) {
            (false, _) => {}
            (true, true) if kept.is_empty() => self.out.put(b"\\*"),
            (true, _) => self.out.put(b" \\*"),
        }
        self.out.put(b")] Flags are kept\r\n");
    }

    /// `* OK [code] text`: what belongs before the tagged answer, as COPYUID of a MOVE
    /// (RFC 6851 §4.3). `text` must not be empty (clients fall over).
    pub fn ok(&mut self, code: &str, text: &str) {
        self.out.put(b"* OK [");
        self.out.put(code.as_bytes());
        self.out.put(b"] ");
        self.out.put(text.as_bytes());
        self.out.put(b"\r\n");
    }

    /// `* LIST (…) "/" name` (RFC 9051 §7.3.1, RFC 5258 §6)
    pub fn list(&mut self, line: &ListLine<'_>) {
        self.list_like(b"* LIST (", line);
        match (line.child_info, line.old_name) {
            (false, None) => {}
            (true, None) => self.out.put(b" (\"CHILDINFO\" (\"SUBSCRIBED\"))"),
            (child_info, Some(old)) => {
                self.out.put(b" (");
                if child_info {
                    self.out.put(b"\"CHILDINFO\" (\"SUBSCRIBED\") ");
                }
                self.out.put(b"\"OLDNAME\" (");
                mailbox_name(self.out, old, self.enabled);
                self.out.put(b"))");
            }
        }
        self.out.put(b"\r\n");
    }

    /// `* LSUB (…) "/" name` (RFC 3501 §7.2.3)
    pub fn lsub(&mut self, line: &ListLine<'_>) {
        self.list_like(b"* LSUB (", line);
        self.out.put(b"\r\n");
    }

    /// `* STATUS name (…)` (RFC 9051 §7.3.4).
    pub fn status(&mut self, mailbox: &str, items: &[(StatusItem, StatusValue<'_>)]) {
        self.out.put(b"* STATUS ");
        mailbox_name(self.out, mailbox, self.enabled);
        self.out.put(b" (");
        for (at, (item, value)) in items.iter().enumerate() {
            if at > 0 {
                self.out.put(b" ");
            }
            self.out.put(item.name().as_bytes());
            match value {
                StatusValue::Number(n) => {
                    self.out.put(b" ");
                    decimal(self.out, *n);
                }
                StatusValue::Id(id) => {
                    self.out.put(b" (");
                    self.out.put(id.as_bytes());
                    self.out.put(b")");
                }
                StatusValue::Nil => self.out.put(b" NIL"),
            }
        }
        self.out.put(b")\r\n");
    }

    /// `* QUOTA root (…)` (RFC 9208 §4.2.1)
    pub fn quota(&mut self, root: &str, resources: &[QuotaResource]) {
        self.out.put(b"* QUOTA ");
        astring(self.out, root.as_bytes(), self.enabled);
        self.out.put(b" (");
        for (at, resource) in resources.iter().enumerate() {
            if at > 0 {
                self.out.put(b" ");
            }
            self.out.put(resource.name.as_bytes());
            self.out.put(b" ");
            decimal(self.out, resource.used);
            self.out.put(b" ");
            decimal(self.out, resource.limit);
        }
        self.out.put(b")\r\n");
    }

    /// `* QUOTAROOT mailbox root …` (RFC 9208 §4.2.2)
    pub fn quota_root(&mut self, mailbox: &str, roots: &[&str]) {
        self.out.put(b"* QUOTAROOT ");
        mailbox_name(self.out, mailbox, self.enabled);
        for root in roots {
            self.out.put(b" ");
            astring(self.out, root.as_bytes(), self.enabled);
        }
        self.out.put(b"\r\n");
    }

    /// `* OK [INPROGRESS ("tag" done goal)] text` (RFC 9585 §4)
    pub fn in_progress(&mut self, done: u64, goal: Option<u64>) {
        self.out.put(b"* OK [INPROGRESS (");
        quoted(self.out, self.tag.as_bytes());
        self.out.put(b" ");
        decimal(self.out, done);
        self.out.put(b" ");
        match goal {
            Some(goal) => decimal(self.out, goal),
            None => self.out.put(b"NIL"),
        }
        self.out.put(b")] Still working on it\r\n");
    }

    /// Opens `* seq FETCH (`, or `* uid UIDFETCH (` once UIDONLY is enabled (RFC 9586 §3.4); the
    /// line must be closed by [`FetchWriter::end`] before any other response, though not in the
    /// same call of `perform`.
    pub fn fetch(&mut self, seq: u32, uid: Uid) -> FetchWriter<'_> {
        assert!(!self.line.open, "a FETCH line is open");
        *self.line = FetchLine { open: true, ..FetchLine::default() };
        self.out.put(b"* ");
        if self.enabled.uidonly {
            self.line.uid = Some(uid);
            decimal(self.out, uid.0.into());
            self.out.put(b" UIDFETCH (");
        } else {
            decimal(self.out, seq.into());
            self.out.put(b" FETCH (");
        }
        self.resume_fetch()
    }

    /// Goes on with the FETCH line that an earlier call of `perform` left open.
    pub fn resume_fetch(&mut self) -> FetchWriter<'_> {
        assert!(self.line.open, "no FETCH line is open");
        FetchWriter { out: self.out, line: self.line, enabled: self.enabled }
    }

    /// Octets that wait to be sent: end a piece of a stream when they are some 64 KiB.
    #[must_use]
    pub fn pending_octets(&self) -> usize {
        self.out.len()
    }

    fn number_line(&mut self, number: u32, rest: &[u8]) {
        self.out.put(b"* ");
        decimal(self.out, number.into());
        self.out.put(rest);
    }

    fn labelled(&mut self, label: &[u8], value: Option<u64>) {
        if let Some(value) = value {
            self.out.put(label);
            decimal(self.out, value);
        }
    }

    fn set(&mut self, numbers: &NumberSet) {
        for (at, &(first, last)) in numbers.ranges().iter().enumerate() {
            if at > 0 {
                self.out.put(b",");
            }
            decimal(self.out, first.into());
            if first != last {
                self.out.put(b":");
                decimal(self.out, last.into());
            }
        }
    }

    fn flag_names(&mut self, keywords: &[Keyword]) {
        self.flag_names_of(Permanent::ALL.system, keywords);
    }

    fn flag_names_of(&mut self, system: SystemFlags, keywords: &[Keyword]) {
        let mut space: &[u8] = b"";
        for (name, _) in SystemFlags::NAMES.iter().filter(|(_, flag)| system.contains(*flag)) {
            self.out.put(space);
            self.out.put(name.as_bytes());
            space = b" ";
        }
        for keyword in keywords {
            self.out.put(space);
            self.out.put(keyword.as_str().as_bytes());
            space = b" ";
        }
    }

    fn list_like(&mut self, start: &[u8], line: &ListLine<'_>) {
        self.out.put(start);
        for (at, attribute) in line.attributes.iter().enumerate() {
            if at > 0 {
                self.out.put(b" ");
            }
            self.out.put(attribute.as_bytes());
        }
        self.out.put(b") ");
        match line.separator {
            Some(separator) => quoted(self.out, separator.encode_utf8(&mut [0; 4]).as_bytes()),
            None => self.out.put(b"NIL"),
        }
        self.out.put(b" ");
        mailbox_name(self.out, line.mailbox, self.enabled);
    }
}
