//! Errors of a plugin.

use std::fmt;

use crate::fields;

/// The result of most functions of a plugin.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason for which a plugin can't process a point or batch.
///
/// There are two kinds. A skip, made by [`Error::skip`], concerns the point or batch at hand alone:
/// the plugin expects such data. Any other error, made by [`Error::new`] or from a string, is a
/// failure. How the host handles a failure is the operator's choice, `on-trap` in `udf.toml`: by
/// default it skips the point or batch and restores the plugin's state from before it.
///
/// The errors of the standard library's conversions, such as `parse()`, become skips with `?`: what is converted
/// is nearly always data, and a failure for each point of a wrong tag would end the task.
///
/// ```
/// # use kapacitor_guest::prelude::*;
/// fn slot(point: Point<'_>) -> Result<u32> {
///     let slot = point.tag("slot").ok_or_else(|| Error::skip("no tag `slot`"))?;
///     Ok(slot.parse()?)
/// }
///
/// let error: Error = "x".parse::<u32>().unwrap_err().into();
/// assert_eq!(error, Error::skip("invalid digit found in string"));
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

/// Boxed, so that the `Result` of a function that succeeds is small.
#[derive(Clone)]
struct Inner {
    message: Message,
    skip: bool,
}

/// A message. Most skips are counted and not shown, so the common ones are formatted only when
/// somebody reads them.
#[derive(Clone)]
enum Message {
    Text(String),
    /// A point has no field `key`; `fields` is the part of its message that holds its fields.
    NoField {
        key: Box<str>,
        fields: Box<[u8]>,
    },
    /// A field has another type than a number.
    NotANumber {
        key: Box<str>,
        found: &'static str,
    },
    /// A field is NaN or infinite.
    NotFinite {
        key: Box<str>,
        found: f64,
    },
}

/// Maximum number of field names in a message.
const SHOWN_FIELDS: usize = 20;

impl Error {
    /// A failure with this message.
    ///
    /// Also for errors of other crates: `.map_err(Error::new)?` fails with their message.
    pub fn new(message: impl fmt::Display) -> Self {
        Self::of(Message::Text(message.to_string()), false)
    }

    /// A skip: the point or batch at hand is dropped, together with everything that was sent for it,
    /// and the plugin continues with the next one. Skips are counted, and `message` is logged at
    /// the 1st, 10th, 100th... of them.
    ///
    /// What the plugin changed in its state before the skip stays changed, so check the data first. Also for
    /// errors of other crates: `.map_err(Error::skip)?` skips with their message.
    pub fn skip(message: impl fmt::Display) -> Self {
        Self::of(Message::Text(message.to_string()), true)
    }

    /// A skip because a point has no field `key`.
    #[cold]
    pub(crate) fn no_field(key: &str, fields: &[u8]) -> Self {
        Self::of(Message::NoField { key: key.into(), fields: fields.into() }, true)
    }

    /// A skip because field `key` is of the type `found`.
    #[cold]
    pub(crate) fn not_a_number(key: &str, found: &'static str) -> Self {
        Self::of(Message::NotANumber { key: key.into(), found }, true)
    }

    /// A skip because field `key` is NaN or infinite.
    #[cold]
    pub(crate) fn not_finite(key: &str, found: f64) -> Self {
        Self::of(Message::NotFinite { key: key.into(), found }, true)
    }

    fn of(message: Message, skip: bool) -> Self {
        Self(Box::new(Inner { message, skip }))
    }

    /// Whether this is a skip, see [`Error::skip`].
    pub fn is_skip(&self) -> bool {
        self.0.skip
    }

    /// Puts `context` and a colon in front of the message.
    ///
    /// ```
    /// # use kapacitor_guest::Error;
    /// let error = Error::skip("too small").context("field `x`");
    /// assert_eq!(error.to_string(), "field `x`: too small");
    /// assert!(error.is_skip());
    /// ```
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = Message::Text(format!("{context}: {}", self.0.message));
        self
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::NoField { key, fields } => {
                write!(f, "the point has no field `{key}`; it has: ")?;
                for (index, name) in fields::names(fields).take(SHOWN_FIELDS).enumerate() {
                    f.write_str(if index == 0 { "" } else { ", " })?;
                    f.write_str(name)?;
                }
                Ok(())
            }
            Self::NotANumber { key, found } => write!(f, "field `{key}` is a {found}, not a number"),
            Self::NotFinite { key, found } => write!(f, "field `{key}` is {found}, not a finite number"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.message.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error").field("message", &self.to_string()).field("skip", &self.0.skip).finish()
    }
}

/// Errors are equal if both are skips or both are failures, and their messages are equal.
impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        self.0.skip == other.0.skip && self.to_string() == other.to_string()
    }
}

impl Eq for Error {}

impl std::error::Error for Error {}

/// A failure with this message.
impl From<String> for Error {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

/// A failure with this message.
impl From<&str> for Error {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

macro_rules! skip_from {
    ($($error:ty),*) => {$(
        /// A skip with the message of the error.
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::skip(error)
            }
        }
    )*};
}

skip_from!(
    std::char::ParseCharError,
    std::num::ParseFloatError,
    std::num::ParseIntError,
    std::num::TryFromIntError,
    std::str::ParseBoolError,
    std::str::Utf8Error,
    std::string::FromUtf8Error
);
