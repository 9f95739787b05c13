//! Options of a plugin: what it declares, and what a task gives it.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::wire::{self, Fields};

/// The options of a plugin, as a struct. Derive it:
///
/// ```
/// use kapacitor_guest::prelude::*;
///
/// #[derive(Options)]
/// struct Settings {
///     /// `.field('usage')`, must be given.
///     field: String,
///     /// `.size(10)`
///     size: usize,
///     /// `.scale(1.5)`, or not at all.
///     #[option(default = 3.0)]
///     scale: f64,
///     /// `.as('mean')`; `as` is a word of Rust.
///     r#as: Option<String>,
///     /// `.agg('min').agg('max')`
///     agg: Vec<String>,
///     /// `.every(5m)`
///     #[option(name = "every")]
///     interval: Option<std::time::Duration>,
///     /// `.verbose()`
///     verbose: Flag,
/// }
/// ```
///
/// A field's type says what the TICKscript must give: `String`, `f64`, integers (whose range is
/// checked; `NonZeroUsize` and its kin refuse 0), `bool`, `Duration`. `Option` makes an option
/// optional, `Vec` one that may come any number of times, [`Flag`] one without a value. What does
/// not fit ends in an error that names the option and the type.
pub trait Options: Sized {
    /// Declares the options.
    fn describe(options: &mut Described);

    /// Reads them; `None` if there is a problem, which `given` then knows.
    fn read(given: &mut Given<'_>) -> Option<Self>;
}

/// `.name()`: whether it was given, in its only field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flag(pub bool);

/// Options that a plugin declares.
#[derive(Debug, Default)]
pub struct Described {
    options: Vec<(&'static str, &'static [ValueType])>,
}

impl Described {
    /// Declares an option whose value is a `T`.
    pub fn add<T: OptionType>(&mut self, name: &'static str) {
        self.options.push((name, T::TYPES));
    }

    /// Appends them as fields 3 of an InfoResponse.
    pub(crate) fn encode(&self, out: &mut Buffer) {
        for (name, types) in &self.options {
            let types: Vec<u8> = types.iter().map(|ty| *ty as u8).collect();
            let (mut info, mut entry) = (Buffer::new(), Buffer::new());
            if !types.is_empty() {
                wire::put_bytes(1, &types, &mut info);
            }
            wire::put_bytes(1, name.as_bytes(), &mut entry);
            wire::put_bytes(2, &info, &mut entry);
            wire::put_bytes(3, &entry, out);
        }
    }
}

/// Kapacitor's types of option values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ValueType {
    /// `TRUE`
    Bool = 0,
    /// `1`
    Int = 1,
    /// `1.0`
    Double = 2,
    /// `'text'`
    String = 3,
    /// `5m`
    Duration = 4,
}

impl ValueType {
    fn name(self) -> &'static str {
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
pub enum OptionValue<'a> {
    /// `TRUE`
    Bool(bool),
    /// `1`
    Int(i64),
    /// `1.0`
    Double(f64),
    /// `'text'`
    String(&'a str),
    /// `5m`, in nanoseconds.
    Duration(i64),
    /// Something that has no type here, such as a lambda.
    None,
}

impl OptionValue<'_> {
    fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Duration(_) => "duration",
            Self::None => "an expression or a field reference",
        }
    }
}

/// The options that a task gives.
#[derive(Debug)]
pub struct Given<'a> {
    options: Vec<(&'a str, Vec<OptionValue<'a>>)>,
    problems: Vec<String>,
}

impl<'a> Given<'a> {
    /// Reads the options of an InitRequest.
    pub(crate) fn decode(request: &'a [u8]) -> Self {
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or("");
        let options = Fields(request)
            .filter(|field| field.number == 1)
            .map(|option| {
                let mut name = "";
                let mut values = Vec::new();
                for field in Fields(option.bytes) {
                    match field.number {
                        1 => name = text(field.bytes),
                        2 => values.push(decode_value(field.bytes)),
                        _ => {}
                    }
                }
                (name, values)
            })
            .collect();
        Self { options, problems: Vec::new() }
    }

    /// The value of an option; `None` after noting the problem.
    pub fn take<T: OptionType>(&mut self, name: &str) -> Option<T> {
        let occurrences: Vec<&[OptionValue<'_>]> =
            self.options.iter().filter(|(given, _)| *given == name).map(|(_, values)| &values[..]).collect();
        match T::read(&occurrences) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.problems.push(format!("option `{name}`: {problem}"));
                None
            }
        }
    }

    /// The value of an option, or `default()` if it is not given.
    pub fn take_or<T: OptionType>(&mut self, name: &str, default: impl FnOnce() -> T) -> Option<T> {
        if self.options.iter().any(|(given, _)| *given == name) { self.take(name) } else { Some(default()) }
    }

    /// Notes the options that were given and are not declared.
    pub(crate) fn refuse_unknown(&mut self, declared: &Described) {
        for (name, _) in &self.options {
            if !declared.options.iter().any(|(known, _)| known == name) {
                self.problems.push(format!("there is no option `{name}`"));
            }
        }
    }

    /// Notes a problem.
    pub fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    /// What [`Options::read`] returned, or all problems as one error.
    pub(crate) fn finish<T>(self, read: Option<T>) -> Result<T> {
        match read {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(Error::new(self.problems.join("; "))),
        }
    }
}

fn decode_value(bytes: &[u8]) -> OptionValue<'_> {
    let mut value = OptionValue::None;
    for field in Fields(bytes) {
        value = match field.number {
            2 => OptionValue::Bool(field.varint() != 0),
            3 => OptionValue::Int(field.varint() as i64),
            4 => OptionValue::Double(wire::double(field.bytes)),
            5 => OptionValue::String(std::str::from_utf8(field.bytes).unwrap_or("")),
            6 => OptionValue::Duration(field.varint() as i64),
            _ => value,
        };
    }
    value
}

/// What the type of a field of an options struct can be.
pub trait OptionType: Sized {
    /// The types of the values that the option takes.
    const TYPES: &'static [ValueType];

    /// Reads all occurrences of the option, each with its values.
    ///
    /// # Errors
    ///
    /// Says what was expected.
    fn read(occurrences: &[&[OptionValue<'_>]]) -> Result<Self, String>;
}

/// What one value of an option can be.
pub trait Scalar: Sized {
    /// Its type in a TICKscript.
    const TYPE: ValueType;

    /// Converts it; `None` if it is of another type.
    ///
    /// # Errors
    ///
    /// When it is of the right type and not allowed.
    fn convert(value: &OptionValue<'_>) -> Option<Result<Self, String>>;
}

fn scalar<T: Scalar>(values: &[OptionValue<'_>]) -> Result<T, String> {
    let expected = T::TYPE.name();
    match values {
        [value] => T::convert(value)
            .unwrap_or_else(|| Err(format!("expected {expected}, got {}", value.type_name()))),
        _ => Err(format!("expected one {expected}, got {} values", values.len())),
    }
}

fn once<T: Scalar>(occurrences: &[&[OptionValue<'_>]]) -> Result<T, String> {
    match occurrences {
        [values] => scalar(values),
        [] => Err(format!("missing, expected {}", T::TYPE.name())),
        _ => Err(format!("given {} times, expected once", occurrences.len())),
    }
}

impl<T: Scalar> OptionType for Option<T> {
    const TYPES: &'static [ValueType] = &[T::TYPE];

    fn read(occurrences: &[&[OptionValue<'_>]]) -> Result<Self, String> {
        if occurrences.is_empty() { Ok(None) } else { once(occurrences).map(Some) }
    }
}

impl<T: Scalar> OptionType for Vec<T> {
    const TYPES: &'static [ValueType] = &[T::TYPE];

    fn read(occurrences: &[&[OptionValue<'_>]]) -> Result<Self, String> {
        occurrences.iter().map(|values| scalar(values)).collect()
    }
}

impl OptionType for Flag {
    const TYPES: &'static [ValueType] = &[];

    fn read(occurrences: &[&[OptionValue<'_>]]) -> Result<Self, String> {
        if occurrences.iter().all(|values| values.is_empty()) {
            Ok(Self(!occurrences.is_empty()))
        } else {
            Err("expected no value".to_owned())
        }
    }
}

macro_rules! scalars {
    ($($ty:ty: $type:ident, $value:pat => $converted:expr;)*) => {$(
        impl Scalar for $ty {
            const TYPE: ValueType = ValueType::$type;

            fn convert(value: &OptionValue<'_>) -> Option<Result<Self, String>> {
                match value {
                    $value => Some($converted),
                    _ => None,
                }
            }
        }

        impl OptionType for $ty {
            const TYPES: &'static [ValueType] = &[ValueType::$type];

            fn read(occurrences: &[&[OptionValue<'_>]]) -> Result<Self, String> {
                once(occurrences)
            }
        }
    )*};
}

scalars! {
    bool: Bool, OptionValue::Bool(v) => Ok(*v);
    f64: Double, OptionValue::Double(v) => Ok(*v);
    String: String, OptionValue::String(v) => Ok((*v).to_owned());
    Duration: Duration, OptionValue::Duration(v) => u64::try_from(*v).map(Duration::from_nanos).map_err(|_| "must not be negative".to_owned());
    i64: Int, OptionValue::Int(v) => Ok(*v);
    i32: Int, OptionValue::Int(v) => int(*v);
    u32: Int, OptionValue::Int(v) => int(*v);
    u64: Int, OptionValue::Int(v) => int(*v);
    usize: Int, OptionValue::Int(v) => int(*v);
    NonZeroU32: Int, OptionValue::Int(v) => positive(*v);
    NonZeroU64: Int, OptionValue::Int(v) => positive(*v);
    NonZeroUsize: Int, OptionValue::Int(v) => positive(*v);
}

fn int<T: TryFrom<i64>>(value: i64) -> Result<T, String> {
    value.try_into().map_err(|_| format!("{value} is out of range"))
}

fn positive<T: TryFrom<NonZeroU64>>(value: i64) -> Result<T, String> {
    u64::try_from(value)
        .ok()
        .and_then(NonZeroU64::new)
        .and_then(|value| value.try_into().ok())
        .ok_or_else(|| format!("must be at least 1, got {value}"))
}
