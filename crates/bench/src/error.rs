//! One error: a sentence of what went wrong.

/// What went wrong.
#[derive(Debug)]
pub struct Error(pub String);

impl<T: std::error::Error> From<T> for Error {
    fn from(error: T) -> Self {
        Self(error.to_string())
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// An error from a sentence.
pub fn fail<T>(what: impl Into<String>) -> Result<T, Error> {
    Err(Error(what.into()))
}
