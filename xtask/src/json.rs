//! Writes JSON.

use std::fmt::{self, Display, Formatter, Write};

/// A value of JSON. Members of an object keep the order that they are given in.
#[derive(Debug)]
pub enum Json {
    Bool(bool),
    Number(u32),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(&'static str, Self)>),
}

impl Json {
    pub fn list<const N: usize>(values: [Self; N]) -> Self {
        Self::List(values.into())
    }

    /// Writes the value over several lines. The first of them has no indentation.
    fn lines(&self, f: &mut Formatter<'_>, depth: usize) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::Text(text) => quoted(f, text),
            Self::List(values) if values.is_empty() => f.write_str("[]"),
            Self::Object(members) if members.is_empty() => f.write_str("{}"),
            Self::List(values) => {
                f.write_str("[")?;
                for (i, value) in values.iter().enumerate() {
                    begin(f, i, depth + 1)?;
                    value.lines(f, depth + 1)?;
                }
                end(f, depth, "]")
            }
            Self::Object(members) => {
                f.write_str("{")?;
                for (i, (name, value)) in members.iter().enumerate() {
                    begin(f, i, depth + 1)?;
                    quoted(f, name)?;
                    f.write_str(": ")?;
                    value.lines(f, depth + 1)?;
                }
                end(f, depth, "}")
            }
        }
    }
}

/// Begins the line of the `i`th value or member.
fn begin(f: &mut Formatter<'_>, i: usize, depth: usize) -> fmt::Result {
    let comma = if i > 0 { "," } else { "" };
    write!(f, "{comma}\n{:1$}", "", 2 * depth)
}

fn end(f: &mut Formatter<'_>, depth: usize, bracket: &str) -> fmt::Result {
    write!(f, "\n{:1$}{bracket}", "", 2 * depth)
}

fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            c if c < ' ' => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

impl Display for Json {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.lines(f, 0)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u32> for Json {
    fn from(value: u32) -> Self {
        Self::Number(value)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<const N: usize> From<[(&'static str, Self); N]> for Json {
    fn from(members: [(&'static str, Self); N]) -> Self {
        Self::Object(members.into())
    }
}

#[cfg(test)]
mod tests {
    use super::Json;

    #[test]
    fn text_is_escaped_and_values_are_indented() {
        let json = Json::from([
            ("a", "\"\\\n".into()),
            ("b", Json::list([1.into(), true.into()])),
            ("c", Json::list([])),
        ]);
        let expected = "{\n  \"a\": \"\\\"\\\\\\u000a\",\n  \"b\": [\n    1,\n    true\n  ],\n  \"c\": []\n}";
        assert_eq!(json.to_string(), expected);
    }
}
