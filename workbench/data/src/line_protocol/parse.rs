//! Parses one line.
//!
//! Source of the rules: `models/points.go` of InfluxDB 1.8, of which Kapacitor has a copy. A parser for InfluxDB 3
//! would not do: it takes two backslashes in a tag for one, and so changes names such as `\\server\share`, which
//! InfluxDB 1.x and Kapacitor keep as they are.

use std::collections::BTreeMap;

use memchr::memchr;

use crate::model::Value;

/// Maximum length in bytes of a measurement with its tags, as InfluxDB stores them.
const MAX_SERIES: usize = 65_535;

/// Maximum number of characters of a line that a message shows.
const MAX_SHOWN: usize = 60;

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Measurement.
    pub measurement: String,
    /// Tags by key. Those with an empty value are left out.
    pub tags: BTreeMap<String, String>,
    /// Fields by key; at least one. Of several with one key the last one counts, as for InfluxDB.
    pub fields: BTreeMap<String, Value>,
    /// The number at the end, in the precision of whoever wrote the line.
    pub timestamp: Option<i64>,
}

/// Why a text is not a line of line protocol: a sentence without its end, such as `the field "x" has no value`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SyntaxError(String);

/// Parses a line without its line break. Only the text of a string field may contain line breaks.
///
/// # Errors
///
/// If InfluxDB 1.x would refuse the line. Two differences: a tag with an empty value is left out rather than refused,
/// and unsigned integers (`1u`) are read, which InfluxDB reads only if it was built with them.
pub fn parse(line: &str) -> Result<Line, SyntaxError> {
    let mut rest = Rest { line, at: 0 };
    rest.skip_blanks();
    let start = rest.at;
    let measurement = rest.name(b", ");
    if measurement.is_empty() {
        return fail("it begins without a measurement");
    }
    let measurement = unescape(measurement, b",= \"");
    let mut tags = BTreeMap::new();
    while rest.take(b',') {
        let (key, value) = tag(&mut rest)?;
        if value.is_empty() {
            continue;
        }
        let key = unescape(key, b",= ");
        if let Some(twice) = tags.insert(key, unescape(value, b",= ")) {
            return fail(format!("it has a tag twice, once with the value {}", shown(&twice)));
        }
    }
    if rest.at - start > MAX_SERIES {
        return fail(format!("its measurement and tags are longer than {MAX_SERIES} bytes"));
    }
    rest.skip_blanks();
    if rest.is_at_end() {
        return fail("it has no field");
    }
    let mut fields = BTreeMap::new();
    loop {
        let key = rest.name(b",= ");
        if key.is_empty() {
            return fail("it has a field without a name");
        }
        if !rest.take(b'=') {
            return fail(format!("the field {} has no value", shown(key)));
        }
        let value = value(&mut rest, key)?;
        fields.insert(unescape(key, b",= \""), value);
        if !rest.take(b',') {
            break;
        }
    }
    let timestamp = timestamp(rest.remainder())?;
    Ok(Line { measurement, tags, fields, timestamp })
}

fn tag<'a>(rest: &mut Rest<'a>) -> Result<(&'a str, &'a str), SyntaxError> {
    let key = rest.name(b",= ");
    if key.is_empty() {
        return fail("it has a tag without a name");
    }
    if !rest.take(b'=') {
        return fail(format!("the tag {} has no value", shown(key)));
    }
    let value = rest.value_of_tag();
    if rest.peek() == Some(b'=') {
        return fail(format!("the value of the tag {} has a `=` without a backslash before it", shown(key)));
    }
    Ok((key, value))
}

fn value(rest: &mut Rest<'_>, key: &str) -> Result<Value, SyntaxError> {
    if rest.take(b'"') {
        return match rest.text() {
            Some(_) if !matches!(rest.peek(), None | Some(b',' | b' ')) => {
                fail(format!("there is more behind the text of the field {}", shown(key)))
            }
            Some(text) => Ok(Value::String(unescape_text(text))),
            None => fail(format!("the text of the field {} has no closing quote", shown(key))),
        };
    }
    let text = rest.until(b", ");
    let wrong = || fail(format!("{} of the field {} is no value", shown(text), shown(key)));
    let out_of_range = || fail(format!("{} of the field {} is too large", shown(text), shown(key)));
    let bytes = text.as_bytes();
    match bytes {
        [] => return fail(format!("the field {} has no value", shown(key))),
        b"t" | b"T" | b"true" | b"True" | b"TRUE" => return Ok(Value::Bool(true)),
        b"f" | b"F" | b"false" | b"False" | b"FALSE" => return Ok(Value::Bool(false)),
        [b'0'..=b'9' | b'.' | b'-', ..] => {}
        _ => return wrong(),
    }
    if let Some(digits) = text.strip_suffix('i') {
        return match digits.parse() {
            Ok(value) => Ok(Value::Int(value)),
            Err(_) if is_integer(digits) => out_of_range(),
            Err(_) => wrong(),
        };
    }
    if let Some(digits) = text.strip_suffix('u') {
        return match digits.parse() {
            Ok(value) => Ok(Value::Unsigned(value)),
            Err(_) if is_integer(digits) && !digits.starts_with('-') => out_of_range(),
            Err(_) => wrong(),
        };
    }
    // What `parse` takes besides numbers are names such as `inf`, also behind a minus.
    if !bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E')) {
        return wrong();
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(Value::Double(value)),
        Ok(_) => out_of_range(),
        Err(_) => wrong(),
    }
}

fn timestamp(text: &str) -> Result<Option<i64>, SyntaxError> {
    let text = text.trim_start_matches([' ', '\t', '\0']).trim_end_matches(' ');
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse() {
        Ok(time) if !text.starts_with('+') => Ok(Some(time)),
        _ if is_integer(text) => fail(format!("the timestamp {} is too large", shown(text))),
        _ => fail(format!("{} is no timestamp", shown(text))),
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A line, and the place up to which it is read. That place is always behind an ASCII character, or at the end.
struct Rest<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Rest<'a> {
    fn bytes(&self) -> &'a [u8] {
        &self.line.as_bytes()[self.at..]
    }

    fn remainder(&self) -> &'a str {
        &self.line[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }

    fn is_at_end(&self) -> bool {
        self.at == self.line.len()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | 0)) {
            self.at += 1;
        }
    }

    fn advance(&mut self, length: usize) -> &'a str {
        let start = self.at;
        self.at += length;
        &self.line[start..self.at]
    }

    /// Up to one of `ends`, or to the end of the line.
    fn until(&mut self, ends: &[u8]) -> &'a str {
        let length = self.bytes().iter().position(|byte| ends.contains(byte));
        self.advance(length.unwrap_or(self.bytes().len()))
    }

    /// Up to one of `ends` that has no backslash directly before it, or to the end of the line.
    fn name(&mut self, ends: &[u8]) -> &'a str {
        let bytes = self.bytes();
        let mut before = 0;
        for (index, &byte) in bytes.iter().enumerate() {
            if before != b'\\' && ends.contains(&byte) {
                return self.advance(index);
            }
            before = byte;
        }
        self.advance(bytes.len())
    }

    /// As a name that may begin with a `=`.
    fn value_of_tag(&mut self) -> &'a str {
        let start = self.at;
        self.take(b'=');
        self.name(b",= ");
        &self.line[start..self.at]
    }

    /// Up to the closing quote, which is read as well; `None` if there is none.
    fn text(&mut self) -> Option<&'a str> {
        let bytes = self.bytes();
        let mut at = 0;
        loop {
            at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
            if bytes[at] == b'"' {
                let text = self.advance(at);
                self.at += 1;
                return Some(text);
            }
            // Whatever a backslash stands before, it is no closing quote.
            at += 2;
        }
    }
}

/// Leaves out each backslash that is directly before one of `escaped`, which are ASCII.
fn unescape(text: &str, escaped: &[u8]) -> String {
    let mut rest = text;
    let mut out = String::with_capacity(text.len());
    while let Some(at) = memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.as_bytes().first() {
            Some(&next) if escaped.contains(&next) => {
                out.push(char::from(next));
                rest = &rest[1..];
            }
            _ => out.push('\\'),
        }
    }
    out.push_str(rest);
    out
}

/// The text of a string field: a backslash is left out before a quote and before another backslash.
fn unescape_text(text: &str) -> String {
    unescape(text, b"\"\\")
}

/// A part of a line for a message: between quotes, on one line, and short.
fn shown(text: &str) -> String {
    let mut characters = text.chars();
    let start: String = characters.by_ref().take(MAX_SHOWN).collect();
    let dots = if characters.next().is_some() { "..." } else { "" };
    format!("{:?}", start + dots)
}

fn fail<T>(problem: impl Into<String>) -> Result<T, SyntaxError> {
    Err(SyntaxError(problem.into()))
}
