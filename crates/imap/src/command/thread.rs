//! THREAD (RFC 5256 §3 BASE.6.4.THREAD).

use super::Next;
use super::search::{self, Program};
use crate::answer::Answer;
use crate::cursor::Cursor;
use crate::effect::Effect;
use crate::session::Session;
use crate::types::ThreadAlgorithm;

/// `thread = ["UID" SP] "THREAD" SP thread-alg SP search-criteria`
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>, uid: bool) -> Result<Next, Answer> {
    cursor.space()?;
    let algorithm = match cursor.atom()?.to_ascii_uppercase().as_str() {
        "REFERENCES" => ThreadAlgorithm::References,
        "ORDEREDSUBJECT" => ThreadAlgorithm::OrderedSubject,
        "REFS" => ThreadAlgorithm::Refs,
        _ => return Err(Answer::syntax("Unknown threading algorithm")),
    };
    cursor.space()?;
    search::charset_name(cursor)?;
    cursor.space()?;
    let program = Program::parse(session, cursor)?;
    let poll = program.poll(uid);
    let effect = Effect::Thread { algorithm, key: program.key, uid };
    Ok(Next::Ask { effect, ok: "THREAD completed", poll, target: false })
}
