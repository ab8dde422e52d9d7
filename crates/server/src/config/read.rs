//! TOML values as settings. Each error says what was expected.

use super::LogFormat;
use crate::{
    dns::Dnssec, inbound::Dmarc, listener::ListenerConfig, outbound::sts::Mode, protocol::Protocol,
    proxy::Network, scan::dnslist, tls::CertificateFiles,
};
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};
use toml::Value;
use wire::auth::Secret;

/// A value that a setting may have.
pub trait Read: Sized {
    /// Reads it.
    fn read(value: &Value) -> Result<Self, String>;
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("expected a text in quotes, found {}", value.type_str()))
}

impl Read for u32 {
    fn read(value: &Value) -> Result<Self, String> {
        let number = value.as_integer().and_then(|number| Self::try_from(number).ok());
        number.ok_or_else(|| format!("expected a whole number from 0 to {}", Self::MAX))
    }
}

impl Read for u64 {
    fn read(value: &Value) -> Result<Self, String> {
        let number = value.as_integer().and_then(|number| Self::try_from(number).ok());
        number.ok_or_else(|| "expected a whole number from 0 on".to_owned())
    }
}

impl Read for bool {
    fn read(value: &Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| "expected true or false".to_owned())
    }
}

impl Read for String {
    fn read(value: &Value) -> Result<Self, String> {
        text(value).map(str::to_owned)
    }
}

impl Read for PathBuf {
    fn read(value: &Value) -> Result<Self, String> {
        match text(value)? {
            "" => Err("expected a path".to_owned()),
            path => Ok(path.into()),
        }
    }
}

impl Read for SocketAddr {
    fn read(value: &Value) -> Result<Self, String> {
        let text = text(value)?;
        text.parse().map_err(|_| format!("expected address:port or [address]:port, found {text}"))
    }
}

impl Read for IpAddr {
    fn read(value: &Value) -> Result<Self, String> {
        let text = text(value)?;
        text.parse().map_err(|_| format!("expected an IP address, found {text}"))
    }
}

impl Read for Dmarc {
    fn read(value: &Value) -> Result<Self, String> {
        match text(value)? {
            "enforce" => Ok(Self::Enforce),
            "junk" => Ok(Self::Junk),
            "mark" => Ok(Self::Mark),
            other => Err(format!("expected enforce, junk or mark, found {other}")),
        }
    }
}

impl Read for Mode {
    fn read(value: &Value) -> Result<Self, String> {
        match text(value)? {
            "enforce" => Ok(Self::Enforce),
            "testing" => Ok(Self::Testing),
            "none" => Ok(Self::None),
            other => Err(format!("expected enforce, testing or none, found {other}")),
        }
    }
}

impl Read for Dnssec {
    fn read(value: &Value) -> Result<Self, String> {
        match text(value)? {
            "auto" => Ok(Self::Auto),
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            other => Err(format!("expected auto, on or off, found {other}")),
        }
    }
}

impl Read for LogFormat {
    fn read(value: &Value) -> Result<Self, String> {
        match text(value)? {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("expected text or json, found {other}")),
        }
    }
}

impl<T: Read> Read for Option<T> {
    fn read(value: &Value) -> Result<Self, String> {
        T::read(value).map(Some)
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(value: &Value) -> Result<Self, String> {
        let list = value.as_array().ok_or_else(|| "expected a list".to_owned())?;
        list.iter().map(T::read).collect()
    }
}

impl Read for Network {
    fn read(value: &Value) -> Result<Self, String> {
        let text = text(value)?;
        Self::parse(text).ok_or_else(|| format!("expected a network such as 10.0.0.0/8: {text}"))
    }
}

/// A table's value of that name.
fn field<T: Read>(value: &Value, name: &str) -> Result<T, String> {
    let inner = value.get(name).ok_or_else(|| format!("{name} is missing"))?;
    T::read(inner).map_err(|why| format!("{name}: {why}"))
}

fn only(value: &Value, names: &[&str]) -> Result<(), String> {
    let table = value.as_table().ok_or_else(|| "expected a table".to_owned())?;
    match table.keys().find(|key| !names.contains(&key.as_str())) {
        Some(key) => Err(format!("there is no {key} here")),
        None => Ok(()),
    }
}

impl Read for ListenerConfig {
    fn read(value: &Value) -> Result<Self, String> {
        only(value, &["protocol", "address", "proxy"])?;
        let name: String = field(value, "protocol")?;
        let protocol = Protocol::parse(&name).ok_or_else(|| {
            let known = Protocol::ALL.map(Protocol::name).join(", ");
            format!("protocol: expected one of {known}, found {name}")
        })?;
        let address = field(value, "address")?;
        let proxy = if value.get("proxy").is_some() { field(value, "proxy")? } else { Vec::new() };
        Ok(Self { protocol, address, proxy })
    }
}

impl Read for CertificateFiles {
    fn read(value: &Value) -> Result<Self, String> {
        only(value, &["certificate", "key"])?;
        Ok(Self { certificate: field(value, "certificate")?, key: field(value, "key")? })
    }
}

impl Read for dnslist::List {
    fn read(value: &Value) -> Result<Self, String> {
        only(value, &["zone", "of", "codes"])?;
        let zone = value.get("zone").ok_or("zone is missing")?;
        let zone = host_name(zone).map_err(|why| format!("zone: {why}"))?;
        let kind = match field::<String>(value, "of")?.as_str() {
            "addresses" => dnslist::Kind::Addresses,
            "domains" => dnslist::Kind::Domains,
            other => return Err(format!("of: expected addresses or domains, found {other}")),
        };
        let codes =
            value.get("codes").and_then(Value::as_table).ok_or("codes: expected a table")?;
        let rows = codes.iter().map(|(code, worth)| {
            let effect = effect(worth).ok_or_else(|| {
                format!("codes: {code}: expected a number or \"reject\", found {worth}")
            })?;
            dnslist::Row::parse(code, effect)
                .ok_or_else(|| format!("codes: expected an answer such as 127.0.0.2, found {code}"))
        });
        Ok(Self { zone, kind, codes: dnslist::Codes(rows.collect::<Result<_, String>>()?) })
    }
}

fn effect(worth: &Value) -> Option<dnslist::Effect> {
    match worth {
        Value::String(word) if word == "reject" => Some(dnslist::Effect::Reject),
        Value::Float(weight) => Some(dnslist::Effect::Weight(*weight)),
        Value::Integer(weight) => {
            i32::try_from(*weight).ok().map(|weight| dnslist::Effect::Weight(weight.into()))
        }
        _ => None,
    }
}

/// A URI with one of these schemes; any, if there are none. Visible ASCII, as it goes over the
/// wire.
pub fn uri(value: &Value, schemes: &[&str]) -> Result<Option<String>, String> {
    let uri = text(value)?;
    let is_scheme = |scheme: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(inner)
    };
    let known = |scheme: &str| {
        schemes.is_empty() || schemes.iter().any(|known| known.eq_ignore_ascii_case(scheme))
    };
    match uri.split_once(':') {
        Some((scheme, rest))
            if is_scheme(scheme)
                && known(scheme)
                && !rest.is_empty()
                && uri.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"') =>
        {
            Ok(Some(uri.to_owned()))
        }
        _ if schemes.is_empty() => Err(format!("expected a URI such as mailto:…, found {uri:?}")),
        _ => Err(format!("expected a URL of {}, found {uri:?}", schemes.join(" or "))),
    }
}

/// Domains, in A-labels and lower case.
pub fn domains(value: &Value) -> Result<Vec<String>, String> {
    let all = Vec::<String>::read(value)?;
    let domain = |text: &String| mail::Domain::parse(text).map(|name| name.to_ascii());
    let all: Option<_> = all.iter().map(domain).collect();
    all.ok_or_else(|| "not domains".to_owned())
}

/// A password that can be sent: visible ASCII and spaces.
pub fn secret(value: &Value) -> Result<Secret, String> {
    let text = text(value)?;
    if !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        Ok(Secret::new(text.as_bytes().to_vec()))
    } else {
        Err("expected a text of visible ASCII".to_owned())
    }
}

/// A number that may not be less than `least`, but 0 where `none` is allowed.
pub fn at_least(value: &Value, least: u32, none: bool) -> Result<u32, String> {
    let number = u32::read(value)?;
    match number {
        0 if none => Ok(0),
        number if number >= least => Ok(number),
        _ if none => Err(format!("expected a whole number from {least} on, or 0")),
        _ => Err(format!("expected a whole number from {least} on")),
    }
}

/// A host name: a domain name that can stand in a greeting.
pub fn host_name(value: &Value) -> Result<String, String> {
    let name = text(value)?;
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(inner)
    };
    if name.len() <= 253 && name.split('.').all(is_label) {
        Ok(name.to_ascii_lowercase())
    } else {
        Err(format!("expected a domain name, found {name:?}"))
    }
}
