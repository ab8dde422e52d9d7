//! SELECT and EXAMINE (RFC 9051 §6.3.2, §6.3.3, RFC 7162 §3.1.8, §3.2.5).

use super::{Next, mailbox_argument};
use crate::answer::{self, Answer};
use crate::cursor::Cursor;
use crate::effect::Effect;
use crate::session::Session;
use crate::types::{QResync, SequenceSet, SetNumber};
use mail::{ModSeq, UidValidity};

/// `select = "SELECT" SP mailbox [SP "(" select-param *(SP select-param) ")"]`
pub fn run(
    session: &mut Session,
    cursor: &mut Cursor<'_>,
    read_only: bool,
) -> Result<Next, Answer> {
    let mailbox = mailbox_argument(cursor, session.enabled())?;
    let (mut condstore, mut qresync) = (false, None);
    if !cursor.at_end() {
        cursor.space()?;
        cursor.list(|cursor| {
            if cursor.eat_word("CONDSTORE") {
                condstore = true;
            } else if qresync.is_none() && cursor.eat_word("QRESYNC") {
                cursor.space()?;
                qresync = Some(parse_qresync(cursor)?);
            } else {
                return Err(Answer::syntax("Unknown SELECT parameter"));
            }
            Ok(())
        })?;
    }
    cursor.end()?;
    // RFC 7162 §3.2.5: "A server MUST respond with a tagged BAD response if the Quick
    // Resynchronization parameter … is specified and the client hasn't issued "ENABLE QRESYNC"".
    if qresync.is_some() && !session.enabled().qresync {
        return Err(Answer::client_bug("ENABLE QRESYNC first"));
    }
    // RFC 9586 §3.2: message sequence match data are message numbers.
    let matches = qresync.as_ref().is_some_and(|qresync| qresync.matching.is_some());
    if matches && session.enabled().uidonly {
        return Err(answer::UID_REQUIRED);
    }
    if condstore {
        // The HIGHESTMODSEQ that goes out is the new mailbox's.
        session.enable_condstore_silently();
    }
    Ok(Next::Select(Effect::Select { mailbox, read_only, qresync }))
}

/// `"(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"`
fn parse_qresync(cursor: &mut Cursor<'_>) -> Result<QResync, Answer> {
    cursor.expect(b'(', "Expected (")?;
    let uid_validity = UidValidity(cursor.nz_number()?);
    cursor.space()?;
    // 0 is no mod-sequence, but means "everything" to those who send it.
    let modseq = ModSeq(cursor.number64()?);
    let (mut known, mut matching) = (None, None);
    if cursor.eat(b' ') && cursor.peek() != Some(b'(') {
        known = Some(known_set(cursor)?);
        cursor.eat(b' ');
    }
    if cursor.eat(b'(') {
        let numbers = known_set(cursor)?;
        cursor.space()?;
        matching = Some((numbers, known_set(cursor)?));
        cursor.expect(b')', "Expected )")?;
    }
    cursor.expect(b')', "Expected )")?;
    Ok(QResync { uid_validity, modseq, known, matching })
}

/// `known-uids = sequence-set ; "*" is not allowed`
fn known_set(cursor: &mut Cursor<'_>) -> Result<SequenceSet, Answer> {
    let set = cursor.sequence_set()?;
    let plain = match &set {
        SequenceSet::Saved => false,
        SequenceSet::Ranges(ranges) => {
            ranges.iter().all(|(a, b)| *a != SetNumber::Star && *b != SetNumber::Star)
        }
    };
    if plain { Ok(set) } else { Err(Answer::syntax("Expected a set of known numbers")) }
}
