//! Names of fields and tags, as options.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use crate::error::{Error, Result};
use crate::options::types::Scalar;
use crate::options::value::{OptionValue, ValueType};

/// Names of fields that InfluxDB 1.x writes and never returns: queries about the schema use them.
const SYSTEM_FIELDS: [&str; 5] = ["_name", "_seriesKey", "_fieldKey", "_tagKey", "_tagValue"];

/// Why InfluxDB can't store a field of this name; `None` if it can.
///
/// Tried with InfluxDB 1.6 and the lines that Kapacitor writes; see also
/// <https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/>.
fn unwritable_field(name: &str) -> Option<&'static str> {
    // Kapacitor puts a backslash in front of these. InfluxDB reads two of them as one, and then the end of
    // the name.
    let ends_early = |pair: &[u8]| matches!(pair, [b'\\', b',' | b' ' | b'=']);
    if SYSTEM_FIELDS.contains(&name) {
        Some("must not be a name that InfluxDB uses for itself")
    } else if name.as_bytes().windows(2).any(ends_early) {
        Some("must not have a backslash before a comma, a space or `=`")
    } else {
        unwritable_tag(name)
    }
}

/// Why InfluxDB can't store a tag with this key; `None` if it can.
fn unwritable_tag(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("must not be empty")
    } else if name == "time" {
        Some("must not be `time`, which InfluxDB uses for the time of a point")
    } else if name.contains('\n') {
        // Kapacitor does not escape it: the rest of the name would begin another point.
        Some("must not have a line break, which InfluxDB takes for the end of a point")
    } else if name.ends_with('\\') {
        Some("must not end in a backslash, with which InfluxDB escapes what follows")
    } else {
        None
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $unwritable:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// A name.
            ///
            /// # Errors
            ///
            /// A failure if InfluxDB can't store it: an empty name, `time`, a name with a line break or
            /// with a backslash at its end. Of fields also a name that InfluxDB uses for itself, such as
            /// `_tagKey`, and one with a backslash before a comma, a space or `=`.
            pub fn new(name: impl Into<String>) -> Result<Self> {
                let name = name.into();
                match $unwritable(&name) {
                    None => Ok(Self(name)),
                    Some(reason) => Err(Error::new(format!("{reason}, got {name:?}"))),
                }
            }
        }

        /// For names that a plugin's code has, such as the default of an option.
        ///
        /// # Panics
        ///
        /// If InfluxDB can't store the name, see `new`.
        impl From<&'static str> for $name {
            fn from(name: &'static str) -> Self {
                Self::new(name).unwrap_or_else(|e| panic!("a name {e}"))
            }
        }

        impl<'a> From<&'a $name> for Cow<'a, str> {
            fn from(name: &'a $name) -> Self {
                Self::Borrowed(name)
            }
        }

        /// For the keys of a [`NewPoint`](crate::NewPoint).
        impl From<&$name> for String {
            fn from(name: &$name) -> Self {
                name.0.clone()
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self)
            }
        }

        impl Scalar for $name {
            const TYPE: ValueType = ValueType::String;

            fn convert(value: &OptionValue<'_>) -> Option<Result<Self, String>> {
                match value {
                    OptionValue::String(name) => Some(Self::new(*name).map_err(|e| e.to_string())),
                    _ => None,
                }
            }
        }
    )*};
}

names! {
    /// The name of a field, which InfluxDB can store. As an option, any other name ends the task when it
    /// starts; as a `String`, each point would be refused or lose its value.
    ///
    /// ```
    /// use kapacitor_guest::prelude::*;
    ///
    /// #[derive(Options)]
    /// struct Settings {
    ///     field: FieldName,
    ///     #[option(default = "mean")]
    ///     r#as: FieldName,
    /// }
    ///
    /// assert_eq!(&*FieldName::new("usage user").unwrap(), "usage user");
    /// assert_eq!(FieldName::new("time").unwrap_err().to_string(),
    ///     "must not be `time`, which InfluxDB uses for the time of a point, got \"time\"");
    /// ```
    FieldName, unwritable_field;

    /// The key of a tag, which InfluxDB can store. As an option, any other key ends the task when it starts;
    /// as a `String`, each point would be refused.
    TagName, unwritable_tag;
}
