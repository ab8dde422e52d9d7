//! ID (RFC 2971).

use super::Next;
use crate::answer::{self, Answer};
use crate::cursor::Cursor;
use crate::effect::Effect;
use crate::session::Session;

/// RFC 2971 §3.3: "Implementations MUST NOT send more than 30 field-value pairs."
const FIELDS_MAX: usize = 30;

/// `id = "ID" SP ("(" [string SP nstring *(SP string SP nstring)] ")" / nil)`
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    let fields = parse(cursor)?;
    session.reply().id();
    if !fields.is_empty() {
        session.tell(Effect::Id(fields));
    }
    Ok(Next::Answer(Answer::ok("ID completed")))
}

fn parse(cursor: &mut Cursor<'_>) -> Result<Vec<(String, Option<String>)>, Answer> {
    cursor.space()?;
    if cursor.eat_word("NIL") {
        cursor.end()?;
        return Ok(Vec::new());
    }
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut count = 0;
    let fields = cursor.list(|cursor| {
        count += 1;
        if count > FIELDS_MAX {
            return Err(answer::TOO_MANY);
        }
        let name = lossy(&cursor.string()?);
        cursor.space()?;
        Ok((name, cursor.nstring()?.map(|value| lossy(&value))))
    })?;
    cursor.end()?;
    Ok(fields)
}
