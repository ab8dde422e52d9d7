//! The table of extensions: what CAPABILITY shows and `docs/protocols.md` tells. An extension is a
//! row here, a row in the table of commands, and a file.

/// When a capability is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shown {
    /// Before login and after it.
    Always,
    /// Before login alone.
    BeforeLogin,
    /// After login alone.
    AfterLogin,
    /// Never by this table: the session shows it when it holds (STARTTLS, AUTH=…, APPENDLIMIT=…),
    /// or it has no capability of its own.
    BySession,
}

/// One extension.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extension {
    /// As CAPABILITY writes it.
    pub capability: &'static str,
    /// RFC numbers, the one that counts first.
    pub rfcs: &'static [u16],
    /// When it is shown.
    pub shown: Shown,
    /// Names of settings and constants that limit it, with their values where fixed.
    pub limits: &'static str,
    /// Where to read on: paths below `crates/`, without `src/`.
    pub code: &'static str,
    /// Golden transcripts: names in `tests/transcripts` without `.txt`.
    pub transcripts: &'static [&'static str],
}

const fn row(
    capability: &'static str,
    rfcs: &'static [u16],
    shown: Shown,
    (limits, code): (&'static str, &'static str),
    transcripts: &'static [&'static str],
) -> Extension {
    Extension { capability, rfcs, shown, limits, code, transcripts }
}

/// All of them, in the order in which CAPABILITY shows them.
pub const EXTENSIONS: &[Extension] = {
    use Shown::{AfterLogin, Always, BeforeLogin, BySession};
    &[
        row(
            "IMAP4rev2",
            &[9051],
            Always,
            ("command_octets_max 512 KiB, nesting_max 50", "imap/session.rs"),
            &["rev2"],
        ),
        row(
            "IMAP4rev1",
            &[3501],
            Always,
            ("greeting_command_octets_max 8 KiB, bad_commands_max 20", "imap/command.rs"),
            &["login", "mailboxes", "limits-line", "limits-errors"],
        ),
        row(
            "LITERAL-",
            &[7888],
            BeforeLogin,
            ("literal_minus_octets_max 4,096", "imap/session/input.rs"),
            &["limits-literal"],
        ),
        row("SASL-IR", &[4959], BeforeLogin, ("", "imap/session/sasl.rs"), &["authenticate"]),
        row(
            "LITERAL+",
            &[7888],
            AfterLogin,
            ("append_octets_max", "imap/session/input.rs"),
            &["limits-append"],
        ),
        row("ENABLE", &[5161], Always, ("", "imap/command/enable.rs"), &["rev2", "qresync"]),
        row("ID", &[2971], Always, ("", "imap/command/id.rs"), &["login"]),
        row("NAMESPACE", &[2342], Always, ("", "imap/command/namespace.rs"), &["login"]),
        row(
            "IDLE",
            &[2177],
            Always,
            ("", "imap/command/idle.rs, server/bridge/imap/tell.rs"),
            &["idle"],
        ),
        row("UNSELECT", &[3691], AfterLogin, ("", "imap/command/unselect.rs"), &["select"]),
        row(
            "UIDPLUS",
            &[4315],
            AfterLogin,
            ("", "server/bridge/imap/append.rs, copy.rs"),
            &["append", "store-copy"],
        ),
        row("MOVE", &[6851], AfterLogin, ("", "imap/command/copy.rs"), &["store-copy"]),
        row("CHILDREN", &[3348], AfterLogin, ("", "server/bridge/imap/list.rs"), &["list"]),
        row(
            "ESEARCH",
            &[4731],
            AfterLogin,
            ("search_keys_max 2,000", "imap/command/search.rs, account/search.rs"),
            &["search"],
        ),
        row(
            "MULTISEARCH",
            &[7377],
            AfterLogin,
            (
                "filter_mailboxes_max 1,000",
                "imap/command/esearch.rs, server/bridge/imap/multisearch.rs",
            ),
            &["esearch-multi", "limits-filter"],
        ),
        row("ESORT", &[5267], AfterLogin, ("", "imap/command/sort.rs"), &["sort"]),
        row(
            "SORT",
            &[5256],
            AfterLogin,
            ("TEXT_OCTETS_MAX 1,024, KEYS_MAX 20", "imap/command/sort.rs, account/sort.rs"),
            &["sort"],
        ),
        row("SORT=DISPLAY", &[5957], AfterLogin, ("", "account/sort/source.rs"), &["sort"]),
        row(
            "THREAD=REFERENCES",
            &[5256],
            AfterLogin,
            (
                "REFERENCES_MAX 100, MISSING_IDS_MAX 2,000,000",
                "imap/command/thread.rs, account/thread_tree.rs",
            ),
            &["thread"],
        ),
        row(
            "THREAD=ORDEREDSUBJECT",
            &[5256],
            AfterLogin,
            ("", "account/thread_tree/trees.rs"),
            &["thread"],
        ),
        row("THREAD=REFS", &[], AfterLogin, ("", "account/thread_tree.rs"), &["thread"]),
        row("I18NLEVEL=1", &[5255], AfterLogin, ("", "mail/casemap.rs"), &["sort", "thread"]),
        row(
            "PARTIAL",
            &[9394],
            AfterLogin,
            ("", "imap/command/search.rs, fetch.rs, server/bridge/imap/search.rs"),
            &["partial"],
        ),
        row(
            "SEARCH=FUZZY",
            &[6203],
            AfterLogin,
            ("", "imap/command/search.rs, account/search.rs"),
            &["search-fuzzy", "sort"],
        ),
        row(
            "CONTEXT=SEARCH",
            &[5267],
            AfterLogin,
            (
                "contexts_max 16, RESULTS_MAX 1,000,000",
                "imap/command/cancelupdate.rs, server/bridge/imap/context.rs",
            ),
            &["context"],
        ),
        row(
            "CONTEXT=SORT",
            &[5267],
            AfterLogin,
            ("as above", "server/bridge/imap/context.rs"),
            &["context"],
        ),
        row("SEARCHRES", &[5182], AfterLogin, ("", "server/bridge/imap/search.rs"), &["search"]),
        row("LIST-EXTENDED", &[5258], AfterLogin, ("", "imap/command/list.rs"), &["list"]),
        row("LIST-STATUS", &[5819], AfterLogin, ("", "server/bridge/imap/list.rs"), &["list"]),
        row(
            "METADATA",
            &[5464],
            AfterLogin,
            (
                "limits.metadata_value_octets_max, limits.metadata_shared_entries_max, \
                 limits.metadata_private_entries_max, limits.metadata_octets_max, \
                 metadata_entries_max 256 a command, ENTRY_OCTETS_MAX 512",
                "imap/command/metadata.rs, server/bridge/imap/metadata.rs, account/annotate.rs",
            ),
            &["metadata", "metadata-set", "metadata-enable", "limits-metadata"],
        ),
        row(
            "LIST-METADATA",
            &[9590],
            AfterLogin,
            ("", "imap/command/list.rs, server/bridge/imap/list.rs"),
            &["list-metadata"],
        ),
        row("STATUS=SIZE", &[8438], AfterLogin, ("", "imap/command/status.rs"), &["mailboxes"]),
        row("SPECIAL-USE", &[6154], AfterLogin, ("", "server/bridge/imap/list.rs"), &["list"]),
        row(
            "CREATE-SPECIAL-USE",
            &[6154],
            AfterLogin,
            ("", "server/bridge/imap/mailbox.rs"),
            &["mailboxes"],
        ),
        row(
            "CONDSTORE",
            &[7162],
            AfterLogin,
            ("", "server/bridge/imap/store.rs, fetch.rs"),
            &["qresync"],
        ),
        row("QRESYNC", &[7162], AfterLogin, ("", "server/bridge/imap/select.rs"), &["qresync"]),
        row(
            "MULTIAPPEND",
            &[3502],
            AfterLogin,
            ("append_messages_max 1,000", "imap/session/append.rs"),
            &["append"],
        ),
        row("BINARY", &[3516], AfterLogin, ("", "server/bridge/imap/section.rs"), &["fetch"]),
        row("WITHIN", &[5032], AfterLogin, ("", "imap/command/search.rs"), &["search"]),
        row("QUOTA", &[9208], AfterLogin, ("", "imap/command/quota.rs"), &["mailboxes"]),
        row(
            "QUOTA=RES-STORAGE",
            &[9208],
            AfterLogin,
            ("", "imap/command/quota.rs"),
            &["mailboxes"],
        ),
        row(
            "QUOTA=RES-MESSAGE",
            &[9208],
            AfterLogin,
            ("", "imap/command/quota.rs"),
            &["mailboxes"],
        ),
        row(
            "UTF8=ACCEPT",
            &[9755, 6855],
            AfterLogin,
            ("", "imap/utf7.rs, imap/reply/string.rs"),
            &["append"],
        ),
        row(
            "NOTIFY",
            &[5465],
            AfterLogin,
            (
                "notify_groups_max 100, filter_mailboxes_max 1,000",
                "imap/command/notify.rs, server/bridge/imap/notify.rs",
            ),
            &["notify"],
        ),
        row(
            "ACL",
            &[4314],
            AfterLogin,
            (
                "ACL_ENTRIES_MAX 1,000 a mailbox",
                "imap/command/acl.rs, server/bridge/imap/acl.rs, server/bridge/imap/place.rs",
            ),
            &["acl"],
        ),
        row("RIGHTS=kxte", &[4314], AfterLogin, ("", "mail/rights.rs"), &["acl"]),
        row("LIST-MYRIGHTS", &[8440], AfterLogin, ("", "server/bridge/imap/list.rs"), &["acl"]),
        row(
            "UIDONLY",
            &[9586],
            AfterLogin,
            (
                "hidden_capabilities; of one account: palomar account capabilities",
                "imap/command.rs, imap/reply.rs",
            ),
            &["uidonly"],
        ),
        row(
            "UIDBATCHES",
            &[10022],
            AfterLogin,
            ("batch_messages_min 500", "imap/command/uidbatches.rs, server/bridge/imap/batches.rs"),
            &["uidbatches"],
        ),
        row(
            "MESSAGELIMIT=",
            &[9738],
            BySession,
            ("limits.command_messages_max, off", "server/bridge/imap/limited.rs"),
            &["messagelimit"],
        ),
        row(
            "SAVELIMIT=",
            &[9738],
            BySession,
            ("limits.saved_messages_max, off", "server/bridge/imap/limited.rs"),
            &["messagelimit"],
        ),
        row(
            "REPLACE",
            &[8508],
            AfterLogin,
            ("append_octets_max", "imap/command/append.rs, account/append.rs"),
            &["replace"],
        ),
        row(
            "CATENATE",
            &[4469, 5092],
            AfterLogin,
            (
                "append_octets_max of the whole message",
                "imap/url.rs, imap/session/append.rs, server/bridge/imap/append.rs",
            ),
            &["catenate"],
        ),
        row("URL-PARTIAL", &[5550], AfterLogin, ("", "imap/url.rs"), &["catenate"]),
        row(
            "SAVEDATE",
            &[8514],
            AfterLogin,
            ("", "imap/command/fetch.rs, imap/command/search.rs, account/saved.rs"),
            &["savedate"],
        ),
        row(
            "PREVIEW",
            &[8970],
            AfterLogin,
            ("200 characters", "imap/command/fetch.rs, account/record.rs"),
            &["preview"],
        ),
        row(
            "COMPRESS=DEFLATE",
            &[4978],
            AfterLogin,
            (
                "INFLATED_OCTETS_MAX 16 KiB, EMPTY_OCTETS_MAX 64 KiB",
                "imap/command/compress.rs, server/deflate.rs",
            ),
            &["compress"],
        ),
        row(
            "UNAUTHENTICATE",
            &[8437],
            AfterLogin,
            ("", "imap/command/unauthenticate.rs"),
            &["unauthenticate"],
        ),
        row("OBJECTID", &[8474], AfterLogin, ("", "server/bridge/imap/fetch.rs"), &["fetch"]),
        row(
            "INPROGRESS",
            &[9585],
            AfterLogin,
            ("every 10 seconds", "server/bridge/imap/search.rs"),
            &["search"],
        ),
        row(
            "APPENDLIMIT=",
            &[7889],
            BySession,
            ("append_octets_max", "imap/command/capability.rs"),
            &["limits-append"],
        ),
        row(
            "JMAPACCESS",
            &[9698],
            BySession,
            ("jmap.session_url", "imap/command/getjmapaccess.rs"),
            &["jmapaccess", "jmapaccess-none"],
        ),
        row(
            "(keywords)",
            &[9979, 8457, 5788],
            BySession,
            (
                "limits.keywords_max, KEYWORD_OCTETS_MAX 128",
                "mail/flags.rs, mail/mime/attachment.rs, account/keywords.rs",
            ),
            &["keywords"],
        ),
        row("STARTTLS", &[9051], BySession, ("", "imap/command/starttls.rs"), &["tls"]),
        row("LOGINDISABLED", &[9051], BySession, ("", "imap/command/login.rs"), &["tls"]),
        row("AUTH=PLAIN", &[4616], BySession, ("", "wire/sasl.rs"), &["authenticate"]),
        row("AUTH=LOGIN", &[], BySession, ("", "wire/sasl.rs"), &["authenticate"]),
        row(
            "AUTH=SCRAM-SHA-256",
            &[7677, 5802],
            BySession,
            ("", "wire/sasl/scram.rs"),
            &["authenticate-scram"],
        ),
        row("AUTH=OAUTHBEARER", &[7628], BySession, ("", "wire/sasl/bearer.rs"), &["oauthbearer"]),
        row("AUTH=XOAUTH2", &[], BySession, ("", "wire/sasl/bearer.rs"), &["oauthbearer"]),
        row(
            "AUTH=SCRAM-SHA-256-PLUS",
            &[7677, 9266],
            BySession,
            ("", "wire/sasl/scram.rs"),
            &["authenticate-scram-plus"],
        ),
    ]
};

/// Capabilities of this table that are shown now, in order.
pub(crate) fn shown(logged_in: bool) -> impl Iterator<Item = &'static str> {
    let now = if logged_in { Shown::AfterLogin } else { Shown::BeforeLogin };
    let rows = EXTENSIONS.iter().filter(move |row| row.shown == Shown::Always || row.shown == now);
    rows.map(|row| row.capability)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_extension_has_one_row() {
        let names: BTreeSet<&str> = EXTENSIONS.iter().map(|row| row.capability).collect();
        assert_eq!(names.len(), EXTENSIONS.len());
    }

    #[test]
    fn each_transcript_is_there() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts");
        for row in EXTENSIONS {
            assert!(!row.transcripts.is_empty(), "{} has no transcript", row.capability);
            for name in row.transcripts {
                let file = std::path::Path::new(folder).join(format!("{name}.txt"));
                assert!(file.exists(), "{}: {name}", row.capability);
            }
        }
    }
}
