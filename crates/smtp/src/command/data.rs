//! DATA (RFC 5321 §4.1.1.4).

use crate::{
    effect::{Body, Effect},
    reply,
    session::{Session, Then},
};

pub(super) fn run(session: &mut Session, argument: &str) {
    let fault = match &session.transaction {
        _ if !argument.is_empty() => reply::SYNTAX,
        None => reply::BAD_SEQUENCE,
        // RFC 3030 §2, §3: BDAT and DATA do not mix, binary content has no lines.
        Some(transaction) if transaction.chunks => reply::BAD_SEQUENCE,
        Some(transaction) if transaction.body == Body::Binary => reply::BAD_SEQUENCE,
        Some(transaction) if transaction.recipients == 0 => reply::NO_RECIPIENTS,
        Some(_) => {
            session.content = None;
            session.ask(Effect::DataBegin(session.introduction.clone()), Then::Data);
            return;
        }
    };
    session.reply(fault);
}
