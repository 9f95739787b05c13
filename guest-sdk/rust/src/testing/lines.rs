//! Points from InfluxDB's line protocol.

use crate::error::{Error, Result};
use crate::new_point::NewPoint;
use crate::value::OwnedValue;

/// Reads points from InfluxDB 1.x's line protocol, `measurement,tag=value field=1,other=2i 1000000000`, one a line.
/// The time is in nanoseconds since 1970, and 0 if a line has none. Empty lines, and those that begin with `#`, are left
/// out. A string in quotes may have line breaks.
///
/// Source: <https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/>.
///
/// # Errors
///
/// A failure that names the first line that is wrong, and what is wrong with it.
pub fn lines(text: &str) -> Result<Vec<NewPoint>> {
    let mut points = Vec::new();
    let (mut rest, mut number) = (text, 1);
    while !rest.is_empty() {
        let end = end_of_line(rest);
        let line = rest[..end].trim_end_matches('\r').trim_start();
        if !line.is_empty() && !line.starts_with('#') {
            points.push(read_line(line).map_err(|problem| {
                Error::new(format!("line {number} is no point, because {problem}: {line}"))
            })?);
        }
        // With line breaks in strings, which count as well.
        number += 1 + rest[..end].matches('\n').count();
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    Ok(points)
}

/// The length of the first line. Only its fields may have a line break, in quotes.
fn end_of_line(text: &str) -> usize {
    let start = text.len() - text.trim_start_matches(' ').len();
    if text[start..].starts_with('#') {
        return text.find('\n').unwrap_or(text.len());
    }
    let series = start + end_of(&text[start..], false, |c| c == ' ' || c == '\n');
    series + end_of(&text[series..], true, |c| c == '\n')
}

fn read_line(line: &str) -> Result<NewPoint, String> {
    let (series, rest) = line.split_at(end_of(line, false, |c| c == ' '));
    let rest = rest.trim_start_matches(' ');
    let (fields, time) = rest.split_at(end_of(rest, true, |c| c == ' '));
    let mut parts = split(series, false);
    let mut point = NewPoint::new(unescape(parts.next().unwrap_or_default()));
    if point.name.is_empty() {
        return Err("it has no measurement".to_owned());
    }
    for tag in parts {
        let (key, value) = key_and_value(tag)?;
        point.tags.insert(unescape(key), unescape(value));
    }
    if fields.is_empty() {
        return Err("it has no fields".to_owned());
    }
    for field in split(fields, true) {
        let (key, value) = key_and_value(field)?;
        point.fields.insert(unescape(key), value_of(value)?);
    }
    point.time = match time.trim() {
        "" => 0,
        time => time.parse().map_err(|_| format!("`{time}` is no time in nanoseconds"))?,
    };
    Ok(point)
}

fn key_and_value(part: &str) -> Result<(&str, &str), String> {
    let (key, value) = part.split_at(end_of(part, false, |c| c == '='));
    match value.strip_prefix('=') {
        Some(value) if !key.is_empty() && !value.is_empty() => Ok((key, value)),
        _ => Err(format!("`{part}` is not `key=value`")),
    }
}

fn value_of(text: &str) -> Result<OwnedValue, String> {
    if let Some(string) = text.strip_prefix('"') {
        let string = string.strip_suffix('"').ok_or_else(|| format!("`{text}` does not end in a quote"))?;
        return Ok(string.replace("\\\"", "\"").replace("\\\\", "\\").into());
    }
    let wrong = || format!("`{text}` is no value");
    match text {
        "t" | "T" | "true" | "True" | "TRUE" => Ok(true.into()),
        "f" | "F" | "false" | "False" | "FALSE" => Ok(false.into()),
        _ => match text.strip_suffix('i') {
            Some(int) => int.parse::<i64>().map(OwnedValue::from).map_err(|_| wrong()),
            // Only digits, signs, a point and an exponent: `inf` and `nan` are no numbers there.
            None if text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c)) => {
                text.parse::<f64>().map(OwnedValue::from).map_err(|_| wrong())
            }
            None => Err(wrong()),
        },
    }
}

/// The parts between commas that are neither escaped nor, if it `has_quotes`, in quotes.
fn split(text: &str, has_quotes: bool) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = end_of(text, has_quotes, |c| c == ',');
        rest = text.get(end + 1..);
        Some(&text[..end])
    })
}

/// The place of the first character that `is_end` accepts, without a backslash before it and, if the text `has_quotes`,
/// outside of them; the length of the text if there is none. Quotes begin only behind an equals sign: elsewhere they are
/// characters like others.
fn end_of(text: &str, has_quotes: bool, is_end: impl Fn(char) -> bool) -> usize {
    let (mut quoted, mut escaped, mut before) = (false, false, ' ');
    for (place, c) in text.char_indices() {
        if escaped {
            (escaped, before) = (false, ' ');
            continue;
        }
        if c == '\\' {
            escaped = true;
        } else if quoted {
            quoted = c != '"';
        } else if has_quotes && c == '"' && before == '=' {
            quoted = true;
        } else if is_end(c) {
            return place;
        }
        before = c;
    }
    text.len()
}

/// A name or the value of a tag, without the backslashes before commas, equals signs and spaces.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some(&next @ (',' | '=' | ' ')) if c == '\\' => {
                plain.push(next);
                chars.next();
            }
            _ => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read_from_lines() {
        let text = "# comment\n\ncpu,host=a,r\\,a\\=c\\ k=x\\ y usage=91.5,n=3i,up=t,s=\"a, \\\"b\\\"=c\" 1000\r\n  mem free=1e3\n\
                    c\\,p\\ u\"x,q=\"1 a\\=b=-0.5,t=\"two\nlines\" -5";
        let expected = [
            NewPoint::new("cpu")
                .tag("host", "a")
                .tag("r,a=c k", "x y")
                .field("usage", 91.5)
                .field("n", 3)
                .field("up", true)
                .field("s", "a, \"b\"=c")
                .at(1000),
            NewPoint::new("mem").field("free", 1000.0),
            NewPoint::new("c,p u\"x").tag("q", "\"1").field("a=b", -0.5).field("t", "two\nlines").at(-5),
        ];
        assert_eq!(lines(text).unwrap(), expected);
    }

    #[test]
    fn wrong_lines_are_named() {
        for (line, problem) in [
            ("cpu", "it has no fields"),
            (",a=b x=1", "it has no measurement"),
            ("cpu x", "`x` is not `key=value`"),
            ("cpu,host= x=1", "`host=` is not `key=value`"),
            ("cpu x=\"a", "`\"a` does not end in a quote"),
            ("cpu x=nan", "`nan` is no value"),
            ("cpu x=1.5i", "`1.5i` is no value"),
            ("cpu x=1 soon", "`soon` is no time in nanoseconds"),
        ] {
            let error = lines(&format!("a x=1\n{line}")).unwrap_err().to_string();
            assert_eq!(error, format!("line 2 is no point, because {problem}: {line}"));
        }
        let error = lines("a x=\"1\n2\"\n\n# 4\na x=5\r\na\n").unwrap_err().to_string();
        assert!(error.starts_with("line 6 is no point"), "{error}");
    }

    /// What looks back at all lines before each one would take minutes.
    #[test]
    fn many_lines_are_read() {
        let points = lines(&"cpu,host=a,rack=b usage=91.5,free=3i 1000000000\n".repeat(200_000)).unwrap();
        assert_eq!(points.len(), 200_000);
    }
}
