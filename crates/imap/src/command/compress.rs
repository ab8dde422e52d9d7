//! COMPRESS (RFC 4978): what is refused, and the step that makes the driver compress.

use super::Next;
use crate::answer::{self, Answer};
use crate::cursor::Cursor;
use crate::session::Session;

/// `compress = "COMPRESS" SP algorithm`; `algorithm = "DEFLATE"`
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    cursor.space()?;
    let is_deflate = cursor.atom()?.eq_ignore_ascii_case("DEFLATE");
    cursor.end()?;
    if session.is_hidden("COMPRESS=DEFLATE") {
        return Err(answer::UNKNOWN_COMMAND);
    }
    if !is_deflate {
        return Err(Answer::syntax("Unknown compression mechanism"));
    }
    // §3 has BAD and NO for this; the code belongs to NO, and clients know what it says.
    if session.is_compressed() {
        return Err(Answer::no("COMPRESSIONACTIVE", "DEFLATE is active already"));
    }
    // §3: "The client MUST NOT send any further commands until it has seen the result." What stands
    // behind this line is in clear, since nobody could know the result: switching would lose it or
    // take it for compressed. After BAD "the client MUST NOT turn on compression", and what it
    // sent is carried out.
    if session.is_more_received() {
        return Err(Answer::client_bug("Wait for the answer to COMPRESS"));
    }
    Ok(Next::Compress)
}
