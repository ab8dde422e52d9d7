//! Reading the pieces of a command (RFC 9051 §9) from its octets: atoms, strings, numbers, sets.
//!
//! A command lies here whole, literals in their places, without its last line end. Nothing is
//! copied but quoted strings with escapes in them. More than one space is read as one, since
//! several clients send so.

use crate::answer::{self, Answer};
use crate::effect::Enabled;
use crate::types::{SEPARATOR, SequenceSet, SetNumber, Window};
use bytes::Bytes;
use mail::{Flags, Keyword, SystemFlags};
use std::borrow::Cow;

/// A place in a command.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
    nesting_left: usize,
}

type Parsed<T> = Result<T, Answer>;

/// `ATOM-CHAR`, and octets above 127, which clients send in names.
pub const fn is_atom_char(b: u8) -> bool {
    b > 0x20 && b != 0x7f && !matches!(b, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

/// `ASTRING-CHAR`
pub const fn is_astring_char(b: u8) -> bool {
    is_atom_char(b) || b == b']'
}

impl<'a> Cursor<'a> {
    /// At the start of `command`. Parentheses may nest `nesting_max` deep.
    pub const fn new(command: &'a [u8], nesting_max: usize) -> Self {
        Self { rest: command, nesting_left: nesting_max }
    }

    /// What is not read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Takes `byte` if it comes next.
    pub fn eat(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Takes `word` if it comes next, in any case, and no atom character follows.
    pub fn eat_word(&mut self, word: &str) -> bool {
        let Some((head, rest)) = self.rest.split_at_checked(word.len()) else { return false };
        let ends = rest.first().is_none_or(|b| !is_atom_char(*b) || *b == b'[');
        if ends && head.eq_ignore_ascii_case(word.as_bytes()) {
            self.rest = rest;
            return true;
        }
        false
    }

    pub fn expect(&mut self, byte: u8, text: &'static str) -> Parsed<()> {
        if self.eat(byte) { Ok(()) } else { Err(Answer::syntax(text)) }
    }

    /// `SP`, one or more.
    pub fn space(&mut self) -> Parsed<()> {
        let missing = if self.rest.is_empty() { "Missing argument" } else { "Expected a space" };
        self.expect(b' ', missing)?;
        while self.eat(b' ') {}
        Ok(())
    }

    /// Nothing but spaces may be left.
    pub fn end(&mut self) -> Parsed<()> {
        while self.eat(b' ') {}
        if self.rest.is_empty() { Ok(()) } else { Err(Answer::syntax("Too many arguments")) }
    }

    pub fn at_end(&self) -> bool {
        self.rest.iter().all(|b| *b == b' ')
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|b| !wanted(*b)).unwrap_or(self.rest.len());
        self.take(end)
    }

    fn take(&mut self, octets: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(octets).unwrap_or((self.rest, b""));
        self.rest = rest;
        taken
    }

    /// `tag = 1*<any ASTRING-CHAR except "+">`
    pub fn tag(&mut self) -> Option<&'a str> {
        let tag = self.take_while(|b| is_astring_char(b) && b != b'+' && b.is_ascii());
        std::str::from_utf8(tag).ok().filter(|tag| !tag.is_empty())
    }

    /// `atom`, in ASCII.
    pub fn atom(&mut self) -> Parsed<&'a str> {
        let atom = self.take_while(|b| is_atom_char(b) && b.is_ascii());
        match std::str::from_utf8(atom) {
            Ok(atom) if !atom.is_empty() => Ok(atom),
            _ => Err(Answer::syntax("Expected an atom")),
        }
    }

    /// A word of letters, digits, `.` and `-`, as names of FETCH items are, which end at `[`.
    pub fn name(&mut self) -> &'a str {
        let name = self.take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
        std::str::from_utf8(name).unwrap_or_default()
    }

    fn digits(&mut self) -> Parsed<u64> {
        let digits = self.take_while(|b| b.is_ascii_digit());
        if digits.is_empty() {
            return Err(Answer::syntax("Expected a number"));
        }
        let add = |sum: u64, b: &u8| sum.checked_mul(10)?.checked_add(u64::from(b - b'0'));
        digits.iter().try_fold(0, add).ok_or(Answer::syntax("Number is too large"))
    }

    /// `number = 1*DIGIT`, 32 bits.
    pub fn number(&mut self) -> Parsed<u32> {
        u32::try_from(self.digits()?).map_err(|_| Answer::syntax("Number is too large"))
    }

    /// `nz-number`
    pub fn nz_number(&mut self) -> Parsed<u32> {
        match self.number()? {
            0 => Err(Answer::syntax("Expected a number above 0")),
            number => Ok(number),
        }
    }

    /// `number64`: 63 bits (RFC 9051 §9), as are mod-sequences (RFC 7162 §7).
    pub fn number64(&mut self) -> Parsed<u64> {
        match self.digits()? {
            number if number > i64::MAX as u64 => Err(Answer::syntax("Number is too large")),
            number => Ok(number),
        }
    }

    /// `string = quoted / literal`
    pub fn string(&mut self) -> Parsed<Cow<'a, [u8]>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{' | b'~') => self.literal(false).map(Cow::Borrowed),
            _ => Err(Answer::syntax("Expected a string")),
        }
    }

    /// `astring = 1*ASTRING-CHAR / string`
    pub fn astring(&mut self) -> Parsed<Cow<'a, [u8]>> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            _ => match self.take_while(is_astring_char) {
                b"" => Err(Answer::syntax("Expected a string")),
                atom => Ok(Cow::Borrowed(atom)),
            },
        }
    }

    /// `astring` in UTF-8.
    pub fn text(&mut self) -> Parsed<String> {
        utf8(self.astring()?)
    }

    /// `nstring = string / nil`
    pub fn nstring(&mut self) -> Parsed<Option<Cow<'a, [u8]>>> {
        if self.eat_word("NIL") { Ok(None) } else { self.string().map(Some) }
    }

    /// `value = nstring / literal8` (RFC 5464 §5): a literal8 may hold NUL.
    pub fn metadata_value(&mut self) -> Parsed<Option<Bytes>> {
        if self.peek() == Some(b'~') {
            return self.literal(true).map(|value| Some(Bytes::copy_from_slice(value)));
        }
        Ok(self.nstring()?.map(|value| Bytes::from(value.into_owned())))
    }

    fn quoted(&mut self) -> Parsed<Cow<'a, [u8]>> {
        const OPEN: Answer = Answer::syntax("Quoted string does not end");
        self.eat(b'"');
        let mut copy: Option<Vec<u8>> = None;
        loop {
            let special = |b: &u8| matches!(b, b'"' | b'\\' | 0 | b'\r' | b'\n');
            let plain = self.take(self.rest.iter().position(special).ok_or(OPEN)?);
            match (self.take(1), &mut copy) {
                (b"\"", None) => return Ok(Cow::Borrowed(plain)),
                (b"\"", Some(copy)) => {
                    copy.extend_from_slice(plain);
                    return Ok(Cow::Owned(std::mem::take(copy)));
                }
                (b"\\", _) => {
                    let escaped = self.take(1);
                    if !matches!(escaped, b"\"" | b"\\") {
                        return Err(Answer::syntax("Only \" and \\ may follow \\"));
                    }
                    let copy = copy.get_or_insert_with(Vec::new);
                    copy.extend_from_slice(plain);
                    copy.extend_from_slice(escaped);
                }
                _ => return Err(OPEN),
            }
        }
    }

    /// `literal`, whose octets follow its line end.
    fn literal(&mut self, nul: bool) -> Parsed<&'a [u8]> {
        const BROKEN: Answer = Answer::syntax("Broken literal");
        self.eat(b'~');
        self.expect(b'{', "Expected a literal")?;
        let octets = usize::try_from(self.digits()?).map_err(|_| BROKEN)?;
        self.eat(b'+');
        self.expect(b'}', "Broken literal")?;
        self.eat(b'\r');
        self.expect(b'\n', "Broken literal")?;
        let literal = self.take(octets);
        // RFC 9051 §9: a literal of an argument holds no NUL, a literal8 may.
        if literal.len() == octets && (nul || memchr::memchr(0, literal).is_none()) {
            Ok(literal)
        } else {
            Err(BROKEN)
        }
    }

    /// `mailbox`, in UTF-8. `INBOX` in any case is INBOX; a last separator is dropped (some
    /// versions of Thunderbird add one).
    pub fn mailbox(&mut self, enabled: Enabled) -> Parsed<String> {
        let mut name = name_of(self.astring()?, enabled)?;
        if name.len() > 1 && name.ends_with(SEPARATOR) {
            name.pop();
        }
        if name.eq_ignore_ascii_case("INBOX") { Ok("INBOX".to_owned()) } else { Ok(name) }
    }

    /// `list-mailbox = 1*list-char / string`, in UTF-8.
    pub fn list_mailbox(&mut self, enabled: Enabled) -> Parsed<String> {
        if let Some(b'"' | b'{') = self.peek() {
            return name_of(self.string()?, enabled);
        }
        match self.take_while(|b| is_astring_char(b) || matches!(b, b'%' | b'*')) {
            b"" => Err(Answer::syntax("Expected a mailbox pattern")),
            pattern => name_of(Cow::Borrowed(pattern), enabled),
        }
    }

    /// `sequence-set = (seq-number / seq-range) ["," sequence-set]`, or `$`. Ranges may be written
    /// with either end first (quirk 18).
    pub fn sequence_set(&mut self) -> Parsed<SequenceSet> {
        if self.eat(b'$') {
            return Ok(SequenceSet::Saved);
        }
        let mut ranges = Vec::new();
        loop {
            let first = self.set_number()?;
            let last = if self.eat(b':') { self.set_number()? } else { first };
            ranges.push((first, last));
            if !self.eat(b',') {
                return Ok(SequenceSet::Ranges(ranges));
            }
        }
    }

    /// `partial-range = partial-range-first / partial-range-last` (RFC 9394 §4).
    pub fn window(&mut self) -> Parsed<Window> {
        let from_end = self.eat(b'-');
        let first = self.nz_number()?;
        self.expect(b':', "Expected a range")?;
        if self.eat(b'-') != from_end {
            return Err(Answer::syntax("Both ends count from one side"));
        }
        Ok(Window { first, last: self.nz_number()?, from_end })
    }

    fn set_number(&mut self) -> Parsed<SetNumber> {
        if self.eat(b'*') {
            return Ok(SetNumber::Star);
        }
        let known = self.peek().is_some_and(|b| b.is_ascii_digit());
        if !known {
            return Err(Answer::syntax("Expected a sequence set"));
        }
        self.nz_number().map(SetNumber::Number)
    }

    /// Goes one level down; fails at the limit. Pair with [`Cursor::leave`].
    pub fn enter(&mut self) -> Parsed<()> {
        self.nesting_left = self.nesting_left.checked_sub(1).ok_or(answer::TOO_NESTED)?;
        Ok(())
    }

    pub const fn leave(&mut self) {
        self.nesting_left += 1;
    }

    /// `"(" [item *(SP item)] ")"`
    pub fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.expect(b'(', "Expected (")?;
        let mut items = Vec::new();
        loop {
            while self.eat(b' ') {}
            if self.eat(b')') {
                return Ok(items);
            }
            items.push(item(self)?);
            if !matches!(self.peek(), Some(b' ' | b')')) {
                return Err(Answer::syntax("Expected a space or )"));
            }
        }
    }

    /// `flag`s in parentheses, or bare as STORE allows.
    pub fn flags(&mut self) -> Parsed<Flags> {
        let mut flags = Flags::default();
        if self.peek() == Some(b'(') {
            self.list(|cursor| cursor.flag(&mut flags))?;
            return Ok(flags);
        }
        loop {
            self.flag(&mut flags)?;
            if self.at_end() {
                return Ok(flags);
            }
            self.space()?;
        }
    }

    /// `flag = "\Answered" / … / flag-keyword / flag-extension`. `\Recent` is the server's and
    /// passed over: clients copy it from FETCH into APPEND.
    fn flag(&mut self, flags: &mut Flags) -> Parsed<()> {
        if self.peek() == Some(b'\\') {
            let mut after = *self;
            after.eat(b'\\');
            let name = after.atom()?;
            let known = SystemFlags::NAMES.iter().find(|(known, _)| {
                known.strip_prefix('\\').is_some_and(|known| known.eq_ignore_ascii_case(name))
            });
            match known {
                Some((_, flag)) => flags.system = flags.system.union(*flag),
                None if name.eq_ignore_ascii_case("Recent") => {}
                None => return Err(Answer::syntax("Unknown system flag")),
            }
            *self = after;
            return Ok(());
        }
        let keyword = self.keyword()?;
        if flags.keywords.len() >= KEYWORDS_MAX {
            return Err(answer::TOO_MANY);
        }
        if !flags.keywords.contains(&keyword) {
            flags.keywords.push(keyword);
        }
        Ok(())
    }

    pub fn keyword(&mut self) -> Parsed<Keyword> {
        Keyword::parse(self.atom()?).ok_or(Answer::syntax("Not a keyword, or too long"))
    }

    /// A quoted string that is read by `parse`.
    pub fn quoted_as<T>(&mut self, parse: fn(&[u8]) -> Option<T>) -> Parsed<T> {
        if self.peek() != Some(b'"') {
            return Err(Answer::syntax("Expected a quoted string"));
        }
        parse(&self.quoted()?).ok_or(Answer::syntax("Not a date"))
    }
}

/// Keywords in one command.
const KEYWORDS_MAX: usize = 256;

fn utf8(bytes: Cow<'_, [u8]>) -> Parsed<String> {
    String::from_utf8(bytes.into_owned()).map_err(|_| Answer::syntax("Not UTF-8"))
}

fn name_of(bytes: Cow<'_, [u8]>, enabled: Enabled) -> Parsed<String> {
    let name = String::from_utf8(bytes.into_owned()).map_err(|_| answer::BAD_NAME)?;
    if enabled.rev2 || enabled.utf8 { Ok(name) } else { Ok(crate::utf7::decode_leniently(&name)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply;
    use mail::NumberSet;
    use proptest::prelude::*;
    use wire::Outbox;

    const REV1: Enabled = Enabled {
        rev2: false,
        uidonly: false,
        condstore: false,
        qresync: false,
        utf8: false,
        metadata: false,
    };
    const MODES: [Enabled; 3] = {
        let rev1 = REV1;
        [rev1, Enabled { rev2: true, ..rev1 }, Enabled { utf8: true, ..rev1 }]
    };

    fn written(write: impl FnOnce(&mut Outbox)) -> Vec<u8> {
        let mut out = Outbox::default();
        write(&mut out);
        out.take().to_vec()
    }

    #[test]
    fn quoted_strings() {
        let string = |text: &'static str| Cursor::new(text.as_bytes(), 0).string();
        assert_eq!(*string("\"a b\" c").unwrap(), b"a b"[..]);
        assert_eq!(*string(r#""a \"\\ b""#).unwrap(), b"a \"\\ b"[..]);
        assert!(string("\"a").is_err());
        assert!(string("\"a\\n\"").is_err());
        assert!(string("\"a\nb\"").is_err());
        assert!(string("\"a\0b\"").is_err());
        assert!(string("{3}\r\nab").is_err());
        assert!(string("{1}\r\n\0").is_err());
        assert!(string("a").is_err());
    }

    #[test]
    fn numbers_at_their_limits() {
        let cursor = |text: &'static str| Cursor::new(text.as_bytes(), 0);
        assert_eq!(cursor("4294967295").number(), Ok(u32::MAX));
        assert!(cursor("4294967296").number().is_err());
        assert!(cursor("0").nz_number().is_err());
        assert_eq!(cursor("9223372036854775807").number64(), Ok(i64::MAX as u64));
        assert!(cursor("9223372036854775808").number64().is_err());
        assert!(cursor("99999999999999999999").number64().is_err());
        assert!(cursor("").number().is_err());
    }

    #[test]
    fn keywords_at_the_limit_and_beyond() {
        let flags = |count: usize| {
            let words: Vec<_> = (0..count).map(|at| format!("k{at}")).collect();
            Cursor::new(format!("({})", words.join(" ")).as_bytes(), 0).flags().is_ok()
        };
        assert!(flags(KEYWORDS_MAX));
        assert!(!flags(KEYWORDS_MAX + 1));
    }

    proptest! {
        #[test]
        fn written_strings_read_back(bytes in prop::collection::vec(1..=255_u8, 0..40)) {
            for mode in MODES {
                let text = written(|out| reply::astring(out, &bytes, mode));
                let mut cursor = Cursor::new(&text, 0);
                prop_assert_eq!(cursor.astring().unwrap(), &bytes[..]);
                prop_assert!(cursor.at_end());
            }
        }

        #[test]
        fn written_names_read_back(name in "[^\0/]{1,20}") {
            prop_assume!(!name.eq_ignore_ascii_case("inbox"));
            for mode in MODES {
                let text = written(|out| reply::mailbox_name(out, &name, mode));
                prop_assert_eq!(&Cursor::new(&text, 0).mailbox(mode).unwrap(), &name);
            }
        }

        #[test]
        fn written_sets_read_back(numbers in prop::collection::vec(1..50_u32, 1..20)) {
            let set = NumberSet::of_numbers(numbers);
            let text = set.to_string();
            let read = Cursor::new(text.as_bytes(), 0).sequence_set().unwrap();
            prop_assert_eq!(read.resolve(0), Some(set));
        }
    }
}
