//! FETCH (RFC 9051 §6.4.5; RFC 3516 §4, RFC 7162 §3.1.4, §3.2.6, RFC 8474 §5, RFC 8970 §3).

use super::{Next, Poll};
use crate::answer::{self, Answer};
use crate::cursor::Cursor;
use crate::effect::Effect;
use crate::session::Session;
use crate::types::{FetchItem, FetchModifiers, Partial, Section, SectionText};
use mail::ModSeq;

/// Items of one FETCH.
const ITEMS_MAX: usize = 1_000;

/// Numbers of one part path, twice as deep as structures go.
const PART_NUMBERS_MAX: usize = 64;

/// `fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att /
/// "(" fetch-att *(SP fetch-att) ")") [SP "(" fetch-modifier *(SP fetch-modifier) ")"]`
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>, uid: bool) -> Result<Next, Answer> {
    cursor.space()?;
    let set = cursor.sequence_set()?;
    cursor.space()?;
    let mut items = items(cursor)?;
    let mut modifiers = FetchModifiers::default();
    if !cursor.at_end() {
        cursor.space()?;
        modifiers = parse_modifiers(cursor)?;
    }
    cursor.end()?;
    if uid && !items.contains(&FetchItem::Uid) {
        items.insert(0, FetchItem::Uid);
    }
    if modifiers.vanished {
        // RFC 7162 §3.2.6: BAD without QRESYNC, CHANGEDSINCE, or in FETCH by number.
        if !session.enabled().qresync {
            return Err(Answer::client_bug("ENABLE QRESYNC first"));
        }
        if !uid || modifiers.changed_since.is_none() {
            return Err(Answer::syntax("VANISHED needs UID FETCH and CHANGEDSINCE"));
        }
    }
    // RFC 9394 §3.3 "extends the UID FETCH command".
    if modifiers.partial.is_some() && !uid {
        return Err(Answer::syntax("PARTIAL needs UID FETCH"));
    }
    // RFC 7162 §3.1.4.1: CHANGEDSINCE asks for MODSEQ too.
    if modifiers.changed_since.is_some() && !items.contains(&FetchItem::ModSeq) {
        items.push(FetchItem::ModSeq);
    }
    if items.contains(&FetchItem::ModSeq) {
        session.enable_condstore();
    }
    let effect = Effect::Fetch { set, uid, items, modifiers };
    let poll = if uid { Poll::All } else { Poll::NoExpunges };
    Ok(Next::Ask { effect, ok: "FETCH completed", poll, target: false })
}

/// ` (…)`, if that comes next: items of messages that the client is told of unasked (RFC 5465 §5.2,
/// §7), UID among them, so that it knows which.
pub(super) fn items_in_list(cursor: &mut Cursor<'_>) -> Result<Option<Vec<FetchItem>>, Answer> {
    let before = *cursor;
    if !cursor.eat(b' ') || cursor.peek() != Some(b'(') {
        *cursor = before;
        return Ok(None);
    }
    let mut items = items(cursor)?;
    if !items.contains(&FetchItem::Uid) {
        items.insert(0, FetchItem::Uid);
    }
    Ok(Some(items))
}

pub(super) fn items(cursor: &mut Cursor<'_>) -> Result<Vec<FetchItem>, Answer> {
    let mut items = Vec::new();
    if cursor.peek() == Some(b'(') {
        cursor.list(|cursor| item(cursor, &mut items))?;
    } else {
        item(cursor, &mut items)?;
    }
    if items.is_empty() { Err(Answer::syntax("Expected a FETCH item")) } else { Ok(items) }
}

/// One `fetch-att` or macro, unless it is there already.
fn item(cursor: &mut Cursor<'_>, items: &mut Vec<FetchItem>) -> Result<(), Answer> {
    let name = cursor.name().to_ascii_uppercase();
    let one = match name.as_str() {
        "ALL" | "FAST" | "FULL" => {
            add_macro(&name, items);
            return Ok(());
        }
        "ENVELOPE" => FetchItem::Envelope,
        "FLAGS" => FetchItem::Flags,
        "INTERNALDATE" => FetchItem::InternalDate,
        "SAVEDATE" => FetchItem::SaveDate,
        "UID" => FetchItem::Uid,
        "RFC822.SIZE" => FetchItem::Rfc822Size,
        "RFC822" => FetchItem::Rfc822,
        "RFC822.HEADER" => FetchItem::Rfc822Header,
        "RFC822.TEXT" => FetchItem::Rfc822Text,
        "BODYSTRUCTURE" => FetchItem::BodyStructure,
        "BODY" if cursor.peek() != Some(b'[') => FetchItem::Body,
        "BODY" | "BODY.PEEK" => {
            let section = section(cursor)?;
            let partial = partial(cursor)?;
            FetchItem::BodySection { section, partial, peek: name == "BODY.PEEK" }
        }
        "BINARY" | "BINARY.PEEK" => {
            let part = binary_part(cursor)?;
            FetchItem::Binary { part, partial: partial(cursor)?, peek: name == "BINARY.PEEK" }
        }
        "BINARY.SIZE" => FetchItem::BinarySize { part: binary_part(cursor)? },
        "MODSEQ" => FetchItem::ModSeq,
        "PREVIEW" => {
            preview_modifiers(cursor);
            FetchItem::Preview
        }
        "EMAILID" => FetchItem::EmailId,
        "THREADID" => FetchItem::ThreadId,
        _ => return Err(Answer::syntax("Unknown FETCH item")),
    };
    if !items.contains(&one) {
        if items.len() >= ITEMS_MAX {
            return Err(answer::TOO_MANY);
        }
        items.push(one);
    }
    Ok(())
}

/// `[SP "(" preview-mod *(SP preview-mod) ")"]`, of which LAZY is the only one (RFC 8970 §6). What
/// else stands in parentheses there may be the modifiers of the FETCH.
fn preview_modifiers(cursor: &mut Cursor<'_>) {
    let before = *cursor;
    let lazy = |cursor: &mut Cursor<'_>| match cursor.atom()? {
        name if name.eq_ignore_ascii_case("LAZY") => Ok(()),
        _ => Err(Answer::syntax("Unknown PREVIEW modifier")),
    };
    if cursor.space().is_err() || cursor.list(lazy).is_err() {
        *cursor = before;
    }
}

/// RFC 9051 §6.4.5: ALL, FAST and FULL.
fn add_macro(name: &str, items: &mut Vec<FetchItem>) {
    let mut all = vec![FetchItem::Flags, FetchItem::InternalDate, FetchItem::Rfc822Size];
    if name != "FAST" {
        all.push(FetchItem::Envelope);
    }
    if name == "FULL" {
        all.push(FetchItem::Body);
    }
    all.retain(|item| !items.contains(item));
    items.append(&mut all);
}

/// `section = "[" [section-msgtext / (section-part ["." section-text])] "]"`
fn section(cursor: &mut Cursor<'_>) -> Result<Section, Answer> {
    cursor.expect(b'[', "Expected [")?;
    let section = section_inside(cursor)?;
    cursor.expect(b']', "Expected ]")?;
    Ok(section)
}

/// `section-msgtext / (section-part ["." section-text])`, or nothing.
pub(crate) fn section_inside(cursor: &mut Cursor<'_>) -> Result<Section, Answer> {
    let (part, named) = part_numbers(cursor)?;
    let text = if named { section_text(cursor, &part)? } else { SectionText::Whole };
    Ok(Section { part, text })
}

/// Part numbers, and whether a name follows them.
fn part_numbers(cursor: &mut Cursor<'_>) -> Result<(Vec<u32>, bool), Answer> {
    let mut part = Vec::new();
    loop {
        match cursor.peek() {
            Some(b'0'..=b'9') => {}
            // `BODY[1.]` is no section.
            Some(b']') | None if part.is_empty() => return Ok((part, false)),
            _ => return Ok((part, true)),
        }
        if part.len() >= PART_NUMBERS_MAX {
            return Err(answer::TOO_NESTED);
        }
        part.push(cursor.nz_number()?);
        if !cursor.eat(b'.') {
            return Ok((part, false));
        }
    }
}

/// `section-text = "HEADER" / "HEADER.FIELDS" [".NOT"] SP header-list / "TEXT" / "MIME"`
fn section_text(cursor: &mut Cursor<'_>, part: &[u32]) -> Result<SectionText, Answer> {
    match cursor.name().to_ascii_uppercase().as_str() {
        "HEADER" => Ok(SectionText::Header),
        "HEADER.FIELDS" => header_list(cursor).map(SectionText::HeaderFields),
        "HEADER.FIELDS.NOT" => header_list(cursor).map(SectionText::HeaderFieldsNot),
        "TEXT" => Ok(SectionText::Text),
        // RFC 9051 §6.4.5.1: "The MIME part specifier MUST be prefixed by one or more numeric part
        // specifiers."
        "MIME" if !part.is_empty() => Ok(SectionText::Mime),
        _ => Err(Answer::syntax("Unknown section")),
    }
}

/// `header-list = "(" header-fld-name *(SP header-fld-name) ")"`
fn header_list(cursor: &mut Cursor<'_>) -> Result<Vec<Vec<u8>>, Answer> {
    cursor.space()?;
    let names = cursor.list(|cursor| Ok(cursor.astring()?.into_owned()))?;
    if names.is_empty() { Err(Answer::syntax("Expected a header field name")) } else { Ok(names) }
}

/// `section-binary = "[" [section-part] "]"`
fn binary_part(cursor: &mut Cursor<'_>) -> Result<Vec<u32>, Answer> {
    cursor.expect(b'[', "Expected [")?;
    let (part, named) = part_numbers(cursor)?;
    if named {
        return Err(Answer::syntax("Expected a part number"));
    }
    cursor.expect(b']', "Expected ]")?;
    Ok(part)
}

/// `partial = "<" number64 "." nz-number64 ">"`. Messages have less than 4 GiB: larger numbers are
/// as good as the largest.
fn partial(cursor: &mut Cursor<'_>) -> Result<Option<Partial>, Answer> {
    if !cursor.eat(b'<') {
        return Ok(None);
    }
    let offset = u32::try_from(cursor.number64()?).unwrap_or(u32::MAX);
    cursor.expect(b'.', "Expected .")?;
    let count = u32::try_from(cursor.number64()?).unwrap_or(u32::MAX);
    if count == 0 {
        return Err(Answer::syntax("Expected a number above 0"));
    }
    cursor.expect(b'>', "Expected >")?;
    Ok(Some(Partial { offset, count }))
}

/// `fetch-modifier = "CHANGEDSINCE" SP mod-sequence-value / "VANISHED" / "PARTIAL" SP
/// partial-range`
fn parse_modifiers(cursor: &mut Cursor<'_>) -> Result<FetchModifiers, Answer> {
    let mut modifiers = FetchModifiers::default();
    cursor.list(|cursor| {
        if modifiers.changed_since.is_none() && cursor.eat_word("CHANGEDSINCE") {
            cursor.space()?;
            // The grammar wants 1 and more; iOS 16 sends 0 (quirk 5).
            modifiers.changed_since = Some(ModSeq(cursor.number64()?));
        } else if cursor.eat_word("VANISHED") {
            modifiers.vanished = true;
        } else if modifiers.partial.is_none() && cursor.eat_word("PARTIAL") {
            cursor.space()?;
            modifiers.partial = Some(cursor.window()?);
        } else {
            return Err(Answer::syntax("Unknown FETCH modifier"));
        }
        Ok(())
    })?;
    Ok(modifiers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::Enabled;
    use crate::reply::{FetchLine, Reply};
    use proptest::prelude::*;
    use wire::Outbox;

    fn text() -> impl Strategy<Value = SectionText> {
        let names = || prop::collection::vec("[!-~]{1,10}".prop_map(String::into_bytes), 1..4);
        prop_oneof![
            Just(SectionText::Whole),
            Just(SectionText::Header),
            Just(SectionText::Text),
            names().prop_map(SectionText::HeaderFields),
            names().prop_map(SectionText::HeaderFieldsNot),
        ]
    }

    proptest! {
        /// What a response names is what was asked (quirk 2).
        #[test]
        fn written_sections_read_back(
            part in prop::collection::vec(1..9_u32, 0..4),
            text in text(),
            offset in prop::option::of(0..9_u32),
        ) {
            let partial = offset.map(|offset| Partial { offset, count: 7 });
            let section = Section { part, text };
            let asked = FetchItem::BodySection { section, partial, peek: false };
            let (mut out, mut line) = (Outbox::default(), FetchLine::default());
            let enabled = Enabled::default();
            let mut reply = Reply { out: &mut out, line: &mut line, enabled, tag: "" };
            let mut fetch = reply.fetch(1, mail::Uid(1));
            fetch.section(&asked, None);
            fetch.end();
            let said = String::from_utf8(out.take().to_vec()).unwrap();
            let said = said.strip_prefix("* 1 FETCH (").unwrap().strip_suffix(" NIL)\r\n").unwrap();
            // The response names the origin alone.
            let said = match offset {
                Some(_) => format!("{}.7>", said.strip_suffix('>').unwrap()),
                None => said.to_owned(),
            };
            let mut cursor = Cursor::new(said.as_bytes(), 0);
            prop_assert_eq!(items(&mut cursor).unwrap(), vec![asked]);
            prop_assert!(cursor.at_end());
        }
    }
}
