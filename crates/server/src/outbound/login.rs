//! Logins at hosts that take mail for others: the file that `outbound.logins_file` names.
//!
//! ```text
//! # for whom                    login               password, to the end of the line
//! smtp.provider.example:587     ana@provider.example  secret words
//! example.org                   other@provider.example  other words
//! ```
//!
//! For whom: a host and port, as in `outbound.smart_host` and `outbound.routes`, or a domain with a
//! route of its own, which comes first. Invariants: a password is in no error, log or name of a
//! site; a login is used over TLS with a proven host alone (`service/open.rs` sees to it).

use super::route::Host;
use std::{io::Read as _, path::Path};
use wire::{auth::Secret, sasl::client::Credentials};

/// Octets of the file.
const FILE_OCTETS_MAX: u64 = 1 << 20;

/// Whom a login is for.
#[derive(Clone, PartialEq, Eq, Debug)]
enum For {
    Host(Host),
    Domain(String),
}

/// A login.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Login {
    whom: For,
    login: String,
    password: Secret,
}

impl Login {
    /// To log in with on one connection. `nonce`: random, new each time.
    #[must_use]
    pub fn credentials(&self, nonce: [u8; 18]) -> Credentials {
        Credentials { login: self.login.clone(), password: self.password.clone(), nonce }
    }
}

/// All logins of a file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Logins(Vec<Login>);

impl Logins {
    /// Reads a file.
    ///
    /// # Errors
    /// In words that quote nothing of it: it cannot be read, has more than 1 MiB, or a line is no
    /// login.
    pub fn read(path: &Path) -> Result<Self, String> {
        let told = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
        let file = std::fs::File::open(path).map_err(|error| told(&error))?;
        let mut text = String::new();
        let read = file.take(FILE_OCTETS_MAX + 1).read_to_string(&mut text);
        let octets = read.map_err(|error| told(&error))?;
        if octets as u64 > FILE_OCTETS_MAX {
            return Err(told(&"the file is too large"));
        }
        Self::parse(&text).map_err(|why| told(&why))
    }

    /// Lines as above. Empty ones and those that begin with `#` are passed over.
    ///
    /// # Errors
    /// Which line is no login.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut all = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim_start();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            all.push(one(line).ok_or_else(|| format!("line {number} is no login"))?);
        }
        Ok(Self(all))
    }

    /// The login for a domain with its own.
    #[must_use]
    pub fn of_domain(&self, domain: &str) -> Option<&Login> {
        let is = |own: &str| own.eq_ignore_ascii_case(domain);
        self.0.iter().find(|one| matches!(&one.whom, For::Domain(own) if is(own)))
    }

    /// The login at a host.
    #[must_use]
    pub fn of_host(&self, host: &Host) -> Option<&Login> {
        self.0.iter().find(|one| matches!(&one.whom, For::Host(own) if own.is(host)))
    }
}

/// `for-whom blanks login blanks password`
fn one(line: &str) -> Option<Login> {
    let (whom, rest) = line.split_once([' ', '\t'])?;
    let (login, password) = rest.trim_start().split_once([' ', '\t'])?;
    let password = password.trim_start();
    if login.is_empty() || password.is_empty() {
        return None;
    }
    // A host has its port, so that a domain is no host.
    let whom = if whom.contains(':') {
        For::Host(Host::parse(whom)?)
    } else {
        For::Domain(whom.to_owned())
    };
    let password = Secret::new(password.as_bytes().to_vec());
    Some(Login { whom, login: login.to_owned(), password })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str =
        "# comment\n\nsmtp.test:587 ana@x.test  two words \n a.test\tb@x.test\tother\n";

    #[test]
    fn logins_by_host_and_domain() {
        let all = Logins::parse(FILE).unwrap();
        let host = |text: &str| Host::parse(text).unwrap();
        let said = |login: &Login| {
            let Credentials { login, password, .. } = login.credentials([0; 18]);
            (login, String::from_utf8(password.reveal().to_vec()).unwrap())
        };
        let at_host = all.of_host(&host("SMTP.test:587")).map(said);
        assert_eq!(at_host, Some(("ana@x.test".to_owned(), "two words ".to_owned())));
        assert_eq!(all.of_host(&host("smtp.test:25")), None);
        let of_domain = all.of_domain("A.test").map(said);
        assert_eq!(of_domain, Some(("b@x.test".to_owned(), "other".to_owned())));
        assert_eq!(all.of_domain("smtp.test"), None);
    }

    #[test]
    fn what_is_no_login_is_named_by_its_line_alone() {
        for text in ["a.test:25 secret", "a.test:25 login ", "a.test", "a:b:c x y"] {
            let why = Logins::parse(&format!("# first\n{text}\n")).unwrap_err();
            assert_eq!(why, "line 2 is no login", "{text}");
        }
        let shown = format!("{:?}", Logins::parse(FILE).unwrap());
        assert!(!shown.contains("words") && !shown.contains("other"), "{shown}");
    }

    #[test]
    fn files_have_a_limit() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let line = "a.test login password\n";
        let comment = "#".repeat(FILE_OCTETS_MAX as usize - line.len());
        std::fs::write(file.path(), format!("{line}{comment}")).unwrap();
        assert!(Logins::read(file.path()).unwrap().of_domain("a.test").is_some());
        std::fs::write(file.path(), format!("{line}{comment}#")).unwrap();
        assert!(Logins::read(file.path()).unwrap_err().ends_with("too large"));
        assert!(Logins::read(Path::new("/nowhere")).is_err());
    }
}
