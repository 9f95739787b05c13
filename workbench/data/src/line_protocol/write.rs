//! Writes one line.

use std::io::Write as _;
use std::ops::RangeInclusive;

use crate::model::{Point, Value};

/// Why line protocol can't express a point: a noun phrase, such as `an empty measurement`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unwritable(String);

/// Times that InfluxDB can store, in nanoseconds since 1970: from 1677-09-21 to 2262-04-11.
pub(crate) const TIMES: RangeInclusive<i64> = i64::MIN + 2..=i64::MAX - 1;

/// Appends a point as one line with its line break, and its time in nanoseconds.
///
/// The line is the same whenever the point is: tags and fields are in the order of their keys. A double has the fewest
/// digits that read back as the same double. A tag with an empty value is left out.
///
/// # Errors
///
/// If InfluxDB 1.x would not read this point from any line: the error names what is wrong, and nothing is appended.
pub fn write(point: &Point, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    let start = out.len();
    let written = append(point, out);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

fn append(point: &Point, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    if point.fields.is_empty() {
        return fail("a point without a field");
    }
    if !TIMES.contains(&point.time) {
        return fail(format!("the time {}", point.time));
    }
    measurement(&point.measurement, out)?;
    for (key, value) in point.tags.iter().filter(|(_, value)| !value.is_empty()) {
        out.push(b',');
        name("tag", key, out)?;
        out.push(b'=');
        tag_value(key, value, out)?;
    }
    let mut separator = b' ';
    for (key, value) in &point.fields {
        out.push(separator);
        separator = b',';
        if begins_with_blank(key) {
            return fail(format!("the field {key:?}, which begins with a tab or a zero byte"));
        }
        name("field", key, out)?;
        out.push(b'=');
        field_value(key, value, out)?;
    }
    out.push(b' ');
    display(point.time, out);
    out.push(b'\n');
    Ok(())
}

fn measurement(text: &str, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    let flaw = match text.as_bytes() {
        [] => return fail("an empty measurement"),
        [b'#', ..] => Some("which begins with `#`, as a comment does"),
        _ if begins_with_blank(text) => Some("which begins with a tab or a zero byte"),
        // InfluxDB keeps such a backslash, and Kapacitor leaves it out.
        _ if text.contains("\\=") || text.contains("\\\"") => {
            Some("which has a backslash before a `=` or quote")
        }
        _ => flaw(text).or_else(|| flaw_of_backslashes(text, b", ")),
    };
    if let Some(flaw) = flaw {
        return fail(format!("the measurement {text:?}, {flaw}"));
    }
    escape(text, b", ", out);
    Ok(())
}

/// The key of a tag or field.
fn name(what: &str, key: &str, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    if key.is_empty() {
        return fail(format!("a {what} without a name"));
    }
    if let Some(flaw) = flaw(key).or_else(|| flaw_of_backslashes(key, b",= ")) {
        return fail(format!("the {what} {key:?}, {flaw}"));
    }
    // A backslash before a quote is an escape in the key of a field, and nothing special in that of a tag.
    escape(key, if what == "field" { b",= \"" } else { b",= " }, out);
    Ok(())
}

fn tag_value(key: &str, value: &str, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    if let Some(flaw) = flaw(value) {
        return fail(format!("the value {value:?} of the tag {key:?}, {flaw}"));
    }
    escape(value, b",= ", out);
    Ok(())
}

fn field_value(key: &str, value: &Value, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    match value {
        Value::Double(value) if !value.is_finite() => return fail(format!("{value} in the field {key:?}")),
        Value::Double(value) => display(format_args!("{value:?}"), out),
        Value::Int(value) => display(format_args!("{value}i"), out),
        Value::Unsigned(value) => display(format_args!("{value}u"), out),
        Value::Bool(value) => display(value, out),
        Value::String(text) => {
            out.push(b'"');
            escape(text, b"\"\\", out);
            out.push(b'"');
        }
    }
    Ok(())
}

fn flaw(text: &str) -> Option<&'static str> {
    match text.as_bytes() {
        bytes if bytes.contains(&b'\n') => Some("with a line break"),
        [.., b'\\'] => Some("which ends with a backslash"),
        _ => None,
    }
}

/// InfluxDB looks for the end of a name in two ways. With an odd number of backslashes before a separator, only one
/// of the two takes the last backslash for an escape. (It makes no difference in the value of a tag.)
fn flaw_of_backslashes(text: &str, separators: &[u8]) -> Option<&'static str> {
    let mut odd = false;
    for byte in text.bytes() {
        if odd && separators.contains(&byte) {
            return Some("which has a backslash before a space, comma or `=`");
        }
        odd = byte == b'\\' && !odd;
    }
    None
}

/// Whether InfluxDB takes the first byte for a blank before the name. A space is none, since it is escaped.
fn begins_with_blank(name: &str) -> bool {
    name.starts_with(['\t', '\0'])
}

fn escape(text: &str, escaped: &[u8], out: &mut Vec<u8>) {
    for byte in text.bytes() {
        if escaped.contains(&byte) {
            out.push(b'\\');
        }
        out.push(byte);
    }
}

fn display(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    // A vector takes all that is written to it.
    let _ = write!(out, "{value}");
}

fn fail<T>(problem: impl Into<String>) -> Result<T, Unwritable> {
    Err(Unwritable(problem.into()))
}
