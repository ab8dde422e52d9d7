//! STORE (RFC 9051 §6.4.6, RFC 7162 §3.1.3).

use super::{Next, Poll, writable};
use crate::answer::Answer;
use crate::cursor::Cursor;
use crate::effect::Effect;
use crate::session::Session;
use crate::types::StoreOp;
use mail::ModSeq;

/// `store = "STORE" SP sequence-set [SP store-modifiers] SP store-att-flags`
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>, uid: bool) -> Result<Next, Answer> {
    cursor.space()?;
    let set = cursor.sequence_set()?;
    cursor.space()?;
    let mut unchanged_since = None;
    if cursor.peek() == Some(b'(') {
        cursor.list(|cursor| {
            if unchanged_since.is_some() || !cursor.eat_word("UNCHANGEDSINCE") {
                return Err(Answer::syntax("Unknown STORE modifier"));
            }
            cursor.space()?;
            unchanged_since = Some(ModSeq(cursor.number64()?));
            Ok(())
        })?;
        cursor.space()?;
    }
    let (op, silent) = operation(cursor)?;
    cursor.space()?;
    let flags = cursor.flags()?;
    cursor.end()?;
    writable(session)?;
    if unchanged_since.is_some() {
        session.enable_condstore();
    }
    let effect = Effect::Store { set, uid, op, silent, flags, unchanged_since };
    let poll = if uid { Poll::All } else { Poll::NoExpunges };
    Ok(Next::Ask { effect, ok: "STORE completed", poll, target: false })
}

/// `["+" / "-"] "FLAGS" [".SILENT"]`
fn operation(cursor: &mut Cursor<'_>) -> Result<(StoreOp, bool), Answer> {
    let op = if cursor.eat(b'+') {
        StoreOp::Add
    } else if cursor.eat(b'-') {
        StoreOp::Remove
    } else {
        StoreOp::Replace
    };
    let name = cursor.name();
    if name.eq_ignore_ascii_case("FLAGS") {
        Ok((op, false))
    } else if name.eq_ignore_ascii_case("FLAGS.SILENT") {
        Ok((op, true))
    } else {
        Err(Answer::syntax("Expected FLAGS"))
    }
}
