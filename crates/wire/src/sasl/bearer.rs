//! Client messages and failures of the bearer mechanisms: OAUTHBEARER (RFC 7628) and XOAUTH2
//! (Google's format, from before it).
//!
//! Never judges a token. What is read of a message is the token and whom it is to act as.

use crate::auth::{Refusal, Secret};

/// Octets of a token.
pub const TOKEN_OCTETS_MAX: usize = 2048;
/// Octets of whom to act as.
const AUTHZID_OCTETS_MAX: usize = 1024;
/// `kvsep = %x01` (RFC 7628 §3.1)
const SEPARATOR: u8 = 1;

/// What a client said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Presented {
    /// Whom to act as; empty for whom the token belongs to.
    pub authzid: String,
    /// The token.
    pub token: Secret,
}

/// `client-resp = gs2-header kvsep *kvpair kvsep` (RFC 7628 §3.1). Channel binding is not one of
/// this mechanism's. "Unknown key/value pairs MUST be ignored by the server."
pub fn parse(message: &[u8]) -> Option<Presented> {
    let text = std::str::from_utf8(message).ok()?;
    let (header, pairs) = text.split_once(char::from(SEPARATOR))?;
    let (flag, rest) = header.split_once(',')?;
    let name = rest.strip_suffix(',')?;
    if !matches!(flag, "n" | "y") {
        return None;
    }
    let authzid = match name.strip_prefix("a=") {
        Some(name) => super::scram::sasl_name(name)?,
        None if name.is_empty() => String::new(),
        None => return None,
    };
    presented(authzid, pairs)
}

/// `"user=" user ^A "auth=Bearer " token ^A ^A`
pub fn parse_google(message: &[u8]) -> Option<Presented> {
    let text = std::str::from_utf8(message).ok()?;
    let (user, pairs) = text.strip_prefix("user=")?.split_once(char::from(SEPARATOR))?;
    presented(user.to_owned(), pairs)
}

/// `kvpair = key "=" value kvsep`, `value = *(VCHAR / SP / HTAB / CR / LF)`
fn presented(authzid: String, pairs: &str) -> Option<Presented> {
    let separator = char::from(SEPARATOR);
    // The last separator ends the list of pairs.
    let mut rest = pairs.strip_suffix(separator)?;
    let mut token = None;
    while !rest.is_empty() {
        let (pair, after) = rest.split_once(separator)?;
        rest = after;
        let (key, value) = pair.split_once('=')?;
        let is_key = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphabetic());
        let is_value = value
            .bytes()
            .all(|b| b.is_ascii_graphic() || matches!(b, b' ' | b'\t' | b'\r' | b'\n'));
        if !is_key || !is_value || (key == "auth" && token.is_some()) {
            return None;
        }
        if key == "auth" {
            token = Some(bearer(value)?);
        }
    }
    if authzid.len() > AUTHZID_OCTETS_MAX || authzid.chars().any(char::is_control) {
        return None;
    }
    Some(Presented { authzid, token: token? })
}

/// `credentials = "Bearer" 1*SP b64token` (RFC 6750 §2.1); the scheme in any case (RFC 7235 §2.1).
fn bearer(value: &str) -> Option<Secret> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_matches(' ');
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
    let fits = !token.is_empty() && token.len() <= TOKEN_OCTETS_MAX;
    (scheme.eq_ignore_ascii_case("Bearer") && fits && token.bytes().all(is_token))
        .then(|| Secret::new(token.as_bytes().to_vec()))
}

/// Why a token was not taken, as clients are told before the exchange fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// `invalid_request`: the message cannot be understood.
    Request,
    /// `invalid_token`: unknown, revoked, expired, or not of that account.
    Token,
    /// `insufficient_scope`: not for this protocol.
    Scope,
}

impl Fault {
    /// What the client is told of a refusal; `None` when the fault is not its token's, so that the
    /// exchange ends at once, in the protocol's own words.
    pub const fn of(refusal: Refusal) -> Option<Self> {
        match refusal {
            Refusal::Credentials | Refusal::Disabled => Some(Self::Token),
            Refusal::Authorization => Some(Self::Scope),
            Refusal::Unavailable | Refusal::TooMany => None,
        }
    }

    /// RFC 7628 §3.2.2: `status` of the OAuth Extensions Error Registry.
    pub fn json(self, scope: &str) -> String {
        let status = match self {
            Self::Request => "invalid_request",
            Self::Token => "invalid_token",
            Self::Scope => "insufficient_scope",
        };
        format!(r#"{{"status":"{status}","scope":"{scope}"}}"#)
    }

    /// The form of XOAUTH2: `status` is HTTP's.
    pub fn json_google(self, scope: &str) -> String {
        let status = match self {
            Self::Request => "400",
            Self::Token => "401",
            Self::Scope => "403",
        };
        format!(r#"{{"status":"{status}","schemes":"bearer","scope":"{scope}"}}"#)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &str) -> Option<(String, String)> {
        let found = parse(message.replace('^', "\u{1}").as_bytes())?;
        let token = String::from_utf8(found.token.reveal().to_vec()).unwrap();
        Some((found.authzid, token))
    }

    fn read_google(message: &str) -> Option<(String, String)> {
        let found = parse_google(message.replace('^', "\u{1}").as_bytes())?;
        let token = String::from_utf8(found.token.reveal().to_vec()).unwrap();
        Some((found.authzid, token))
    }

    fn both(authzid: &str, token: &str) -> Option<(String, String)> {
        Some((authzid.to_owned(), token.to_owned()))
    }

    /// RFC 7628 §4.1.
    #[test]
    fn example_of_the_rfc() {
        let message = "n,a=user@example.com,^host=server.example.com^port=143^\
                       auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==^^";
        let token = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";
        assert_eq!(read(message), both("user@example.com", token));
    }

    #[test]
    fn messages_that_are_read() {
        assert_eq!(read("n,,^auth=Bearer t^^"), both("", "t"));
        assert_eq!(read("y,a=a=2Cb=3D,^auth=bearer  t~+/.-_=^^"), both("a,b=", "t~+/.-_="));
        assert_eq!(read("n,,^mthd=POST^auth=Bearer t^qs=a=b\tc\r\n^^"), both("", "t"));
    }

    #[test]
    fn messages_that_break_the_grammar() {
        for bad in [
            "",
            "^",
            "n,,",
            "n,,^",
            "n,,^^",
            "n,,^auth=Bearer t^",
            "n,,^auth=Bearer t",
            "n,^auth=Bearer t^^",
            "n,a=x^auth=Bearer t^^",
            "n,b=x,^auth=Bearer t^^",
            "n,a=x=2,^auth=Bearer t^^",
            "p=tls-exporter,,^auth=Bearer t^^",
            "n,,^host=x^^",
            "n,,^auth=Basic t^^",
            "n,,^auth=Bearer^^",
            "n,,^auth=Bearer ^^",
            "n,,^auth=Bearer a b^^",
            "n,,^auth=Bearer t^auth=Bearer t^^",
            "n,,^auth=Bearer t^^^",
            "n,,^=x^auth=Bearer t^^",
            "n,,^h1=x^auth=Bearer t^^",
            "n,,^auth=Bearer \u{e9}^^",
            "n,a=\u{7},^auth=Bearer t^^",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(parse(b"n,,\x01auth=Bearer \xff\x01\x01"), None);
    }

    #[test]
    fn google_messages() {
        let message = "user=someuser@example.com^auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBh^^";
        let token = "ya29.vF9dft4qmTc2Nvb3RlckBh";
        assert_eq!(read_google(message), both("someuser@example.com", token));
        for bad in ["", "user=a", "user=a^^", "auth=Bearer t^user=a^^", "user=a^auth=Bearer t^"] {
            assert_eq!(read_google(bad), None, "{bad}");
        }
    }

    #[test]
    fn tokens_and_names_at_the_limit_and_beyond() {
        let token = |octets| read(&format!("n,,^auth=Bearer {}^^", "x".repeat(octets)));
        assert!(token(TOKEN_OCTETS_MAX).is_some() && token(TOKEN_OCTETS_MAX + 1).is_none());
        let name = |octets| read(&format!("n,a={},^auth=Bearer t^^", "x".repeat(octets)));
        assert!(name(AUTHZID_OCTETS_MAX).is_some() && name(AUTHZID_OCTETS_MAX + 1).is_none());
    }
}
