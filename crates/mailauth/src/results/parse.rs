//! Reads `authres-payload` (RFC 8601 §2.2).

use super::{ENTRIES_MAX, Entry, FIELD_OCTETS_MAX, Property, Results};

/// Comments in comments that are followed; deeper ones make the field unreadable.
const COMMENT_DEPTH_MAX: u32 = 32;

/// ```abnf
/// authres-payload = [CFWS] authserv-id [ CFWS authres-version ] ( no-result / 1*resinfo ) [CFWS]
/// ```
pub fn results(value: &[u8]) -> Option<Results> {
    let text = text(value)?;
    let mut reader = Reader { rest: &text };
    let authserv_id = reader.head()?;
    reader.spaces()?;
    let version = reader.word();
    if !version.is_empty() && version != "1" {
        return None;
    }
    let mut entries = Vec::new();
    loop {
        reader.spaces()?;
        if reader.rest.is_empty() {
            return Some(Results { authserv_id, entries });
        }
        reader.take(';')?;
        reader.spaces()?;
        if reader.rest.is_empty() || reader.rest.starts_with(';') {
            continue;
        }
        if let Some(entry) = reader.entry()? {
            entries.push(entry);
        }
        if entries.len() > ENTRIES_MAX {
            return None;
        }
    }
}

/// Who speaks, as a careless reader would see it.
pub fn authserv_id(value: &[u8]) -> Option<String> {
    let text = text(value)?;
    Reader { rest: &text }.head().filter(|id| !id.is_empty())
}

fn text(value: &[u8]) -> Option<String> {
    (value.len() <= FIELD_OCTETS_MAX).then(|| String::from_utf8_lossy(value).into_owned())
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn take(&mut self, wanted: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(wanted)?;
        Some(())
    }

    /// `[CFWS]`; gives the first comment. `None` for a comment that does not end.
    fn spaces(&mut self) -> Option<Option<String>> {
        let mut first = None;
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
            if !self.rest.starts_with('(') {
                return Some(first);
            }
            let comment = self.comment()?;
            first.get_or_insert(comment);
        }
    }

    fn comment(&mut self) -> Option<String> {
        let mut depth = 0;
        let mut content = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                self.rest = self.rest.get(at + 1..)?;
                return Some(content);
            }
            match c {
                _ if depth > COMMENT_DEPTH_MAX => return None,
                '(' if at == 0 => {}
                '\\' => content.push(chars.next()?.1),
                '\r' | '\n' => {}
                '\t' => content.push(' '),
                c => content.push(c),
            }
        }
        None
    }

    /// Letters, digits, hyphens, underscores.
    fn word(&mut self) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let end = self.rest.find(|c| !plain(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end).unwrap_or(("", self.rest));
        self.rest = rest;
        word.to_ascii_lowercase()
    }

    fn head(&mut self) -> Option<String> {
        self.spaces()?;
        self.value()
    }

    /// `value = token / quoted-string`; a token may have all that does not end it.
    fn value(&mut self) -> Option<String> {
        if let Some(inside) = self.rest.strip_prefix('"') {
            let mut content = String::new();
            let mut chars = inside.char_indices();
            while let Some((at, c)) = chars.next() {
                match c {
                    '"' => {
                        self.rest = inside.get(at + 1..)?;
                        return Some(content);
                    }
                    '\\' => content.push(chars.next()?.1),
                    '\r' | '\n' => {}
                    c => content.push(c),
                }
            }
            return None;
        }
        let ends = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n' | ';' | '(' | '"');
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (value, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// ```abnf
    /// resinfo    = [CFWS] ";" methodspec [ CFWS reasonspec ] [ CFWS 1*propspec ]
    /// methodspec = [CFWS] method [CFWS] "=" [CFWS] result
    /// method     = Keyword [ [CFWS] "/" [CFWS] method-version ]
    /// ```
    /// `Some(None)` is `none`.
    fn entry(&mut self) -> Option<Option<Entry>> {
        let method = self.word();
        if method.is_empty() {
            return None;
        }
        self.spaces()?;
        if method == "none" && (self.rest.is_empty() || self.rest.starts_with(';')) {
            return Some(None);
        }
        if self.take('/').is_some() {
            self.spaces()?;
            self.word();
            self.spaces()?;
        }
        self.take('=')?;
        self.spaces()?;
        let mut entry = Entry::new(&method, &self.word());
        if entry.result.is_empty() {
            return None;
        }
        entry.comment = self.spaces()?;
        while !self.rest.is_empty() && !self.rest.starts_with(';') {
            self.specification(&mut entry)?;
            self.spaces()?;
        }
        Some(Some(entry))
    }

    /// ```abnf
    /// reasonspec = "reason" [CFWS] "=" [CFWS] value
    /// propspec   = ptype [CFWS] "." [CFWS] property [CFWS] "=" pvalue
    /// ```
    fn specification(&mut self, entry: &mut Entry) -> Option<()> {
        let kind = self.word();
        if kind.is_empty() {
            return None;
        }
        self.spaces()?;
        let name = match self.take('.') {
            Some(()) => {
                self.spaces()?;
                let name = self.word();
                self.spaces()?;
                Some(name)
            }
            None => None,
        };
        self.take('=')?;
        self.spaces()?;
        let value = self.address()?;
        match name {
            Some(name) if !name.is_empty() => {
                entry.properties.push(Property { kind, name, value });
            }
            None if kind == "reason" => entry.reason = Some(value),
            // Some write properties without a type; nobody can say what they mean.
            Some(_) | None => {}
        }
        Some(())
    }

    /// `pvalue`: a value, or `"local part"@domain`, the quotes kept there.
    fn address(&mut self) -> Option<String> {
        let quoted = self.rest.starts_with('"');
        let before = self.rest;
        let value = self.value()?;
        if !quoted || !self.rest.starts_with('@') {
            return Some(value);
        }
        let local = before.get(..before.len() - self.rest.len())?;
        Some(format!("{local}{}", self.value()?))
    }
}
