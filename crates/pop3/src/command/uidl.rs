//! UIDL (RFC 1939 §7).

use super::list::listing;
use crate::{maildrop::Listed, reply::Reply, session::Session};

pub(super) fn run(session: &mut Session, argument: &[u8]) -> Result<(), Reply> {
    listing(session, argument, Listed::UniqueIds)
}
