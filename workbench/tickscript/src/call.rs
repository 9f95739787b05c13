//! A call of a UDF and its options, as Kapacitor sends them in an InitRequest.

use std::fmt;

/// A call of a UDF: `@function().option(values)...`.
///
/// Its `Display` is the call in TICKscript, which [`parse_call`](crate::parse_call) reads to the same call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    /// The function's name in Kapacitor's configuration, `[udf.functions.NAME]`.
    pub function: String,
    /// The options in the order of the script. One that is called twice is there twice, as in an InitRequest.
    pub options: Vec<CallOption>,
}

/// An option of a call: `.name(values)`.
#[derive(Clone, Debug, PartialEq)]
pub struct CallOption {
    /// Name of the option.
    pub name: String,
    /// Its values; none for `.name()`.
    pub values: Vec<OptionValue>,
}

/// A value of an option, with the types of Kapacitor's protocol (`udf/agent/udf.proto`).
#[derive(Clone, Debug, PartialEq)]
pub enum OptionValue {
    /// `'text'`
    String(String),
    /// `30`; a number with a leading zero is octal.
    Int(i64),
    /// `30.0`
    Double(f64),
    /// `5m`, in nanoseconds. It may be negative.
    Duration(i64),
    /// `TRUE` or `FALSE`
    Bool(bool),
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}()", self.function)?;
        self.options.iter().try_for_each(|option| option.fmt(f))
    }
}

impl fmt::Display for CallOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ".{}(", self.name)?;
        for (index, value) in self.values.iter().enumerate() {
            write!(f, "{}{value}", if index == 0 { "" } else { ", " })?;
        }
        f.write_str(")")
    }
}

/// The value in TICKscript. What no literal can express is an expression: a duration below a microsecond, for
/// example, is `1u / 1000`.
impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => fmt_string(text, f),
            // The literal has no sign, so that it ends at the highest integer.
            Self::Int(i64::MIN) => write!(f, "{} - 1", i64::MIN + 1),
            Self::Int(int) => write!(f, "{int}"),
            Self::Double(double) => fmt_double(*double, f),
            Self::Duration(nanoseconds) => fmt_duration(*nanoseconds, f),
            Self::Bool(true) => f.write_str("TRUE"),
            Self::Bool(false) => f.write_str("FALSE"),
        }
    }
}

fn fmt_double(double: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if double.is_nan() {
        return f.write_str("0.0 / 0.0");
    }
    if double.is_infinite() {
        return f.write_str(if double > 0.0 { "1.0 / 0.0" } else { "-1.0 / 0.0" });
    }
    // Rust writes no exponent, which TICKscript does not know.
    write!(f, "{double}{}", if double.fract() == 0.0 { ".0" } else { "" })
}

fn fmt_duration(nanoseconds: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const UNITS: [(i64, &str); 7] = [
        (604_800_000_000_000, "w"),
        (86_400_000_000_000, "d"),
        (3_600_000_000_000, "h"),
        (60_000_000_000, "m"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "u"),
    ];
    if nanoseconds == 0 {
        return f.write_str("0s");
    }
    if let Some((unit, name)) = UNITS.into_iter().find(|(unit, _)| nanoseconds % unit == 0) {
        return write!(f, "{}{name}", nanoseconds / unit);
    }
    let sign = if nanoseconds < 0 { '-' } else { '+' };
    let rest = (nanoseconds % 1_000).unsigned_abs();
    write!(f, "{}u {sign} {rest}u / 1000", nanoseconds / 1_000)
}

fn fmt_string(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // A backslash can't be escaped, so that one before the closing quote needs a literal with three quotes.
    let head = text.trim_end_matches('\\');
    let backslashes = &text[head.len()..];
    if !head.is_empty() || backslashes.is_empty() {
        write!(f, "'{}'", head.replace('\'', "\\'"))?;
    }
    match (head.is_empty(), backslashes.is_empty()) {
        (_, true) => Ok(()),
        (true, false) => write!(f, "'''{backslashes}'''"),
        (false, false) => write!(f, " + '''{backslashes}'''"),
    }
}
