//! UIDBATCHES (RFC 10022): the mailbox's messages as ranges of Uids with equally many messages.

use super::{Next, Poll};
use crate::answer::{self, Answer};
use crate::cursor::Cursor;
use crate::effect::Effect;
use crate::session::Session;

/// `"UIDBATCHES" SP nz-number [SP nz-number ":" nz-number]`: messages of a batch, and the batches
/// that are wanted, counted from the newest.
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    cursor.space()?;
    let messages = cursor.nz_number()?;
    let mut wanted = None;
    if !cursor.at_end() {
        cursor.space()?;
        let first = cursor.nz_number()?;
        cursor.expect(b':', "Expected a range")?;
        let last = cursor.nz_number()?;
        wanted = Some((first.min(last), first.max(last)));
    }
    cursor.end()?;
    if messages < session.limits().batch_messages_min {
        return Err(answer::BATCH_TOO_SMALL);
    }
    let effect = Effect::UidBatches { messages, wanted };
    // Numbers of messages are not named: expunges may be told.
    Ok(Next::Ask { effect, ok: "UIDBATCHES completed", poll: Poll::All, target: false })
}
