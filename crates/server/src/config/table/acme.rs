//! Settings of certificates that the server gets itself.

use super::super::{
    Setting,
    read::{self, Read},
};
use crate::acme::Challenge;

impl Read for Challenge {
    fn read(value: &toml::Value) -> Result<Self, String> {
        match &*String::read(value)? {
            "http-01" => Ok(Self::Http),
            "tls-alpn-01" => Ok(Self::TlsAlpn),
            "dns-01" => Ok(Self::Dns),
            other => Err(format!("expected http-01, tls-alpn-01 or dns-01, found {other}")),
        }
    }
}

pub(super) const SETTINGS: &[Setting] = &[
    row!(
        "acme.terms_agreed",
        "true or false",
        "false",
        "Agrees to the authority's terms: certificates for this host and its domains are got and \
         renewed from then on (ACME). Certificates of `[[tls]]` go before them.",
        acme.terms_agreed
    ),
    Setting {
        name: "acme.directory_url",
        unit: "URL",
        default: "\"https://acme-v02.api.letsencrypt.org/directory\"",
        doc: "The authority.",
        set: |config, value| {
            config.acme.directory_url = read::uri(value, &["https"])?.unwrap_or_default();
            Ok(())
        },
    },
    Setting {
        name: "acme.directory_ca_file",
        unit: "path",
        default: "",
        doc: "PEM certificate that the directory's own is signed by, where the system does not \
              know it.",
        set: |config, value| {
            config.acme.directory_ca_file = Some(Read::read(value)?);
            Ok(())
        },
    },
    row!(
        "acme.contacts",
        "list of addresses",
        "[]",
        "Where the authority writes to when something is wrong.",
        acme.contacts
    ),
    row!(
        "acme.challenge",
        "word",
        "\"http-01\"",
        "How names are shown to be ours: `http-01` by port 80, `tls-alpn-01` by port 443 (an \
         `https` listener), `dns-01` by records that `acme.dns_command` sets.",
        acme.challenge
    ),
    Setting {
        name: "acme.http_address",
        unit: "address:port",
        default: "\"[::]:80\"",
        doc: "Where http-01 is answered; nothing else is served there.",
        set: |config, value| {
            config.acme.http_address = Some(Read::read(value)?);
            Ok(())
        },
    },
    Setting {
        name: "acme.dns_command",
        unit: "path",
        default: "",
        doc: "For dns-01: a program that is called with `present` or `cleanup`, the name \
              (`_acme-challenge.example.org`) and the value of a TXT record, and ends when others \
              can see it.",
        set: |config, value| {
            config.acme.dns_command = Some(Read::read(value)?);
            Ok(())
        },
    },
    row!("acme.dns_command_seconds", "seconds", "300", "For one call.", acme.dns_command_seconds),
    row!(
        "acme.domain_labels",
        "list of labels",
        "[\"mail\", \"mta-sts\", \"autoconfig\", \"autodiscover\"]",
        "Names below each domain that get a certificate, where DNS leads them to this host.",
        acme.domain_labels
    ),
    row!("acme.names", "list of names", "[]", "More names of this host.", acme.names),
    row!(
        "acme.key_reuse",
        "true or false",
        "true",
        "Whether a renewed certificate keeps its key, and so TLSA records stay true.",
        acme.key_reuse
    ),
    row!(
        "acme.retry_seconds_min",
        "seconds",
        "3600",
        "Until the next try after a failure; twice as long after each further one.",
        acme.retry_seconds_min
    ),
    row!("acme.retry_seconds_max", "seconds", "86400", "At most.", acme.retry_seconds_max),
    row!("acme.order_seconds", "seconds", "900", "For one certificate.", acme.order_seconds),
    Setting {
        name: "acme.external_account",
        unit: "table",
        default: "",
        doc: "`id` and `key` (base64url) that the authority gave, where it wants an account of its \
              own (RFC 8555 §7.3.4).",
        set: |config, value| {
            let part = |name: &str| value.get(name).ok_or_else(|| format!("`{name}` is missing"));
            let id = String::read(part("id")?)?;
            config.acme.external_account = Some((id, read::secret(part("key")?)?));
            Ok(())
        },
    },
];
