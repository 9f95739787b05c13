//! Quantities of `udf.toml` that carry their unit: `"64MiB"`, `"1s"`.
//!
//! A bare number is refused, since nobody can tell what was meant.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

/// Why a text is not a quantity.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ParseUnitError {
    /// Not a size, or one without a unit.
    #[error("`{0}` is not a size: write a number and a unit, such as \"64MiB\"")]
    Bytes(String),
    /// A size beyond the maximum.
    #[error("`{0}` is larger than 8388607TiB")]
    LargeBytes(String),
    /// Not a span of time, or one without a unit.
    #[error("`{0}` is not a span of time: write a number and a unit, such as \"1s\" or \"250ms\"")]
    Span(String),
    /// A span of time beyond the maximum.
    #[error("`{0}` is longer than a year")]
    LongSpan(String),
    /// Not a percentage, or one beyond a whole core.
    #[error("`{0}` is not a share of a core: write 0% to 100%, such as \"50%\"")]
    Share(String),
    /// Not an octal number, or one with more than the permission bits.
    #[error("`{0}` is not a file mode: write it in octal, such as \"0660\"")]
    Mode(String),
}

/// A number of bytes, written with a unit: `"64MiB"`, `"512KiB"`, `"100MB"`, `"10B"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl Bytes {
    /// So many KiB.
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }

    /// So many MiB.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// The number of bytes as a length in memory.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for Bytes {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, ParseUnitError> {
        let bad = || ParseUnitError::Bytes(text.to_owned());
        if !text.trim_end().ends_with(['B', 'b', 'k', 'K', 'm', 'M', 'g', 'G', 'i']) {
            return Err(bad());
        }
        match text.parse::<bytesize::ByteSize>() {
            // A larger number would be cut to the largest one, or does not fit into a file.
            Ok(size) if size.as_u64() > i64::MAX as u64 => Err(ParseUnitError::LargeBytes(text.to_owned())),
            Ok(size) => Ok(Self(size.as_u64())),
            Err(_) => Err(bad()),
        }
    }
}

impl fmt::Display for Bytes {
    /// Writes a whole number of the largest binary unit that fits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
            if self.0 >= 1 << shift && self.0.trailing_zeros() >= shift {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}B", self.0)
    }
}

/// Longest span of time. Any longer one is a mistake, and a clock can't count to the longest that can
/// be written.
const MAX_SPAN: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A span of time, written with a unit: `"1s"`, `"250ms"`, `"2m"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, ParseUnitError> {
        if text.ends_with(|c: char| c.is_ascii_digit()) {
            return Err(ParseUnitError::Span(text.to_owned()));
        }
        match humantime::parse_duration(text) {
            Ok(span) if span > MAX_SPAN => Err(ParseUnitError::LongSpan(text.to_owned())),
            Ok(span) => Ok(Self(span)),
            Err(_) => Err(ParseUnitError::Span(text.to_owned())),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

/// A part of one core's time, written in percent: `"50%"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    /// In thousandths of a percent.
    millis: u32,
}

impl Share {
    /// A whole core.
    pub const ALL: Self = Self { millis: 100_000 };

    /// Whether it is a whole core, the most that one sandbox can use.
    pub fn is_all(self) -> bool {
        self >= Self::ALL
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.millis == 0
    }

    /// This part of `time`.
    pub fn of(self, time: Duration) -> Duration {
        time.mul_f64(f64::from(self.millis) / f64::from(Self::ALL.millis))
    }

    /// How long it takes to get `time` of computing.
    pub fn to_get(self, time: Duration) -> Duration {
        time.mul_f64(f64::from(Self::ALL.millis) / f64::from(self.millis.max(1)))
    }
}

impl FromStr for Share {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, ParseUnitError> {
        let percent = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
        match percent {
            Some(percent) if (0.0..=100.0).contains(&percent) => {
                Ok(Self { millis: (percent * 1000.0).round() as u32 })
            }
            _ => Err(ParseUnitError::Share(text.to_owned())),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.millis) / 1000.0)
    }
}

/// File permission bits of a socket, written in octal: `"0660"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

impl FromStr for Mode {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, ParseUnitError> {
        match u32::from_str_radix(text, 8) {
            Ok(bits) if bits <= 0o777 => Ok(Self(bits)),
            _ => Err(ParseUnitError::Mode(text.to_owned())),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// Reads a string and parses it, so that the error names line and column, and what was expected.
macro_rules! deserialize_from_str {
    ($($name:ident: $expected:literal),*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;

                impl Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }

                deserializer.deserialize_str(Text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

deserialize_from_str! {
    Bytes: "a size with its unit, such as \"64MiB\"",
    Span: "a span of time with its unit, such as \"1s\"",
    Share: "a share of a core in percent, such as \"50%\"",
    Mode: "a file mode as a string, such as \"0660\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_need_a_unit() {
        assert_eq!("64MiB".parse(), Ok(Bytes::mib(64)));
        assert_eq!("64 KiB".parse(), Ok(Bytes::kib(64)));
        assert_eq!("10MB".parse(), Ok(Bytes(10_000_000)));
        assert_eq!("10B".parse(), Ok(Bytes(10)));
        assert!("99999999999GiB".parse::<Bytes>().unwrap_err().to_string().contains("is larger than"));
        for bad in ["64", "", "MiB", "-1MiB", "64 parsecs"] {
            assert!(bad.parse::<Bytes>().unwrap_err().to_string().contains("is not a size"), "{bad}");
        }
        assert_eq!(Bytes::mib(64).to_string(), "64MiB");
        assert_eq!(Bytes(1025).to_string(), "1025B");
    }

    #[test]
    fn spans_need_a_unit() {
        assert_eq!("250ms".parse(), Ok(Span(Duration::from_millis(250))));
        assert_eq!("1m 30s".parse(), Ok(Span(Duration::from_secs(90))));
        for bad in ["1", "", "soon", "0"] {
            assert!(bad.parse::<Span>().unwrap_err().to_string().contains("is not a span of time"), "{bad}");
        }
        // What is added to the time must not leave the clock's range.
        assert!("500000000000y".parse::<Span>().unwrap_err().to_string().contains("longer than a year"));
    }

    #[test]
    fn shares_are_percent() {
        let half: Share = "50%".parse().unwrap();
        assert_eq!(half.of(Duration::from_secs(10)), Duration::from_secs(5));
        assert_eq!(half.to_get(Duration::from_secs(5)), Duration::from_secs(10));
        assert_eq!((half.to_string().as_str(), Share::ALL.to_string().as_str()), ("50%", "100%"));
        assert!("100 %".parse::<Share>().unwrap().is_all() && "0%".parse::<Share>().unwrap().is_zero());
        for bad in ["50", "", "%", "101%", "-1%", "NaN%", "half"] {
            assert!(bad.parse::<Share>().unwrap_err().to_string().contains("is not a share"), "{bad}");
        }
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!("0660".parse(), Ok(Mode(0o660)));
        for bad in ["0888", "77777", "rw"] {
            assert!(bad.parse::<Mode>().is_err(), "{bad}");
        }
    }
}
