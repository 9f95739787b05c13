//! Options of a task: checked against what the plugin declares, before the plugin sees them.
//!
//! Kapacitor checks the options of a TICKscript itself, but not all of them reach a UDF as they were
//! written: a lambda or a reference comes without a value, a pipeline loaded from JSON has `1.0` as
//! an integer and `'5m'` as a duration.

use std::fmt;

use thiserror::Error;

use crate::protocol::option_value::Value;
use crate::protocol::{InfoResponse, Option as UdfOption, OptionValue, ValueType};
use crate::units::Span;

/// `bool`, `int`, `double`, `string` or `duration`.
pub fn type_name(ty: ValueType) -> &'static str {
    match ty {
        ValueType::Bool => "bool",
        ValueType::Int => "int",
        ValueType::Double => "double",
        ValueType::String => "string",
        ValueType::Duration => "duration",
    }
}

/// What is wrong with one option of a task.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum OptionError {
    /// The plugin has no such option.
    #[error("there is no option `{option}`; there are: {known}")]
    Unknown {
        /// The option.
        option: String,
        /// The options that the plugin has.
        known: String,
    },
    /// The option has another number of values.
    #[error("option `{option}`: expected {expected}, got {count} values")]
    Count {
        /// The option.
        option: String,
        /// The values that the plugin declares.
        expected: String,
        /// Number of values that the TICKscript gives.
        count: usize,
    },
    /// A value has no value: Kapacitor does not evaluate it for a UDF.
    #[error(
        "option `{option}`: got an expression or a field reference, expected {expected}: use 'single quotes' for strings"
    )]
    Expression {
        /// The option.
        option: String,
        /// The type that the plugin declares.
        expected: &'static str,
    },
    /// A value has another type.
    #[error("option `{option}`: expected {expected}, got {got}")]
    Type {
        /// The option.
        option: String,
        /// The type that the plugin declares.
        expected: &'static str,
        /// The type of the value.
        got: &'static str,
    },
    /// A text is not a value of the option.
    #[error("option `{option}`: expected {expected}, got '{text}'")]
    Text {
        /// The option.
        option: String,
        /// The values that the plugin declares.
        expected: String,
        /// The text.
        text: String,
    },
}

/// Everything that is wrong with the options of a task; shown in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionErrors(Vec<OptionError>);

impl std::error::Error for OptionErrors {}

impl fmt::Display for OptionErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            f.write_str(if index > 0 { "; " } else { "" })?;
            error.fmt(f)?;
        }
        Ok(())
    }
}

/// The values of `results`, or all of their errors.
fn all_of(
    results: impl Iterator<Item = Result<UdfOption, OptionError>>,
) -> Result<Vec<UdfOption>, OptionErrors> {
    let (mut options, mut errors) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(option) => options.push(option),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(options) } else { Err(OptionErrors(errors)) }
}

/// Makes `options` fit the types that a plugin declares.
///
/// # Errors
///
/// Everything that is wrong with them.
pub fn fit(options: Vec<UdfOption>, info: &InfoResponse) -> Result<Vec<UdfOption>, OptionErrors> {
    all_of(options.into_iter().map(|option| fit_one(option, info)))
}

/// Makes options from names and texts, as `.set('NAME', 'TEXT')` gives them.
///
/// # Errors
///
/// Everything that is wrong with them.
pub fn from_texts(
    settings: &[(String, String)],
    info: &InfoResponse,
) -> Result<Vec<UdfOption>, OptionErrors> {
    all_of(settings.iter().map(|(name, text)| from_text(name, text, info)))
}

fn fit_one(option: UdfOption, info: &InfoResponse) -> Result<UdfOption, OptionError> {
    let UdfOption { name, values } = option;
    let types = declared(&name, info)?;
    if types.len() != values.len() {
        let (expected, count) = (expected(&types), values.len());
        return Err(OptionError::Count { option: name, expected, count });
    }
    let values = values.into_iter().zip(types).map(|(value, ty)| {
        let (expected, got) = (type_name(ty), type_name(value.r#type()));
        let Some(value) = value.value else {
            return Err(OptionError::Expression { option: name.clone(), expected });
        };
        match coerce(value, ty) {
            Some(value) => Ok(OptionValue { r#type: ty.into(), value: Some(value) }),
            None => Err(OptionError::Type { option: name.clone(), expected, got }),
        }
    });
    let values = values.collect::<Result<_, _>>()?;
    Ok(UdfOption { name, values })
}

fn from_text(name: &str, text: &str, info: &InfoResponse) -> Result<UdfOption, OptionError> {
    let types = declared(name, info)?;
    let wrong =
        |expected: String| OptionError::Text { option: name.to_owned(), expected, text: text.to_owned() };
    let texts: Vec<&str> = match types.len() {
        0 if matches!(text, "" | "TRUE" | "true") => Vec::new(),
        1 => vec![text],
        _ => text.split(',').map(str::trim).collect(),
    };
    if texts.len() != types.len() || (types.is_empty() && !matches!(text, "" | "TRUE" | "true")) {
        return Err(wrong(expected(&types)));
    }
    let values = texts.into_iter().zip(types).map(|(part, ty)| {
        let value = match ty {
            ValueType::Bool => part.to_ascii_lowercase().parse().ok().map(Value::BoolValue),
            ValueType::Int => part.parse().ok().map(Value::IntValue),
            ValueType::Double => part.parse().ok().map(Value::DoubleValue),
            ValueType::String => Some(Value::StringValue(part.to_owned())),
            ValueType::Duration => part
                .parse::<Span>()
                .ok()
                .and_then(|span| i64::try_from(span.0.as_nanos()).ok())
                .map(Value::DurationValue),
        };
        match value {
            Some(value) => Ok(OptionValue { r#type: ty.into(), value: Some(value) }),
            None => Err(OptionError::Text {
                option: name.to_owned(),
                expected: type_name(ty).to_owned(),
                text: part.to_owned(),
            }),
        }
    });
    Ok(UdfOption { name: name.to_owned(), values: values.collect::<Result<_, _>>()? })
}

fn declared(name: &str, info: &InfoResponse) -> Result<Vec<ValueType>, OptionError> {
    if let Some(option) = info.options.get(name) {
        return Ok(option.value_types().collect());
    }
    let known: Vec<&str> = info.options.keys().map(String::as_str).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(OptionError::Unknown { option: name.to_owned(), known })
}

/// The values of an option, in words.
fn expected(types: &[ValueType]) -> String {
    match types {
        [] => "no value".to_owned(),
        [ty] => format!("one {}", type_name(*ty)),
        types => {
            let names: Vec<_> = types.iter().map(|ty| type_name(*ty)).collect();
            format!("({})", names.join(", "))
        }
    }
}

/// The value as one of type `ty`, if it is one.
fn coerce(value: Value, ty: ValueType) -> Option<Value> {
    match (value, ty) {
        (value @ Value::BoolValue(_), ValueType::Bool)
        | (value @ Value::IntValue(_), ValueType::Int)
        | (value @ Value::DoubleValue(_), ValueType::Double)
        | (value @ Value::StringValue(_), ValueType::String)
        | (value @ Value::DurationValue(_), ValueType::Duration) => Some(value),
        (Value::IntValue(v), ValueType::Double) => Some(Value::DoubleValue(v as f64)),
        (Value::DurationValue(v), ValueType::String) => Some(Value::StringValue(duration_literal(v))),
        _ => None,
    }
}

/// A duration as a TICKscript writes it: the largest unit that divides it.
fn duration_literal(nanos: i64) -> String {
    const UNITS: [(i64, &str); 7] = [
        (604_800_000_000_000, "w"),
        (86_400_000_000_000, "d"),
        (3_600_000_000_000, "h"),
        (60_000_000_000, "m"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "u"),
    ];
    let unit = UNITS.iter().find(|(unit, _)| nanos != 0 && nanos % unit == 0);
    match unit {
        Some((unit, name)) => format!("{}{name}", nanos / unit),
        None if nanos == 0 => "0s".to_owned(),
        None => format!("{nanos}ns"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::OptionInfo;

    fn info() -> InfoResponse {
        let option =
            |types: &[ValueType]| OptionInfo { value_types: types.iter().map(|t| i32::from(*t)).collect() };
        InfoResponse {
            options: [
                ("field".to_owned(), option(&[ValueType::String])),
                ("scale".to_owned(), option(&[ValueType::Double])),
                ("every".to_owned(), option(&[ValueType::Duration])),
                ("range".to_owned(), option(&[ValueType::Int, ValueType::Int])),
                ("verbose".to_owned(), option(&[])),
            ]
            .into(),
            ..InfoResponse::default()
        }
    }

    fn one(name: &str, ty: ValueType, value: Option<Value>) -> Vec<UdfOption> {
        let values = vec![OptionValue { r#type: ty.into(), value }];
        vec![UdfOption { name: name.to_owned(), values }]
    }

    fn value(options: Vec<UdfOption>) -> Option<Value> {
        let options = fit(options, &info()).unwrap();
        options.into_iter().next()?.values.into_iter().next()?.value
    }

    #[test]
    fn values_that_json_changed_are_changed_back() {
        let int = one("scale", ValueType::Int, Some(Value::IntValue(2)));
        assert_eq!(value(int), Some(Value::DoubleValue(2.0)));
        let duration = one("field", ValueType::Duration, Some(Value::DurationValue(300_000_000_000)));
        assert_eq!(value(duration), Some(Value::StringValue("5m".to_owned())));
    }

    #[test]
    fn errors_name_option_and_type() {
        let check = |options, expected: &str| {
            assert_eq!(fit(options, &info()).unwrap_err().to_string(), expected);
        };
        check(
            one("scale", ValueType::String, Some(Value::StringValue("2".to_owned()))),
            "option `scale`: expected double, got string",
        );
        check(
            one("field", ValueType::Bool, None),
            "option `field`: got an expression or a field reference, expected string: use 'single quotes' for strings",
        );
        check(
            one("scales", ValueType::Bool, None),
            "there is no option `scales`; there are: every, field, range, scale, verbose",
        );
        check(
            one("range", ValueType::Int, Some(Value::IntValue(1))),
            "option `range`: expected (int, int), got 1 values",
        );
    }

    #[test]
    fn text_becomes_the_declared_type() {
        let text = |name, text| {
            from_text(name, text, &info())
                .map_err(|error| error.to_string())
                .map(|option| option.values.into_iter().filter_map(|v| v.value).collect::<Vec<_>>())
        };
        assert_eq!(text("scale", "1.5"), Ok(vec![Value::DoubleValue(1.5)]));
        assert_eq!(text("every", "5m"), Ok(vec![Value::DurationValue(300_000_000_000)]));
        assert_eq!(text("range", "1, 9"), Ok(vec![Value::IntValue(1), Value::IntValue(9)]));
        assert_eq!(text("verbose", "TRUE"), Ok(vec![]));
        assert_eq!(text("scale", "much"), Err("option `scale`: expected double, got 'much'".to_owned()));
        assert_eq!(text("verbose", "2"), Err("option `verbose`: expected no value, got '2'".to_owned()));
    }
}
