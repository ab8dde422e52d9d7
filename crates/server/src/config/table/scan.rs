//! Settings of scanners.

use crate::{
    config::{Setting, read, read::Read},
    scan::clamd::Address,
};

/// In the order of the documentation.
pub const SETTINGS: &[Setting] = &[
    row!(
        "spam.classifier",
        "true or false",
        "true",
        "Whether mail of strangers is judged by what people here moved to Junk and back.",
        junk.enabled
    ),
    row!(
        "spam.classifier_junk_percent_min",
        "percent",
        "76",
        "From this on a message goes to Junk.",
        junk.junk_percent_min
    ),
    row!(
        "spam.classifier_lessons_min",
        "messages",
        "50",
        "So many messages of junk, and as many wanted ones, are learnt (by the server and the \
         account together) before anything goes to Junk because of it.",
        junk.lessons_min
    ),
    row!(
        "spam.server_learns",
        "true or false",
        "true",
        "Whether what one account's mail teaches helps the others: words are counted under keyed \
         hashes, no text is kept. Otherwise the server learns by `palomar junk learn` alone.",
        junk.server_learns
    ),
    row!(
        "spam.command_lessons_max",
        "messages",
        "100",
        "Messages of one command (a move of many) that teach.",
        junk.command_lessons_max
    ),
    row!(
        "spam.books_cached_max",
        "books",
        "64",
        "Accounts whose book is kept in memory (2 MB each at most, some KB mostly).",
        junk.books_cached_max
    ),
    Setting {
        name: "spam.rspamd_url",
        unit: "URL",
        default: "",
        doc: "HTTP interface of rspamd (e.g. `http://127.0.0.1:11333`), which is asked about mail \
              that comes in; without it nobody is.",
        set: |config, value| {
            config.scan.rspamd.url = read::uri(value, &["http", "https"])?;
            Ok(())
        },
    },
    Setting {
        name: "spam.rspamd_learn_url",
        unit: "URL",
        default: "",
        doc: "Its controller (e.g. `http://127.0.0.1:11334`), which learns from mail that people \
              move to Junk and back; without it nothing is learnt.",
        set: |config, value| {
            config.scan.rspamd.learn_url = read::uri(value, &["http", "https"])?;
            Ok(())
        },
    },
    Setting {
        name: "spam.rspamd_password",
        unit: "text",
        default: "",
        doc: "Password of its controller.",
        set: |config, value| {
            config.scan.rspamd.password = Some(read::secret(value)?);
            Ok(())
        },
    },
    row!(
        "spam.rspamd_seconds",
        "seconds",
        "20",
        "For its answer about one message; then the message goes on without.",
        scan.rspamd.seconds
    ),
    row!(
        "spam.rspamd_message_octets_max",
        "octets",
        "20971520",
        "Largest message that it is asked about.",
        scan.rspamd.message_octets_max
    ),
    row!(
        "spam.rspamd_connections_max",
        "connections",
        "20",
        "Questions to it at a time; more wait.",
        scan.rspamd.connections_max
    ),
    row!(
        "spam.rspamd_required",
        "true or false",
        "false",
        "Whether mail waits at its sender (451) while rspamd gives no answer; otherwise it is \
         accepted.",
        scan.rspamd.required
    ),
    row!(
        "spam.dns_lists",
        "list of tables",
        "[]",
        "DNS lists (RFC 5782), each with `zone`, `of` (addresses or domains), and `codes`, a \
         table: an answer (`127.0.0.2`, `127.0.0.4-127.0.0.7`, `&8` for bits of the last octet) \
         and what it adds to the score, or `\"reject\"`. Other answers count nothing.",
        scan.dns_lists.lists
    ),
    row!(
        "spam.dns_list_seconds",
        "seconds",
        "10",
        "For the answers of DNS lists; those that are late count nothing.",
        scan.dns_lists.seconds
    ),
    Setting {
        name: "virus.clamd_address",
        unit: "path or host:port",
        default: "",
        doc: "Where clamd listens (e.g. `/run/clamav/clamd.ctl`), which is asked about mail that \
              comes in; without it nobody is.",
        set: |config, value| {
            let address = Address::parse(&String::read(value)?);
            config.scan.clamd.address = Some(address.ok_or("expected a path or host:port")?);
            Ok(())
        },
    },
    row!(
        "virus.clamd_seconds",
        "seconds",
        "30",
        "For its answer about one message; then the message goes on without.",
        scan.clamd.seconds
    ),
    row!(
        "virus.clamd_message_octets_max",
        "octets",
        "25000000",
        "Largest message that it is asked about; no more than its `StreamMaxLength`.",
        scan.clamd.message_octets_max
    ),
    row!(
        "virus.clamd_connections_max",
        "connections",
        "10",
        "Questions to it at a time; more wait.",
        scan.clamd.connections_max
    ),
    row!(
        "virus.clamd_required",
        "true or false",
        "false",
        "Whether mail waits at its sender (451) while clamd gives no answer; otherwise it is \
         accepted.",
        scan.clamd.required
    ),
];
