//! The values that a TICKscript gives an option.

use std::fmt;
use std::time::Duration;

use crate::wire::{self, Fields};

/// Kapacitor's types of option values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum ValueType {
    /// Written as `TRUE` or `FALSE`.
    Bool = 0,
    /// Written as `1`.
    Int = 1,
    /// Written as `1.0`.
    Double = 2,
    /// Written as `'text'`.
    String = 3,
    /// Written as `5m`.
    Duration = 4,
}

impl ValueType {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Double => "double",
            Self::String => "string",
            Self::Duration => "duration",
        }
    }
}

/// One value of an option.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum OptionValue<'a> {
    /// Written as `TRUE` or `FALSE`.
    Bool(bool),
    /// Written as `1`.
    Int(i64),
    /// Written as `1.0`.
    Double(f64),
    /// Written as `'text'`.
    String(&'a str),
    /// Written as `5m`; in nanoseconds.
    Duration(i64),
    /// An argument for which Kapacitor has no type here, such as a lambda.
    None,
}

impl<'a> OptionValue<'a> {
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Duration(_) => "duration",
            Self::None => "an expression or a field reference",
        }
    }

    /// Reads Kapacitor's OptionValue.
    pub(super) fn decode(message: &'a [u8]) -> Self {
        let mut value = Self::None;
        for field in Fields(message) {
            value = match field.number {
                2 => Self::Bool(field.varint() != 0),
                3 => Self::Int(field.varint() as i64),
                4 => Self::Double(wire::double(field.bytes)),
                5 => Self::String(wire::text(field.bytes)),
                6 => Self::Duration(field.varint() as i64),
                _ => value,
            };
        }
        value
    }
}

/// As in a TICKscript, except for durations.
impl fmt::Display for OptionValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => f.write_str(if *value { "TRUE" } else { "FALSE" }),
            Self::Int(value) => value.fmt(f),
            Self::Double(value) => write!(f, "{value:?}"),
            Self::String(value) => write!(f, "'{value}'"),
            Self::Duration(value) => {
                let sign = if *value < 0 { "-" } else { "" };
                write!(f, "{sign}{:?}", Duration::from_nanos(value.unsigned_abs()))
            }
            Self::None => f.write_str(self.type_name()),
        }
    }
}
