//! What can go wrong in a plugin.

use std::fmt;

/// The result of most things in a plugin.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a plugin can't go on: with this point, or at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    message: String,
    skip: bool,
}

impl Error {
    /// Ends the task, with `message` as its error in Kapacitor.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), skip: false }
    }

    /// Skips the point or batch at hand: it is not passed on, it is counted, and `message` is logged
    /// now and then.
    pub fn skip(message: impl Into<String>) -> Self {
        Self { message: message.into(), skip: true }
    }

    /// Whether only the point or batch at hand is lost.
    pub fn is_skip(&self) -> bool {
        self.skip
    }

    /// Puts `context` in front of the message.
    #[must_use]
    pub fn context(self, context: impl fmt::Display) -> Self {
        Self { message: format!("{context}: {}", self.message), ..self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<String> for Error {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl From<&str> for Error {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}
