//! The table of settings.

/// A row: name, unit, default as TOML, meaning, and the field that it sets.
macro_rules! row {
    ($name:literal, $unit:literal, $default:literal, $doc:literal, $($field:ident).+) => {
        Setting {
            name: $name,
            unit: $unit,
            default: $default,
            doc: $doc,
            set: |config, value| {
                config.$($field).+ = Read::read(value)?;
                Ok(())
            },
        }
    };
}

mod acme;
mod reports;
mod scan;
mod sending;
mod strangers;
mod timeouts;

use super::{Setting, read, read::Read};

/// Every setting, in the order of the documentation.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    GENERAL
        .iter()
        .chain(sending::SETTINGS)
        .chain(strangers::SETTINGS)
        .chain(timeouts::SETTINGS)
        .chain(scan::SETTINGS)
        .chain(acme::SETTINGS)
        .chain(reports::SETTINGS)
}

const GENERAL: &[Setting] = &[
    Setting {
        name: "host_name",
        unit: "name",
        default: "\"localhost\"",
        doc: "Name of this server in greetings and trace headers; a domain name that resolves to \
              it.",
        set: |config, value| {
            config.host_name = read::host_name(value)?;
            Ok(())
        },
    },
    row!(
        "data",
        "path",
        "\"/var/lib/palomar\"",
        "Folder of all mail, of the master key and of the local admin socket. Belongs to `user`.",
        data
    ),
    row!(
        "user",
        "name",
        "",
        "User to run as once the ports are bound. Needed when started as root.",
        user
    ),
    row!(
        "huge_pages",
        "true or false",
        "true",
        "Whether memory may come in huge pages (Linux). `false` takes some 10 to 40 MB less, and \
         some CPU more under load: for small machines.",
        huge_pages
    ),
    row!(
        "log",
        "filter",
        "\"info\"",
        "What is logged: error, warn, info, debug, or a filter such as `info,server=debug`.",
        log
    ),
    row!(
        "log_format",
        "word",
        "\"text\"",
        "`text` or `json`, one line an event on standard error.",
        log_format
    ),
    row!(
        "metrics",
        "address:port",
        "",
        "Where Prometheus asks (`GET /metrics`). Without password: use a loopback address.",
        metrics
    ),
    row!(
        "tls",
        "list of tables",
        "[]",
        "Certificates, each with `certificate` and `key` (PEM files). The first is the default; \
         another is used for the names (SNI) that it is for. Read again when they change.",
        tls
    ),
    row!(
        "listener",
        "list of tables",
        "[{protocol=\"imaps\",address=\"[::]:993\"}, {protocol=\"imap\",address=\"[::]:143\"}, \
         {protocol=\"pop3s\",address=\"[::]:995\"}, {protocol=\"pop3\",address=\"[::]:110\"}, \
         {protocol=\"submissions\",address=\"[::]:465\"}, \
         {protocol=\"submission\",address=\"[::]:587\"}, {protocol=\"smtp\",address=\"[::]:25\"}]",
        "Where to listen: `protocol` (imaps, imap, pop3s, pop3, submissions, submission, smtp, \
         lmtp, https), `address` (address:port), and `proxy`, a list of networks whose PROXY \
         protocol header is believed and required. LMTP asks for no login: bind it to loopback \
         only.",
        listeners
    ),
    row!(
        "smtp_tickets",
        "true or false",
        "false",
        "Whether the smtp listener sends TLS 1.3 session tickets, which some senders mishandle.",
        smtp_tickets
    ),
    row!(
        "imap_hidden_capabilities",
        "list of names",
        "[\"UIDONLY\"]",
        "IMAP capabilities that are not shown, for clients that misuse them (new Outlook UIDONLY); \
         `palomar account capabilities` decides for one account.",
        imap_hidden_capabilities
    ),
    Setting {
        name: "jmap.session_url",
        unit: "URL",
        default: "",
        doc: "JMAP session resource (https) that gives access to the same mail under the same ids; \
              IMAP then tells clients of it (JMAPACCESS). This server has no JMAP of its own yet.",
        set: |config, value| {
            config.jmap_session_url = read::uri(value, &["https"])?;
            Ok(())
        },
    },
    row!(
        "metadata.comment",
        "text",
        "",
        "What every IMAP user reads as `/shared/comment` of the server (METADATA).",
        metadata_comment
    ),
    Setting {
        name: "metadata.admin",
        unit: "URI",
        default: "",
        doc: "How to reach the administrator, e.g. `mailto:…`: `/shared/admin` of the server.",
        set: |config, value| {
            config.metadata_admin = read::uri(value, &[])?;
            Ok(())
        },
    },
    row!(
        "pop3_outlook_2003",
        "true or false",
        "false",
        "Whether POP3 changes messages so that Outlook 2003 and Outlook Express can take them: \
         NULs become octets 128, a missing empty line after the header is added.",
        pop3_outlook_2003
    ),
    row!(
        "limits.connections_max",
        "connections",
        "20000",
        "Connections in all; fewer when the machine gives fewer file descriptors.",
        connections.connections_max
    ),
    row!(
        "limits.command_messages_max",
        "messages",
        "0",
        "Messages that one IMAP command takes (MESSAGELIMIT); 0 for any number.",
        command_messages_max
    ),
    row!(
        "limits.saved_messages_max",
        "messages",
        "0",
        "Messages that one COPY, MOVE or APPEND makes (SAVELIMIT); 0 for any number.",
        saved_messages_max
    ),
    row!(
        "limits.connections_per_address_max",
        "connections",
        "50",
        "Connections from one address (IPv6: one /64) that are not logged in.",
        connections.connections_per_address_max
    ),
    row!(
        "limits.connections_per_account_max",
        "connections",
        "60",
        "Logged-in connections of one account.",
        logins.connections_per_account_max
    ),
    row!(
        "limits.login_delay_seconds_max",
        "seconds",
        "15",
        "Longest delay of a login after failures from its address.",
        logins.login_delay_seconds_max
    ),
    row!(
        "limits.message_octets_max",
        "octets",
        "67108864",
        "Largest message.",
        mail.message_octets_max
    ),
    row!(
        "limits.mailboxes_max",
        "mailboxes",
        "10000",
        "Mailboxes of one account.",
        mail.mailboxes_max
    ),
    row!(
        "limits.keywords_max",
        "keywords",
        "1000",
        "Different keywords of one account.",
        mail.keywords_max
    ),
    Setting {
        name: "limits.metadata_value_octets_max",
        unit: "octets",
        default: "65536",
        doc: "Value of one annotation (METADATA); at least 1024.",
        set: |config, value| {
            config.mail.metadata_value_octets_max = read::at_least(value, 1_024, false)?;
            Ok(())
        },
    },
    Setting {
        name: "limits.metadata_shared_entries_max",
        unit: "annotations",
        default: "100",
        doc: "`/shared` annotations of one mailbox; at least 10.",
        set: |config, value| {
            config.mail.metadata_shared_entries_max = read::at_least(value, 10, false)?;
            Ok(())
        },
    },
    Setting {
        name: "limits.metadata_private_entries_max",
        unit: "annotations",
        default: "100",
        doc: "`/private` annotations that one user has of one mailbox, or of the server; at least \
              10, or 0 for none.",
        set: |config, value| {
            config.mail.metadata_private_entries_max = read::at_least(value, 10, true)?;
            Ok(())
        },
    },
    row!(
        "limits.metadata_octets_max",
        "octets",
        "4194304",
        "Names and values of all annotations of one account, which are held in memory while it is \
         in use.",
        mail.metadata_octets_max
    ),
    row!(
        "limits.undelete_days",
        "days",
        "30",
        "How long expunged messages can be brought back.",
        mail.undelete_days
    ),
    row!(
        "limits.hot_octets_max",
        "octets",
        "536870912",
        "Memory for the indexes of accounts in use.",
        mail.hot_octets_max
    ),
    row!(
        "limits.store_cache_octets_max",
        "octets",
        "134217728",
        "Memory for blocks of the store's index that were read.",
        mail.store_cache_octets_max
    ),
    row!(
        "limits.quota_octets_default",
        "octets",
        "0",
        "Quota of accounts that have none of their own; 0 is no limit.",
        mail.quota_octets_default
    ),
    row!(
        "limits.transit_octets_max",
        "octets",
        "268435456",
        "Memory for messages on their way in or out over IMAP, and again for those over SMTP and \
         LMTP; at least twice `limits.message_octets_max`.",
        mail.transit_octets_max
    ),
    row!(
        "search.index_messages_min",
        "messages",
        "256",
        "So many new messages of an account are indexed for search together; until then they are \
         found by reading them.",
        search.index_messages_min
    ),
    row!(
        "search.index_idle_seconds",
        "seconds",
        "60",
        "An account without change for so long has fewer indexed too, from an eighth on.",
        search.index_idle_seconds
    ),
    row!(
        "search.index_memory_octets_max",
        "octets",
        "33554432",
        "Memory for making a part of the search index, roughly.",
        search.index_memory_octets_max
    ),
    row!(
        "search.index_nice_levels",
        "levels",
        "10",
        "How much indexing lets everything else go first, as nice(1): 0 to 19.",
        search.index_nice_levels
    ),
    row!(
        "search.cache_octets_max",
        "octets",
        "134217728",
        "Memory for what searches read: parts of the index, texts of messages not indexed yet.",
        search.cache_octets_max
    ),
    row!(
        "attachments.keywords",
        "true or false",
        "true",
        "Whether mail that is delivered gets the keyword `$hasattachment` or `$hasnoattachment` \
         (RFC 9979), so that clients show paper clips and search for them without reading it.",
        mail.attachment_keywords
    ),
    row!(
        "attachments.children_max",
        "children",
        "2",
        "Children that read the text of attachments (PDF, OOXML, ODF) for search; 0: \
         attachments are found by their names alone.",
        attachments.children_max
    ),
    row!(
        "attachments.seconds_max",
        "seconds",
        "10",
        "For one document; a child that takes longer is ended and the document has no text.",
        attachments.seconds_max
    ),
    row!(
        "attachments.memory_octets_max",
        "octets",
        "402653184",
        "Memory of one child beyond what it starts with.",
        attachments.memory_octets_max
    ),
    row!(
        "attachments.documents_per_child_max",
        "documents",
        "500",
        "Read by a child until another takes its place.",
        attachments.documents_per_child_max
    ),
    row!(
        "attachments.idle_seconds",
        "seconds",
        "60",
        "Without a document until a child ends.",
        attachments.idle_seconds
    ),
    row!(
        "attachments.confinement_required",
        "true or false",
        "false",
        "Whether attachments are not read where the kernel lacks landlock or seccomp.",
        attachments.confinement_required
    ),
    row!(
        "attachments.input_octets_max",
        "octets",
        "33554432",
        "Longest document that is read.",
        attachments.input_octets_max
    ),
    row!(
        "attachments.unpacked_octets_max",
        "octets",
        "67108864",
        "Of what a document unpacks to, as far as it is read.",
        attachments.unpacked_octets_max
    ),
    row!(
        "attachments.entries_max",
        "entries",
        "10000",
        "Files inside one document.",
        attachments.entries_max
    ),
    row!(
        "attachments.depth_max",
        "elements",
        "256",
        "XML elements inside one another.",
        attachments.depth_max
    ),
    row!(
        "attachments.text_chars_max",
        "characters",
        "2000000",
        "Text of a document that is searched; what is beyond is left out.",
        attachments.text_chars_max
    ),
];
