//! The types that the fields of an options struct can have.

use std::fmt::Display;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use crate::options::value::{OptionValue, ValueType};

/// An option without values, such as `.verbose()`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flag(bool);

impl Flag {
    /// Whether the TICKscript has the option.
    pub fn is_set(self) -> bool {
        self.0
    }
}

impl From<bool> for Flag {
    fn from(set: bool) -> Self {
        Self(set)
    }
}

/// A type that a field of an options struct can have.
///
/// Implement it for a type of your own to read options with several values, or with rules.
///
/// ```
/// use kapacitor_guest::options::{OptionType, OptionValue, ValueType};
///
/// /// `.range(0.0, 1.0)`
/// struct Range(f64, f64);
///
/// impl OptionType for Range {
///     const TYPES: &'static [ValueType] = &[ValueType::Double, ValueType::Double];
///
///     fn read(occurrences: &[&[OptionValue<'_>]]) -> Result<Self, String> {
///         match occurrences {
///             [[OptionValue::Double(low), OptionValue::Double(high)]] if low < high => Ok(Self(*low, *high)),
///             _ => Err("expected two doubles, the smaller one first".to_owned()),
///         }
///     }
/// }
/// ```
pub trait OptionType: Sized {
    /// The types of the option's values, in order. Empty for an option without values.
    const TYPES: &'static [ValueType];

    /// Reads the option from all its occurrences in the TICKscript. Each occurrence is the list of its
    /// values.
    ///
    /// # Errors
    ///
    /// A message that names the expected values. The name of the option is put in front of it.
    fn read(occurrences: &[&[OptionValue<'_>]]) -> Result<Self, String>;
}

/// A type that one value of an option can have. `Option` and `Vec` of such a type are
/// [`OptionType`]s.
pub trait Scalar: Sized {
    /// The type of the value in a TICKscript.
    const TYPE: ValueType;

    /// Converts a value; `None` if it has another type.
    ///
    /// # Errors
    ///
    /// A message that says why a value of the right type is not allowed.
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

pub(super) fn once<T: Scalar>(occurrences: &[&[OptionValue<'_>]]) -> Result<T, String> {
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
            Ok(Self::from(!occurrences.is_empty()))
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
    Duration: Duration, OptionValue::Duration(v) => duration(*v);
    i64: Int, OptionValue::Int(v) => Ok(*v);
    i32: Int, OptionValue::Int(v) => int(*v, i32::MIN, i32::MAX);
    u32: Int, OptionValue::Int(v) => int(*v, u32::MIN, u32::MAX);
    u64: Int, OptionValue::Int(v) => int(*v, u64::MIN, u64::MAX);
    usize: Int, OptionValue::Int(v) => int(*v, usize::MIN, usize::MAX);
    NonZeroU32: Int, OptionValue::Int(v) => positive(*v, u32::MAX);
    NonZeroU64: Int, OptionValue::Int(v) => positive(*v, u64::MAX);
    NonZeroUsize: Int, OptionValue::Int(v) => positive(*v, usize::MAX);
}

fn duration(nanoseconds: i64) -> Result<Duration, String> {
    u64::try_from(nanoseconds).map(Duration::from_nanos).map_err(|_| "must not be negative".to_owned())
}

fn int<T: TryFrom<i64> + Display>(value: i64, least: T, most: T) -> Result<T, String> {
    value.try_into().map_err(|_| out_of_range(value, least, most))
}

fn positive<T: TryFrom<i64> + Display, N: TryFrom<T>>(value: i64, most: T) -> Result<N, String> {
    let number = T::try_from(value).ok().and_then(|value| N::try_from(value).ok());
    number.ok_or_else(|| out_of_range(value, 1, most))
}

/// The range of a type whose largest value no int has is only bounded below.
fn out_of_range(value: i64, least: impl Display, most: impl Display) -> String {
    let most = most.to_string();
    match most.parse::<i64>() {
        Ok(_) => format!("must be from {least} to {most}, got {value}"),
        Err(_) => format!("must be at least {least}, got {value}"),
    }
}
