//! BDAT (RFC 3030 §2): a chunk's octets follow at once, and are read even when they are refused.

use crate::{
    content::Content,
    effect::{Body, Effect},
    reply,
    session::{Phase, Session, Then},
};

pub(super) fn run(session: &mut Session, argument: &str) {
    let mut words = argument.split_ascii_whitespace();
    let octets = words.next().and_then(|word| word.parse::<u64>().ok());
    let last = words.next();
    let is_last = last.is_some_and(|word| word.eq_ignore_ascii_case("LAST"));
    let (Some(left), true, None) = (octets, last.is_none() || is_last, words.next()) else {
        // How many octets follow is unknown: nothing that comes can be told from a command.
        session.close_with(reply::SYNTAX);
        return;
    };
    let limits = session.limits;
    let Some(transaction) = session.transaction.as_mut().filter(|t| t.recipients > 0) else {
        session.phase = Phase::Chunk { left, last: is_last, content: None };
        return;
    };
    let binary = transaction.body == Body::Binary;
    let first = !std::mem::replace(&mut transaction.chunks, true);
    if first {
        let content =
            Content::chunks(binary, limits.data_line_octets_max, limits.message_octets_max);
        session.content = Some(Box::new(content));
        let begin = Effect::DataBegin(session.introduction.clone());
        session.ask(begin, Then::Chunk { octets: left, last: is_last });
        return;
    }
    let content = session.content.take();
    session.phase = Phase::Chunk { left, last: is_last, content };
}
