//! Cuts a row of CSV into cells, and reads the values in them.

use csv_core::{Reader, ReaderBuilder, Terminator};

use super::format::Problem;
use super::quotes::has_open_quote;
use crate::model::Value;

/// The cells of one row. The buffers are used again for the next one.
pub(super) struct Cells {
    reader: Reader,
    text: Vec<u8>,
    /// Where in `text` each cell ends.
    ends: Vec<usize>,
}

impl Cells {
    pub(super) fn new() -> Self {
        // A row is already cut off: a carriage return does not end it.
        let reader = ReaderBuilder::new().terminator(Terminator::Any(b'\n')).build();
        Self { reader, text: Vec::new(), ends: Vec::new() }
    }

    /// Cuts a row, which is not empty, by RFC 4180.
    pub(super) fn cut(&mut self, row: &str) -> Result<Vec<&str>, Problem> {
        if has_open_quote(row.as_bytes()) {
            return Err(Problem::Syntax("it has a quote that is not closed".to_owned()));
        }
        self.reader.reset();
        self.text.resize(row.len() + 1, 0);
        self.ends.resize(memchr::memchr_iter(b',', row.as_bytes()).count() + 2, 0);
        let (_, _, length, count) = self.reader.read_record(row.as_bytes(), &mut self.text, &mut self.ends);
        // No more input ends the last cell.
        let (_, _, more, last) =
            self.reader.read_record(&[], &mut self.text[length..], &mut self.ends[count..]);
        let count = count + last;
        // Only ASCII was left out, so it is still UTF-8.
        let text = std::str::from_utf8(&self.text[..length + more]).unwrap_or_default();
        let mut start = 0;
        let cell = |&end: &usize| text.get(std::mem::replace(&mut start, end)..end).unwrap_or_default();
        Ok(self.ends[..count].iter().map(cell).collect())
    }
}

/// Type of the values in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Unsigned,
    Double,
    Bool,
    Text,
}

impl Kind {
    /// The type that a cell seems to have. NaN is among the numbers, though no number that can be used.
    pub(super) fn of(cell: &str) -> Self {
        if cell.parse::<i64>().is_ok() {
            Self::Int
        } else if cell.parse::<f64>().is_ok() {
            Self::Double
        } else if bool(cell).is_some() {
            Self::Bool
        } else {
            Self::Text
        }
    }

    /// The type of a column that has cells of both types.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            _ if self == other => self,
            (Self::Int, Self::Double) | (Self::Double, Self::Int) => Self::Double,
            _ => Self::Text,
        }
    }

    /// The value in a cell; `None` if it has another type.
    pub(super) fn value(self, cell: &str) -> Option<Value> {
        match self {
            Self::Int => cell.parse().ok().map(Value::Int),
            Self::Unsigned => cell.parse().ok().map(Value::Unsigned),
            Self::Double => double(cell).map(Value::Double),
            Self::Bool => bool(cell).map(Value::Bool),
            Self::Text => Some(Value::String(cell.to_owned())),
        }
    }

    /// What a message calls a value of this type.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Int => "integer",
            Self::Unsigned => "unsigned integer",
            Self::Double => "finite number",
            Self::Bool => "boolean",
            Self::Text => "text",
        }
    }
}

/// A number that InfluxDB can store: neither infinite nor NaN.
fn double(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|value: &f64| value.is_finite())
}

fn bool(cell: &str) -> Option<bool> {
    match cell {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}
