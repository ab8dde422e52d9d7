//! The table of commands: verb, states where it is allowed, handler. One command, one file; each
//! file parses its arguments into a value and says what comes [`Next`].

mod append;
mod capability;
mod context;
mod copy;
mod enable;
mod esearch;
mod expunge;
mod fetch;
mod filter;
mod id;
mod idle;
mod list;
mod login;
mod mailbox;
mod quota;
mod search;
mod select;
mod sort;
mod status;
mod store;
mod thread;

use crate::answer::{self, Answer};
use crate::cursor::Cursor;
use crate::effect::{Effect, Enabled};
use crate::session::{Session, State};

pub(crate) use append::{Head, Message, message_after_message};
pub(crate) use capability::capabilities;

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
    /// IDLE begins.
    Idle,
    /// TLS begins.
    StartTls,
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
    use Allowed::{Always, BeforeLogin, LoggedIn, Selected};
    &[
        row("UID", Selected, uid),
        row("FETCH", Selected, |s, c| fetch::run(s, c, false)),
        row("IDLE", LoggedIn, idle::run),
        row("NOOP", Always, |_, c| nothing(c, "NOOP completed")),
        row("SELECT", LoggedIn, |s, c| select::run(s, c, false)),
        row("EXAMINE", LoggedIn, |s, c| select::run(s, c, true)),
        row("STATUS", LoggedIn, status::run),
        row("STORE", Selected, |s, c| store::run(s, c, false)),
        row("SEARCH", Selected, |s, c| search::run(s, c, false)),
        row("ESEARCH", LoggedIn, esearch::run),
        row("CANCELUPDATE", Selected, context::run),
        row("SORT", Selected, |s, c| sort::run(s, c, false)),
        row("THREAD", Selected, |s, c| thread::run(s, c, false)),
        row("APPEND", LoggedIn, append::without_literal),
        row("LIST", LoggedIn, list::run),
        row("LSUB", LoggedIn, list::run_lsub),
        row("COPY", Selected, |s, c| copy::run(s, c, false, false)),
        row("MOVE", Selected, |s, c| copy::run(s, c, false, true)),
        row("EXPUNGE", Selected, expunge::run),
        row("CLOSE", Selected, select::run_close),
        row("UNSELECT", Selected, select::run_unselect),
        row("CHECK", Selected, |_, c| nothing(c, "CHECK completed")),
        row("CAPABILITY", Always, capability::run),
        row("LOGIN", BeforeLogin, login::run),
        row("AUTHENTICATE", BeforeLogin, login::run_authenticate),
        row("STARTTLS", BeforeLogin, login::run_starttls),
        row("LOGOUT", Always, login::run_logout),
        row("UNAUTHENTICATE", LoggedIn, login::run_unauthenticate),
        row("ID", Always, id::run),
        row("ENABLE", LoggedIn, enable::run),
        row("NAMESPACE", LoggedIn, mailbox::run_namespace),
        row("CREATE", LoggedIn, mailbox::run_create),
        row("DELETE", LoggedIn, mailbox::run_delete),
        row("RENAME", LoggedIn, mailbox::run_rename),
        row("SUBSCRIBE", LoggedIn, |s, c| mailbox::run_subscribe(s, c, true)),
        row("UNSUBSCRIBE", LoggedIn, |s, c| mailbox::run_subscribe(s, c, false)),
        row("GETQUOTAROOT", LoggedIn, quota::run_quota_root),
        row("GETQUOTA", LoggedIn, quota::run_quota),
        row("SETQUOTA", LoggedIn, quota::run_set_quota),
    ]
};

/// Reads the verb and runs its row. The cursor stands behind the tag and its space.
pub(crate) fn run(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    let verb = cursor.atom()?;
    let row = TABLE.iter().find(|row| row.verb.eq_ignore_ascii_case(verb));
    let row = row.ok_or(answer::UNKNOWN_COMMAND)?;
    match (row.allowed, session.state()) {
        (Allowed::Always, _)
        | (Allowed::BeforeLogin, State::NotAuthenticated)
        | (Allowed::LoggedIn, State::Authenticated | State::Selected { .. })
        | (Allowed::Selected, State::Selected { .. }) => (row.run)(session, cursor),
        (Allowed::BeforeLogin, _) => Err(answer::AFTER_LOGIN),
        (Allowed::LoggedIn | Allowed::Selected, State::NotAuthenticated) => {
            Err(answer::BEFORE_LOGIN)
        }
        (Allowed::Selected, State::Authenticated) => Err(answer::NOT_SELECTED),
    }
}

/// `uid = "UID" SP (copy / move / fetch / search / store / uid-expunge)`
fn uid(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    cursor.space()?;
    let verb = cursor.atom()?;
    let is = |name: &str| verb.eq_ignore_ascii_case(name);
    if is("FETCH") {
        fetch::run(session, cursor, true)
    } else if is("STORE") {
        store::run(session, cursor, true)
    } else if is("SEARCH") {
        search::run(session, cursor, true)
    } else if is("SORT") {
        sort::run(session, cursor, true)
    } else if is("THREAD") {
        thread::run(session, cursor, true)
    } else if is("COPY") || is("MOVE") {
        copy::run(session, cursor, true, is("MOVE"))
    } else if is("EXPUNGE") {
        expunge::run_uid(session, cursor)
    } else {
        Err(answer::UNKNOWN_COMMAND)
    }
}

/// NOOP and CHECK: what is new is told at the end of every command.
fn nothing(cursor: &mut Cursor<'_>, ok: &'static str) -> Result<Next, Answer> {
    cursor.end()?;
    Ok(Next::Answer(Answer::ok(ok)))
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
