//! CREATE (RFC 9051 §6.3.4, RFC 6154 §3), DELETE (§6.3.5), RENAME (§6.3.6), SUBSCRIBE and
//! UNSUBSCRIBE (§6.3.7, §6.3.8), NAMESPACE (§6.3.10).

use super::{Next, mailbox_argument};
use crate::answer::{self, Answer};
use crate::cursor::Cursor;
use crate::effect::Effect;
use crate::session::Session;

/// Special uses of one CREATE.
const SPECIAL_USES_MAX: usize = 10;

/// `create = "CREATE" SP mailbox [SP "(" "USE" SP "(" [use-attr *(SP use-attr)] ")" ")"]`
pub fn run_create(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
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

/// `delete = "DELETE" SP mailbox`
pub fn run_delete(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    let mailbox = mailbox_argument(cursor, session.enabled())?;
    cursor.end()?;
    Ok(Next::ask(Effect::Delete { mailbox }, "DELETE completed"))
}

/// `rename = "RENAME" SP mailbox SP mailbox`
pub fn run_rename(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    let from = mailbox_argument(cursor, session.enabled())?;
    let to = mailbox_argument(cursor, session.enabled())?;
    cursor.end()?;
    Ok(Next::ask(Effect::Rename { from, to }, "RENAME completed"))
}

/// `subscribe = "SUBSCRIBE" SP mailbox`, `unsubscribe = "UNSUBSCRIBE" SP mailbox`
pub fn run_subscribe(
    session: &mut Session,
    cursor: &mut Cursor<'_>,
    wanted: bool,
) -> Result<Next, Answer> {
    let mailbox = mailbox_argument(cursor, session.enabled())?;
    cursor.end()?;
    let ok = if wanted { "SUBSCRIBE completed" } else { "UNSUBSCRIBE completed" };
    Ok(Next::ask(Effect::Subscribe { mailbox, wanted }, ok))
}

/// `"NAMESPACE"`: one personal namespace, without prefix.
pub fn run_namespace(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    cursor.end()?;
    session.put(b"* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
    Ok(Next::Answer(Answer::ok("NAMESPACE completed")))
}
