//! Which certificates are wanted, what is known of each, and when it is got again.

use crate::data;
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Failures that still lengthen the wait.
const FAILURES_MAX: u32 = 16;

/// Names of one certificate, the first gives it its file names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Names(pub Vec<String>);

impl Names {
    /// The first.
    pub fn first(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }
}

/// What is kept of a certificate beside its files.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Host names that it is for.
    pub names: Vec<String>,
    /// When it ends, in seconds since 1970 UTC; 0: there is none.
    pub not_after: i64,
    /// When it is to be got again.
    pub renew_at: i64,
    /// When the authority is asked for that time again.
    pub ask_at: i64,
    /// Tries that failed since the last success.
    pub failures: u32,
    /// No try before.
    pub next_try: i64,
    /// Why the last one failed.
    pub failure: Option<String>,
}

/// How long to wait after failures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waits {
    /// After the first.
    pub seconds_min: u32,
    /// After many.
    pub seconds_max: u32,
}

impl State {
    /// Whether a certificate for these names has to be got now.
    pub fn is_due(&self, wanted: &Names, now: i64) -> bool {
        let missing = self.not_after == 0 || self.names != wanted.0;
        now >= self.next_try && (missing || now >= self.renew_at)
    }

    /// A try failed: the next one is later each time.
    pub fn failed(&mut self, why: String, now: i64, waits: Waits) {
        self.failures = self.failures.saturating_add(1);
        let doublings = self.failures.min(FAILURES_MAX) - 1;
        let wait = i64::from(waits.seconds_min) << doublings;
        self.next_try = now.saturating_add(wait.min(waits.seconds_max.into()));
        self.failure = Some(why);
    }

    /// It was got. Without word of the authority it is got again after two thirds of its time.
    pub fn got(&mut self, names: &Names, (from, to): (i64, i64)) {
        let renew_at = from.saturating_add(to.saturating_sub(from) / 3 * 2);
        *self = Self { names: names.0.clone(), not_after: to, renew_at, ..Self::default() };
    }
}

/// The files of a certificate.
#[derive(Clone, Debug)]
pub struct Files {
    folder: PathBuf,
    name: String,
}

impl Files {
    /// In a folder. Host names are what they are called.
    pub fn new(folder: &Path, name: &str) -> Self {
        Self { folder: folder.to_owned(), name: name.replace('*', "_") }
    }

    fn path(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", self.name))
    }

    /// What is known of it; nothing where that cannot be read: it is got again.
    pub fn state(&self) -> State {
        let text = fs::read_to_string(self.path("json")).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Keeps what is known.
    pub fn keep(&self, state: &State) -> io::Result<()> {
        data::folder(&self.folder)?;
        let text = serde_json::to_string_pretty(state).map_err(io::Error::other)?;
        data::write_secret(&self.path("json"), text.as_bytes())
    }

    /// Its key, if there is one.
    pub fn key(&self) -> Option<String> {
        fs::read_to_string(self.path("key")).ok()
    }

    /// The certificate with its chain.
    pub fn chain(&self) -> Option<String> {
        fs::read_to_string(self.path("pem")).ok()
    }

    /// Puts a certificate in place of the one before. A new key is written only where it has to
    /// be: between two writes the pair does not fit, and is left out should we die there.
    pub fn put(&self, chain: &str, key: &str) -> io::Result<()> {
        data::folder(&self.folder)?;
        if self.key().as_deref() != Some(key) {
            data::write_secret(&self.path("key"), key.as_bytes())?;
        }
        data::write_secret(&self.path("pem"), chain.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITS: Waits = Waits { seconds_min: 100, seconds_max: 1_000 };

    fn names(all: &[&str]) -> Names {
        Names(all.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn a_certificate_is_due_when_it_is_missing_differs_or_its_time_has_come() {
        let (one, more) = (names(&["a.test"]), names(&["a.test", "b.test"]));
        let mut state = State::default();
        assert!(state.is_due(&one, 1));
        state.got(&one, (1_000, 4_000));
        assert_eq!((state.not_after, state.renew_at), (4_000, 3_000));
        assert!(!state.is_due(&one, 2_999) && state.is_due(&one, 3_000));
        assert!(state.is_due(&more, 1_000));
    }

    #[test]
    fn each_failure_waits_longer_and_takes_nothing_away() {
        let one = names(&["a.test"]);
        let mut state = State::default();
        state.got(&one, (0, 3_000));
        for wait in [100, 200, 400, 800, 1_000, 1_000] {
            state.failed("no".into(), 5_000, WAITS);
            assert_eq!(state.next_try, 5_000 + wait);
            assert!(!state.is_due(&one, 4_999 + wait) && state.is_due(&one, 5_000 + wait));
        }
        assert_eq!((state.not_after, state.failures), (3_000, 6));
        for _ in 0..100 {
            state.failed("no".into(), 5_000, WAITS);
        }
        assert_eq!(state.next_try, 6_000);
    }

    #[test]
    fn what_is_kept_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(&folder.path().join("new"), "a.test");
        assert_eq!(files.state(), State::default());
        let mut state = State::default();
        state.failed("why".into(), 7, WAITS);
        files.keep(&state).unwrap();
        assert_eq!(files.state(), state);
        files.put("chain", "key").unwrap();
        assert_eq!(
            (files.chain().as_deref(), files.key().as_deref()),
            (Some("chain"), Some("key"))
        );
    }
}
