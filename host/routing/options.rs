//! Options of a task: checked against what the plugin declares, before the plugin sees them.
//!
//! Kapacitor checks the options of a TICKscript itself, but not all of them reach a UDF as they were
//! written: a lambda or a reference comes without a value, a pipeline loaded from JSON has `1.0` as
//! an integer and `'5m'` as a duration.

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

/// Makes `options` fit the types that a plugin declares.
///
/// # Errors
///
/// All that is wrong with them, in one line.
pub fn fit(options: Vec<UdfOption>, info: &InfoResponse, plugin: &str) -> Result<Vec<UdfOption>, String> {
    let mut problems = Vec::new();
    let mut fitted = Vec::new();
    for option in options {
        match fit_one(option, info, plugin) {
            Ok(option) => fitted.push(option),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(fitted) } else { Err(problems.join("; ")) }
}

fn fit_one(option: UdfOption, info: &InfoResponse, plugin: &str) -> Result<UdfOption, String> {
    let name = &option.name;
    let types = declared(name, info, plugin)?;
    if types.len() != option.values.len() {
        return Err(format!(
            "option `{name}`: expected {}, got {} values",
            expected(&types),
            option.values.len()
        ));
    }
    let values = option.values.into_iter().zip(types).map(|(value, ty)| {
        let got = type_name(value.r#type());
        let value = value.value.ok_or_else(|| {
            format!(
                "option `{name}`: got an expression or a field reference, expected {}: use 'single quotes' for strings",
                type_name(ty)
            )
        })?;
        let value = coerce(value, ty)
            .map_err(|()| format!("option `{name}`: expected {}, got {got}", type_name(ty)))?;
        Ok(OptionValue { r#type: ty.into(), value: Some(value) })
    });
    let values = values.collect::<Result<_, String>>()?;
    Ok(UdfOption { name: option.name, values })
}

/// The option `name` with its values as text, as `set('name', 'value')` gives it.
///
/// # Errors
///
/// When the plugin has no such option or the text is no value of its type.
pub fn from_text(name: &str, text: &str, info: &InfoResponse, plugin: &str) -> Result<UdfOption, String> {
    let types = declared(name, info, plugin)?;
    let texts: Vec<&str> = match types.len() {
        0 if matches!(text, "" | "TRUE" | "true") => Vec::new(),
        1 => vec![text],
        _ => text.split(',').map(str::trim).collect(),
    };
    if texts.len() != types.len() || (types.is_empty() && !matches!(text, "" | "TRUE" | "true")) {
        return Err(format!("option `{name}`: expected {}, got '{text}'", expected(&types)));
    }
    let values = texts.into_iter().zip(types).map(|(text, ty)| {
        let value = match ty {
            ValueType::Bool => text.to_ascii_lowercase().parse().ok().map(Value::BoolValue),
            ValueType::Int => text.parse().ok().map(Value::IntValue),
            ValueType::Double => text.parse().ok().map(Value::DoubleValue),
            ValueType::String => Some(Value::StringValue(text.to_owned())),
            ValueType::Duration => text
                .parse::<Span>()
                .ok()
                .and_then(|span| i64::try_from(span.0.as_nanos()).ok())
                .map(Value::DurationValue),
        };
        match value {
            Some(value) => Ok(OptionValue { r#type: ty.into(), value: Some(value) }),
            None => Err(format!("option `{name}`: expected {}, got '{text}'", type_name(ty))),
        }
    });
    Ok(UdfOption { name: name.to_owned(), values: values.collect::<Result<_, String>>()? })
}

fn declared(name: &str, info: &InfoResponse, plugin: &str) -> Result<Vec<ValueType>, String> {
    match info.options.get(name) {
        Some(option) => Ok(option.value_types().collect()),
        None => {
            let known: Vec<&str> = info.options.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Err(format!("plugin `{plugin}` has no option `{name}`; it has: {known}"))
        }
    }
}

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

fn coerce(value: Value, ty: ValueType) -> Result<Value, ()> {
    match (value, ty) {
        (value @ Value::BoolValue(_), ValueType::Bool)
        | (value @ Value::IntValue(_), ValueType::Int)
        | (value @ Value::DoubleValue(_), ValueType::Double)
        | (value @ Value::StringValue(_), ValueType::String)
        | (value @ Value::DurationValue(_), ValueType::Duration) => Ok(value),
        (Value::IntValue(v), ValueType::Double) => Ok(Value::DoubleValue(v as f64)),
        (Value::DurationValue(v), ValueType::String) => Ok(Value::StringValue(duration_literal(v))),
        _ => Err(()),
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
        let options = fit(options, &info(), "p").unwrap();
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
            assert_eq!(fit(options, &info(), "p").unwrap_err(), expected);
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
            "plugin `p` has no option `scales`; it has: every, field, range, scale, verbose",
        );
        check(
            one("range", ValueType::Int, Some(Value::IntValue(1))),
            "option `range`: expected (int, int), got 1 values",
        );
    }

    #[test]
    fn text_becomes_the_declared_type() {
        let text = |name, text| {
            from_text(name, text, &info(), "p")
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
