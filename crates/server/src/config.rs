//! Settings: one table says each one's name, unit, default and meaning; the parser, `--help` and
//! `docs/configuration.md` come from it.
//!
//! Invariants: an unknown name is an error, never passed over; defaults are written once, as the
//! TOML that a user would write.

mod read;
mod table;

pub use table::settings;

use crate::{
    admission::ConnectionLimits, attachments::AttachmentLimits, auth::LoginLimits,
    listener::ListenerConfig, pace::Timeouts, protocol::Protocol, tls::CertificateFiles,
};
use std::{
    fmt::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// One setting.
pub struct Setting {
    /// Section and name as in the file, e.g. `limits.connections_max`.
    pub name: &'static str,
    /// What its number counts, or what it is.
    pub unit: &'static str,
    /// Its default as TOML; empty for none.
    pub default: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// Reads it into the configuration.
    set: fn(&mut Config, &toml::Value) -> Result<(), String>,
}

/// How logs are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// The configuration.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Config {
    /// Name of this server in greetings and trace headers.
    pub host_name: String,
    /// Data folder.
    pub data: PathBuf,
    /// User to run as after binding.
    pub user: Option<String>,
    /// Where Prometheus asks.
    pub metrics: Option<SocketAddr>,
    /// Whether memory may come in huge pages.
    pub huge_pages: bool,
    /// Log filter.
    pub log: String,
    /// Log format.
    pub log_format: LogFormat,
    /// Certificates, the default one first.
    pub tls: Vec<CertificateFiles>,
    /// Listeners.
    pub listeners: Vec<ListenerConfig>,
    /// Whether the MX listener sends TLS 1.3 tickets.
    pub smtp_tickets: bool,
    /// Capabilities that IMAP does not show.
    pub imap_hidden_capabilities: Vec<String>,
    /// `limits.command_messages_max`
    pub command_messages_max: u32,
    /// `limits.saved_messages_max`
    pub saved_messages_max: u32,
    /// The outbound queue.
    pub outbound: crate::outbound::service::Settings,
    /// Checks of mail that comes in.
    pub inbound: crate::inbound::Settings,
    /// Reports of others.
    pub reports: crate::reports::received::Settings,
    /// The MTA-STS policy of our own domains.
    pub sts: crate::sts::Settings,
    /// DKIM signatures.
    pub dkim: crate::signing::Settings,
    /// DNS.
    pub dns: crate::dns::Settings,
    /// Scanners of mail that comes in.
    pub scan: crate::scan::Settings,
    /// Certificates that the server gets itself.
    pub acme: crate::acme::Settings,
    /// What is learnt of junk.
    pub junk: crate::trainer::Settings,
    /// The JMAP session resource with the same mail.
    pub jmap_session_url: Option<String>,
    /// What all users read as `/shared/comment` of the server.
    pub metadata_comment: Option<String>,
    /// What all users read as `/shared/admin` of the server.
    pub metadata_admin: Option<String>,
    /// Whether POP3 changes messages for Outlook 2003.
    pub pop3_outlook_2003: bool,
    /// Limits of connections.
    pub connections: ConnectionLimits,
    /// Limits of logins.
    pub logins: LoginLimits,
    /// Limits of accounts and messages.
    pub mail: MailLimits,
    /// Search.
    pub search: SearchLimits,
    /// How attachments are read for search.
    pub attachments: AttachmentLimits,
    /// Time-outs.
    pub timeouts: Timeouts,
    /// `command_seconds` of POP3.
    pub pop3_command_seconds: u32,
    /// `command_seconds` of SMTP and LMTP.
    pub smtp_command_seconds: u32,
}

/// Limits of accounts and messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MailLimits {
    /// Largest message in octets.
    pub message_octets_max: u64,
    /// Mailboxes of one account.
    pub mailboxes_max: u32,
    /// Different keywords of one account.
    pub keywords_max: u32,
    /// Whether delivered mail gets keywords that tell of attachments.
    pub attachment_keywords: bool,
    /// Octets of one annotation's value.
    pub metadata_value_octets_max: u32,
    /// Shared annotations of one mailbox.
    pub metadata_shared_entries_max: u32,
    /// Private annotations of one user of one mailbox, or of the server.
    pub metadata_private_entries_max: u32,
    /// Octets of all annotations of one account.
    pub metadata_octets_max: u64,
    /// Days that expunged messages are kept.
    pub undelete_days: u32,
    /// Octets of memory for hot accounts.
    pub hot_octets_max: u64,
    /// Octets of memory for blocks of the store's index.
    pub store_cache_octets_max: u64,
    /// Quota of accounts without their own, in octets; 0 is none.
    pub quota_octets_default: u64,
    /// Octets of messages that are on their way in or out, all connections together.
    pub transit_octets_max: u64,
}

/// Limits of search and of what makes its index.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SearchLimits {
    /// Messages that wait before they are indexed.
    pub index_messages_min: u32,
    /// Seconds without change after which fewer are indexed too.
    pub index_idle_seconds: u32,
    /// Octets of memory that indexing takes.
    pub index_memory_octets_max: u64,
    /// How much the indexer lets others go first, as nice(1).
    pub index_nice_levels: u32,
    /// Octets of memory for what searches read.
    pub cache_octets_max: u64,
}

/// Why a configuration is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError(pub String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for ConfigError {}

impl Config {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError(format!("{}: {error}", path.display())))?;
        Self::parse(&text)
            .map_err(|ConfigError(why)| ConfigError(format!("{}: {why}", path.display())))
    }

    /// Reads a text; what it does not set has its default.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for setting in settings().filter(|setting| !setting.default.is_empty()) {
            let defaults: toml::Table = format!("x = {}", setting.default)
                .parse()
                .map_err(|error| ConfigError(format!("default of {}: {error}", setting.name)))?;
            for value in defaults.values() {
                apply(&mut config, setting, value)?;
            }
        }
        let table: toml::Table =
            text.parse().map_err(|error: toml::de::Error| ConfigError(error.to_string()))?;
        for (name, value) in &table {
            config.set(name, value)?;
        }
        Ok(config)
    }

    /// Sets one name, or all of a section.
    fn set(&mut self, name: &str, value: &toml::Value) -> Result<(), ConfigError> {
        if let Some(setting) = settings().find(|setting| setting.name == name) {
            return apply(self, setting, value);
        }
        let is_section = settings().any(|setting| {
            setting.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))
        });
        match value {
            toml::Value::Table(section) if is_section => section
                .iter()
                .try_for_each(|(inner, value)| self.set(&format!("{name}.{inner}"), value)),
            _ => Err(ConfigError(format!("there is no setting {name}"))),
        }
    }

    /// Time-outs of a protocol.
    #[must_use]
    pub const fn timeouts_of(&self, protocol: Protocol) -> Timeouts {
        let command_seconds = match protocol {
            Protocol::Imaps | Protocol::Imap | Protocol::Https => self.timeouts.command_seconds,
            Protocol::Pop3s | Protocol::Pop3 => self.pop3_command_seconds,
            Protocol::Submissions | Protocol::Submission | Protocol::Smtp | Protocol::Lmtp => {
                self.smtp_command_seconds
            }
        };
        Timeouts { command_seconds, ..self.timeouts }
    }

    /// Account settings.
    #[must_use]
    pub fn account_options(&self) -> account::Options {
        let standard = account::Options::default();
        account::Options {
            message_octets_max: self.mail.message_octets_max,
            mailboxes_max: self.mail.mailboxes_max as usize,
            keywords_max: self.mail.keywords_max as usize,
            attachment_keywords: self.mail.attachment_keywords,
            metadata_value_octets_max: self.mail.metadata_value_octets_max as usize,
            metadata_shared_entries_max: self.mail.metadata_shared_entries_max as usize,
            metadata_private_entries_max: self.mail.metadata_private_entries_max as usize,
            metadata_octets_max: self.mail.metadata_octets_max,
            undelete_days: self.mail.undelete_days,
            hot_octets_max: self.mail.hot_octets_max,
            index_messages_min: self.search.index_messages_min.max(1),
            index_memory_octets_max: usize::try_from(self.search.index_memory_octets_max)
                .unwrap_or(usize::MAX),
            search_cache_octets_max: self.search.cache_octets_max,
            quota_octets_default: Some(self.mail.quota_octets_default).filter(|max| *max > 0),
            ..standard
        }
    }
}

fn apply(config: &mut Config, setting: &Setting, value: &toml::Value) -> Result<(), ConfigError> {
    (setting.set)(config, value).map_err(|why| ConfigError(format!("{}: {why}", setting.name)))
}

/// All settings as a Markdown table, for the documentation.
#[must_use]
pub fn markdown() -> String {
    let mut text = "| setting | unit | default | meaning |\n|---|---|---|---|\n".to_owned();
    for setting in settings() {
        let default = match setting.default {
            "" => "–".to_owned(),
            default => format!("`{default}`"),
        };
        let Setting { name, unit, doc, .. } = setting;
        let _ = writeln!(text, "| `{name}` | {unit} | {default} | {doc} |");
    }
    text
}

/// All settings as plain text, for `--help`.
#[must_use]
pub fn help() -> String {
    let mut text = "Settings of the configuration file (TOML):\n".to_owned();
    for Setting { name, unit, default, doc, .. } in settings() {
        let default = if default.is_empty() { "none" } else { default };
        let _ = writeln!(text, "  {name} ({unit}; {default})\n      {doc}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_read() {
        let config = Config::parse("").unwrap();
        assert_eq!(config.timeouts.idle_seconds, 1860);
        assert!(config.listeners.iter().any(|one| one.protocol == Protocol::Imaps));
        assert_eq!(config.account_options().quota_octets_default, None);
    }

    #[test]
    fn every_setting_with_a_number_says_its_unit_last_or_is_a_maximum() {
        for setting in settings() {
            let is_number = setting.default.parse::<u64>().is_ok();
            let ends =
                ["_max", "_seconds", "_days", "_percent", "_min", "_default", "_levels", ".port"];
            assert!(
                !is_number || ends.iter().any(|end| setting.name.ends_with(end)),
                "{}",
                setting.name
            );
        }
    }

    #[test]
    fn a_file_is_read() {
        let config = Config::parse(
            r#"
            host_name = "mx.example.org"
            user = "palomar"
            log_format = "json"
            metrics = "127.0.0.1:9464"
            [[tls]]
            certificate = "/etc/a.pem"
            key = "/etc/a.key"
            [[listener]]
            protocol = "imaps"
            address = "[::]:993"
            proxy = ["10.0.0.0/8"]
            [limits]
            connections_max = 7
            metadata_private_entries_max = 0
            [timeouts]
            idle_seconds = 9
            [metadata]
            admin = "mailto:admin@example.org"
            comment = "Closed on Sundays"
            [jmap]
            session_url = "https://example.org/.well-known/jmap"
            "#,
        )
        .unwrap();
        assert_eq!(config.host_name, "mx.example.org");
        assert_eq!(config.user.as_deref(), Some("palomar"));
        assert_eq!(config.log_format, LogFormat::Json);
        assert_eq!(config.listeners.len(), 1);
        assert!(config.listeners[0].proxy[0].contains("10.1.2.3".parse().unwrap()));
        assert_eq!(config.connections.connections_max, 7);
        assert_eq!(config.timeouts.idle_seconds, 9);
        assert_eq!(config.account_options().metadata_private_entries_max, 0);
        assert_eq!(config.metadata_admin.as_deref(), Some("mailto:admin@example.org"));
        assert_eq!(config.metadata_comment.as_deref(), Some("Closed on Sundays"));
        let url = Some("https://example.org/.well-known/jmap");
        assert_eq!(config.jmap_session_url.as_deref(), url);
        assert_eq!(config.tls[0].key, PathBuf::from("/etc/a.key"));
    }

    #[test]
    fn names_of_others_are_read() {
        let text = "[inbound]\narc_trusted_sealers = ['Lists.Example.test', 'bücher.test']\n\
                    [sts]\nmode = 'none'\nmx = ['*.MX.test']\nmax_age_seconds = 31557600";
        let config = Config::parse(text).unwrap();
        let sealers = &config.inbound.arc_trusted_sealers;
        assert_eq!(sealers, &["lists.example.test", "xn--bcher-kva.test"]);
        assert_eq!(config.sts.hosts, ["*.mx.test"]);
        let policy = config.sts.policy(&config.host_name).unwrap();
        assert!(policy.text.contains("mode: none") && policy.text.contains("mx: *.mx.test"));
    }

    #[test]
    fn dns_lists_are_read() {
        let text = "[[spam.dns_lists]]\nzone = 'List.example.test'\nof = 'addresses'\n\
                    codes = {'127.0.0.2-127.0.0.3' = 2, '127.0.0.4' = 'reject', '&128' = -0.5}";
        let config = Config::parse(text).unwrap();
        let list = &config.scan.dns_lists.lists[0];
        assert_eq!(list.zone, "list.example.test");
        let effect = |last| list.codes.effect(&[[127, 0, 0, last].into()]);
        assert_eq!(effect(3), Some(crate::scan::dnslist::Effect::Weight(2.0)));
        assert_eq!(effect(4), Some(crate::scan::dnslist::Effect::Reject));
        assert_eq!(effect(128), Some(crate::scan::dnslist::Effect::Weight(-0.5)));
        assert_eq!(effect(5), None);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, named) in [
            ("hostname = 'x'", "hostname"),
            ("[limits]\nconnections = 7", "limits.connections"),
            ("[limits]\nconnections_max = -1", "limits.connections_max"),
            ("[limits]\nconnections_max = 'many'", "limits.connections_max"),
            ("log_format = 'xml'", "log_format"),
            ("[[listener]]\nprotocol = 'gopher'\naddress = '[::]:70'", "gopher"),
            ("[[listener]]\nprotocol = 'imap'", "address"),
            ("[[listener]]\nprotocol = 'imap'\naddress = '[::]:1'\nport = 2", "port"),
            ("[[tls]]\ncertificate = 'a'", "key"),
            ("[metadata]\nadmin = 'Ana'", "metadata.admin"),
            ("[jmap]\nsession_url = 'http://example.org/jmap'", "jmap.session_url"),
            ("[limits]\nmetadata_value_octets_max = 1023", "1024"),
            ("[limits]\nmetadata_shared_entries_max = 9", "10"),
            ("[limits]\nmetadata_private_entries_max = 9", "10"),
            ("[limits]\nmetadata_private_entries_max = 1", "or 0"),
            ("[spam]\nrspamd_url = 'unix:/run/rspamd'", "spam.rspamd_url"),
            ("[spam]\nrspamd_password = \"a\\nb\"", "spam.rspamd_password"),
            ("[virus]\nclamd_address = 'localhost'", "virus.clamd_address"),
            ("[[spam.dns_lists]]\nzone = 'a b'\nof = 'domains'\ncodes = {}", "zone"),
            ("[[spam.dns_lists]]\nzone = 'a.test'\nof = 'names'\ncodes = {}", "of: "),
            (
                "[[spam.dns_lists]]\nzone = 'a.test'\nof = 'domains'\ncodes = {'127.0.0.1' = 1}",
                "127.0.0.1",
            ),
            (
                "[[spam.dns_lists]]\nzone = 'a.test'\nof = 'domains'\ncodes = {'127.0.0.2' = 'drop'}",
                "drop",
            ),
            (
                "[[spam.dns_lists]]\nzone = 'a.test'\nof = 'domains'\ncodes = {'127.0.0.2' = nan}",
                "127.0.0.2",
            ),
            ("[[spam.dns_lists]]\nof = 'domains'\ncodes = {}", "zone"),
            ("[inbound]\narc_trusted_sealers = ['a b']", "inbound.arc_trusted_sealers"),
            ("[sts]\nmode = 'strict'", "sts.mode"),
            ("[sts]\nmx = ['a.*.test']", "sts.mx"),
            ("[sts]\nmax_age_seconds = 31557601", "31557600"),
            ("host_name = ''", "host_name"),
            ("host_name = 'a\"b'", "host_name"),
            ("x = ", "x"),
        ] {
            let ConfigError(why) = Config::parse(text).unwrap_err();
            assert!(why.contains(named), "{text}: {why}");
        }
    }

    #[test]
    fn the_documentation_has_the_table() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
        let text = std::fs::read_to_string(folder).unwrap();
        assert!(text.contains(&markdown()), "run `palomar config --docs` and paste the table");
    }
}
