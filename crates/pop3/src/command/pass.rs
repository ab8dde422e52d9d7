//! PASS (RFC 1939 §7). All that follows the first space is the password, spaces too.

use crate::{
    effect::Effect,
    reply::{self, Reply},
    session::{Session, Then},
};
use wire::{auth::Ask, sasl::prepare_password};

pub(super) fn run(session: &mut Session, argument: &[u8]) -> Result<(), Reply> {
    if !session.secure {
        return Err(reply::TLS_FIRST);
    }
    let login = session.user.take().ok_or(reply::USER_FIRST)?;
    let password = prepare_password(argument);
    let ask = Ask::Password { login, authzid: String::new(), password };
    session.ask(Effect::Auth(ask), Then::Password);
    Ok(())
}
