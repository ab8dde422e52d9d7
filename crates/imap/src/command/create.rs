//! CREATE (RFC 9051 §6.3.4, RFC 6154 §3).

use super::{Next, mailbox_argument};
use crate::answer::{self, Answer};
use crate::cursor::Cursor;
use crate::effect::Effect;
use crate::session::Session;

/// Special uses of one CREATE.
const SPECIAL_USES_MAX: usize = 10;

/// `create = "CREATE" SP mailbox [SP "(" "USE" SP "(" [use-attr *(SP use-attr)] ")" ")"]`
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    let mailbox = mailbox_argument(cursor, session.enabled())?;
    let mut special_use = Vec::new();
    if !cursor.at_end() {
        cursor.space()?;
        cursor.expect(b'(', "Expected (")?;
        if !cursor.eat_word("USE") {
            return Err(Answer::syntax("Unknown CREATE parameter"));
        }
        cursor.space()?;
        special_use = cursor.list(|cursor| {
            cursor.expect(b'\\', "Expected a special use")?;
            Ok(format!("\\{}", cursor.atom()?))
        })?;
        cursor.expect(b')', "Expected )")?;
    }
    cursor.end()?;
    if special_use.len() > SPECIAL_USES_MAX {
        return Err(answer::TOO_MANY);
    }
    Ok(Next::ask(Effect::Create { mailbox, special_use }, "CREATE completed"))
}
