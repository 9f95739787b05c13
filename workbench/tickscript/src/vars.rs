//! Reads a file of vars, as `kapacitor define -vars FILE` takes it (`client/v1/client.go` of Kapacitor 1.5):
//!
//! ```json
//! {"size": {"type": "int", "value": 30}, "tags": {"type": "list", "value": [{"type": "string", "value": "host"}]}}
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::call::OptionValue;
use crate::error::{Fault, ScriptError};
use crate::literal::{self, short, shortened};
use crate::reader::{MAX_TEXT, Vars};
use crate::value::Literal;

/// The vars of a JSON file.
///
/// The types are those of Kapacitor: `bool`, `int`, `float`, `string`, `duration` (a text such as `"10m"`, or a number of
/// nanoseconds), `regex`, `lambda`, `list` (of objects with `type` and `value`) and `star` (without a value).
///
/// # Errors
///
/// The text is not JSON, is longer than 1 MiB, or has a value that is not of its type. The place is the end of what is
/// wrong.
pub fn parse_vars(text: &str, file_name: &str) -> Result<Vars, ScriptError> {
    if text.len() > MAX_TEXT {
        let message = format!("the vars are {} bytes long; write at most {MAX_TEXT}", text.len());
        return Err(Fault::new(0, message).in_text(text, Some(file_name)));
    }
    let vars: BTreeMap<String, Var> = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let message = error.to_string();
        let message = message.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&message);
        ScriptError::new(
            Some(file_name),
            line,
            column,
            format!("{}; write {EXAMPLE}", shortened(message, 200)),
        )
    })?;
    Ok(vars.into_iter().map(|(name, Var(literal))| (name, literal)).collect())
}

const EXAMPLE: &str = r#"vars as in {"size": {"type": "int", "value": 30}}"#;

/// The value of one var. Serde adds the place to the errors of its conversion.
#[derive(Deserialize)]
#[serde(try_from = "Entry")]
struct Var(Literal);

/// One var as it is written. Its description has no effect.
#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    type_name: String,
    #[serde(default)]
    value: Json,
}

impl TryFrom<Entry> for Var {
    type Error = String;

    fn try_from(entry: Entry) -> Result<Self, String> {
        match (entry.type_name.as_str(), entry.value) {
            ("list", Json::Array(items)) => {
                items.into_iter().map(item).collect::<Result<_, _>>().map(Literal::List)
            }
            (type_name, value) => scalar(type_name, &value),
        }
        .map(Self)
    }
}

/// An item of a list, which is no list itself.
fn item(item: Json) -> Result<Literal, String> {
    let Entry { type_name, value } = serde_json::from_value(item).map_err(|error| error.to_string())?;
    scalar(&type_name, &value)
}

fn scalar(type_name: &str, value: &Json) -> Result<Literal, String> {
    let wrong = || format!("{} is no value of type {}", short(&value.to_string()), short(type_name));
    let value = match (type_name, value) {
        ("star", _) => return Ok(Literal::Star),
        ("regex", Json::String(_)) => return Ok(Literal::Regex),
        ("lambda", Json::String(_)) => return Ok(Literal::Lambda),
        ("bool", Json::Bool(bool)) => OptionValue::Bool(*bool),
        ("int", Json::Number(number)) => OptionValue::Int(number.as_i64().ok_or_else(wrong)?),
        ("float", Json::Number(number)) => OptionValue::Double(number.as_f64().ok_or_else(wrong)?),
        ("string", Json::String(text)) => OptionValue::String(text.clone()),
        ("duration", Json::String(text)) => OptionValue::Duration(literal::duration(text)?),
        ("duration", Json::Number(number)) => OptionValue::Duration(number.as_i64().ok_or_else(wrong)?),
        _ => return Err(wrong()),
    };
    Ok(Literal::Value(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vars_have_kapacitors_types() {
        let vars = parse_vars(
            r#"{
                "b": {"type": "bool", "value": true, "description": "whether"},
                "i": {"type": "int", "value": -3},
                "f": {"type": "float", "value": 3},
                "s": {"type": "string", "value": "it's"},
                "d": {"type": "duration", "value": "1h30m"},
                "n": {"type": "duration", "value": 1000},
                "r": {"type": "regex", "value": "^cpu"},
                "w": {"type": "lambda", "value": "\"x\" > 3"},
                "l": {"type": "list", "value": [{"type": "string", "value": "host"}, {"type": "star"}]},
                "a": {"type": "star", "value": ""}
            }"#,
            "vars.json",
        )
        .unwrap();
        let value = Literal::Value;
        for (name, expected) in [
            ("b", value(OptionValue::Bool(true))),
            ("i", value(OptionValue::Int(-3))),
            ("f", value(OptionValue::Double(3.0))),
            ("s", value(OptionValue::String("it's".into()))),
            ("d", value(OptionValue::Duration(5_400_000_000_000))),
            ("n", value(OptionValue::Duration(1000))),
            ("r", Literal::Regex),
            ("w", Literal::Lambda),
            ("l", Literal::List(vec![value(OptionValue::String("host".into())), Literal::Star])),
            ("a", Literal::Star),
        ] {
            assert_eq!(vars[name], expected, "{name}");
        }
        assert_eq!(vars.len(), 10);
    }

    #[test]
    fn a_wrong_var_is_said_with_its_line() {
        for (text, line, part) in [
            ("[]", 1, "expected a map"),
            ("{\n\"x\": 3}", 2, "invalid type: integer `3`"),
            ("{\"x\": {\"value\": 3}}", 1, "missing field `type`"),
            ("{\n\"x\": {\"type\": \"int\", \"value\": 3.5}}", 2, "3.5 is no value of type int"),
            ("{\"x\": {\"type\": \"string\", \"value\": null}}", 1, "null is no value of type string"),
            ("{\"x\": {\"type\": \"text\", \"value\": \"a\"}}", 1, "no value of type text"),
            (
                "{\"x\": {\"type\": \"list\", \"value\": [{\"type\": \"list\", \"value\": []}]}}",
                1,
                "type list",
            ),
            ("{\"x\": {\"type\": \"duration\", \"value\": \"3\"}}", 1, "`3` is no duration"),
        ] {
            let error = parse_vars(text, "vars.json").unwrap_err();
            assert_eq!(error.line(), line, "{error}");
            assert!(error.to_string().starts_with(&format!("vars.json:{line}:")), "{error}");
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
