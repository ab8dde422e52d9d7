//! The table of commands: verb, states where it is allowed, handler. One command, one file; each
//! file parses its arguments into a value and says what comes [`Next`].

mod acl;
mod append;
mod authenticate;
mod cancelupdate;
mod capability;
mod close;
mod compress;
mod copy;
mod create;
mod delete;
mod enable;
mod esearch;
mod expunge;
mod fetch;
mod filter;
mod getjmapaccess;
mod id;
mod idle;
mod list;
mod login;
mod logout;
mod metadata;
mod namespace;
mod noop;
mod notify;
mod quota;
mod rename;
mod search;
mod select;
mod sort;
mod starttls;
mod status;
mod store;
mod subscribe;
mod thread;
mod uidbatches;
mod unauthenticate;
mod unselect;

use crate::answer::{self, Answer};
use crate::cursor::Cursor;
use crate::effect::{Effect, Enabled};
use crate::session::{Session, State};

pub(crate) use append::{
    Action, Head as AppendHead, Message, Read, head as append_head, messages as append_messages,
    verb as append_verb,
};
pub(crate) use capability::capabilities;
pub(crate) use fetch::section_inside;

/// What follows a command that was read.
#[derive(Debug)]
pub(crate) enum Next {
    /// A tagged answer; before it, what is new in the selected mailbox.
    Answer(Answer),
    /// Ask the world; the tagged answer comes with its outcome.
    Ask {
        /// What.
        effect: Effect,
        /// Text of the OK.
        ok: &'static str,
        /// What may be told of the mailbox before the tagged answer.
        poll: Poll,
        /// The mailbox is a target: TRYCREATE (APPEND, COPY, MOVE).
        target: bool,
    },
    /// Login.
    Auth(Effect),
    /// SELECT or EXAMINE.
    Select(Effect),
    /// CLOSE or UNSELECT.
    Leave { expunge: bool, ok: &'static str },
    /// A SASL exchange begins: mechanism, initial response in base64.
    Sasl(String, Option<Vec<u8>>),
    /// APPEND or REPLACE, all of whose parts are URLs.
    Append(Box<AppendHead>),
    /// IDLE begins.
    Idle,
    /// TLS begins.
    StartTls,
    /// Compression begins.
    Compress,
    /// The login ends, the connection does not.
    Unauthenticate,
    /// The session ends.
    Logout,
}

/// Whether what is new is told before the tagged answer (RFC 9051 §7.5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Poll {
    /// All of it.
    All,
    /// "EXPUNGE … MUST NOT be sent … while responding to a FETCH, STORE, or SEARCH command."
    NoExpunges,
}

impl Next {
    /// An effect whose answer is told with `ok`.
    pub const fn ask(effect: Effect, ok: &'static str) -> Self {
        Self::Ask { effect, ok, poll: Poll::All, target: false }
    }
}

/// Where a command is allowed (RFC 9051 §6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Allowed {
    Always,
    BeforeLogin,
    LoggedIn,
    Selected,
    /// In a selected mailbox, unless UIDONLY is enabled: it names or gives message numbers
    /// (RFC 9586 §3).
    ByNumber,
}

type Handler = fn(&mut Session, &mut Cursor<'_>) -> Result<Next, Answer>;

struct Row {
    verb: &'static str,
    allowed: Allowed,
    run: Handler,
}

const fn row(verb: &'static str, allowed: Allowed, run: Handler) -> Row {
    Row { verb, allowed, run }
}

/// The most frequent first.
const TABLE: &[Row] = {
    use Allowed::{Always, BeforeLogin, ByNumber, LoggedIn, Selected};
    use append::Verb;
    &[
        row("UID FETCH", Selected, |s, c| fetch::run(s, c, true)),
        row("UID STORE", Selected, |s, c| store::run(s, c, true)),
        row("UID SEARCH", Selected, |s, c| search::run(s, c, true)),
        row("UID SORT", Selected, |s, c| sort::run(s, c, true)),
        row("UID THREAD", Selected, |s, c| thread::run(s, c, true)),
        row("UID COPY", Selected, |s, c| copy::run(s, c, true, false)),
        row("UID MOVE", Selected, |s, c| copy::run(s, c, true, true)),
        row("UID EXPUNGE", Selected, expunge::run_uid),
        row("FETCH", ByNumber, |s, c| fetch::run(s, c, false)),
        row("IDLE", LoggedIn, idle::run),
        row("NOOP", Always, |_, c| noop::run(c, "NOOP completed")),
        row("SELECT", LoggedIn, |s, c| select::run(s, c, false)),
        row("EXAMINE", LoggedIn, |s, c| select::run(s, c, true)),
        row("STATUS", LoggedIn, status::run),
        row("STORE", ByNumber, |s, c| store::run(s, c, false)),
        row("SEARCH", ByNumber, |s, c| search::run(s, c, false)),
        row("ESEARCH", LoggedIn, esearch::run),
        row("UIDBATCHES", Selected, uidbatches::run),
        row("CANCELUPDATE", Selected, cancelupdate::run),
        row("SORT", ByNumber, |s, c| sort::run(s, c, false)),
        row("THREAD", ByNumber, |s, c| thread::run(s, c, false)),
        row("APPEND", LoggedIn, |s, c| append::without_literal(s, c, Verb::Append)),
        row("UID REPLACE", Selected, |s, c| append::without_literal(s, c, Verb::REPLACE_UID)),
        row("REPLACE", ByNumber, |s, c| append::without_literal(s, c, Verb::REPLACE)),
        row("LIST", LoggedIn, list::run),
        row("LSUB", LoggedIn, list::run_lsub),
        row("COPY", ByNumber, |s, c| copy::run(s, c, false, false)),
        row("MOVE", ByNumber, |s, c| copy::run(s, c, false, true)),
        row("EXPUNGE", Selected, expunge::run),
        row("CLOSE", Selected, close::run),
        row("UNSELECT", Selected, unselect::run),
        row("CHECK", Selected, |_, c| noop::run(c, "CHECK completed")),
        row("CAPABILITY", Always, capability::run),
        row("LOGIN", BeforeLogin, login::run),
        row("AUTHENTICATE", BeforeLogin, authenticate::run),
        row("STARTTLS", BeforeLogin, starttls::run),
        row("LOGOUT", Always, logout::run),
        row("UNAUTHENTICATE", LoggedIn, unauthenticate::run),
        row("ID", Always, id::run),
        row("ENABLE", LoggedIn, enable::run),
        row("COMPRESS", LoggedIn, compress::run),
        row("NAMESPACE", LoggedIn, namespace::run),
        row("CREATE", LoggedIn, create::run),
        row("DELETE", LoggedIn, delete::run),
        row("RENAME", LoggedIn, rename::run),
        row("SUBSCRIBE", LoggedIn, |s, c| subscribe::run(s, c, true)),
        row("UNSUBSCRIBE", LoggedIn, |s, c| subscribe::run(s, c, false)),
        row("GETMETADATA", LoggedIn, metadata::run_get),
        row("SETMETADATA", LoggedIn, metadata::run_set),
        row("GETJMAPACCESS", LoggedIn, getjmapaccess::run),
        row("NOTIFY", LoggedIn, notify::run),
        row("MYRIGHTS", LoggedIn, acl::run_my),
        row("GETACL", LoggedIn, acl::run_get),
        row("SETACL", LoggedIn, acl::run_set),
        row("DELETEACL", LoggedIn, acl::run_delete),
        row("LISTRIGHTS", LoggedIn, acl::run_list),
        row("GETQUOTAROOT", LoggedIn, quota::run_quota_root),
        row("GETQUOTA", LoggedIn, quota::run_quota),
        row("SETQUOTA", LoggedIn, quota::run_set_quota),
    ]
};

/// Reads the verb and runs its row. The cursor stands behind the tag and its space.
pub(crate) fn run(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    let row = find(cursor)?;
    if row.allowed == Allowed::ByNumber && session.enabled().uidonly {
        return Err(answer::UID_REQUIRED);
    }
    match (row.allowed, session.state()) {
        (Allowed::Always, _)
        | (Allowed::BeforeLogin, State::NotAuthenticated)
        | (Allowed::LoggedIn, State::Authenticated | State::Selected { .. })
        | (Allowed::Selected | Allowed::ByNumber, State::Selected { .. }) => {
            (row.run)(session, cursor)
        }
        (Allowed::BeforeLogin, _) => Err(answer::AFTER_LOGIN),
        (Allowed::LoggedIn | Allowed::Selected | Allowed::ByNumber, State::NotAuthenticated) => {
            Err(answer::BEFORE_LOGIN)
        }
        (Allowed::Selected | Allowed::ByNumber, State::Authenticated) => Err(answer::NOT_SELECTED),
    }
}

/// `uid = "UID" SP (copy / move / fetch / search / store / uid-expunge)`: a verb of two words.
fn find(cursor: &mut Cursor<'_>) -> Result<&'static Row, Answer> {
    let verb = cursor.atom()?;
    if !verb.eq_ignore_ascii_case("UID") {
        let found = TABLE.iter().find(|row| row.verb.eq_ignore_ascii_case(verb));
        return found.ok_or(answer::UNKNOWN_COMMAND);
    }
    cursor.space()?;
    let verb = cursor.atom()?;
    let mut uid_rows = TABLE.iter().filter(|row| row.verb.starts_with("UID "));
    let found =
        uid_rows.find(|row| row.verb.get(4..).is_some_and(|end| end.eq_ignore_ascii_case(verb)));
    found.ok_or(answer::UNKNOWN_COMMAND)
}

/// Fails in a mailbox that was opened by EXAMINE.
fn writable(session: &Session) -> Result<(), Answer> {
    match session.state() {
        State::Selected { read_only: true, .. } => Err(answer::READ_ONLY),
        _ => Ok(()),
    }
}

/// Mailbox argument after a space.
fn mailbox_argument(cursor: &mut Cursor<'_>, enabled: Enabled) -> Result<String, Answer> {
    cursor.space()?;
    cursor.mailbox(enabled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_command_has_one_row() {
        let verbs: BTreeSet<&str> = TABLE.iter().map(|row| row.verb).collect();
        assert_eq!(verbs.len(), TABLE.len());
        assert!(verbs.iter().all(|verb| verb.to_ascii_uppercase() == *verb));
    }

    #[test]
    fn verbs_are_found_in_any_case_and_by_their_whole_name() {
        let found = |line: &str| find(&mut Cursor::new(line.as_bytes(), 1)).map(|row| row.verb);
        assert_eq!(found("uid Fetch 1"), Ok("UID FETCH"));
        assert_eq!(found("noop"), Ok("NOOP"));
        assert_eq!(found("UID NOOP"), Err(answer::UNKNOWN_COMMAND));
        assert_eq!(found("FETC"), Err(answer::UNKNOWN_COMMAND));
        assert!(found("UID").is_err());
    }
}
