//! The types that one value of an option can have.

use std::fmt::Display;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use crate::options::types::Scalar;
use crate::options::value::{OptionValue, ValueType};

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
    )*};
}

scalars! {
    bool: Bool, OptionValue::Bool(v) => Ok(*v);
    f64: Double, OptionValue::Double(v) => Ok(*v);
    String: String, OptionValue::String(v) => Ok((*v).to_owned());
    Duration: Duration, OptionValue::Duration(v) => duration(*v);
    i64: Int, OptionValue::Int(v) => Ok(*v);
    f32: Double, OptionValue::Double(v) => single(*v);
    i32: Int, OptionValue::Int(v) => int(*v, i32::MIN, i32::MAX);
    i16: Int, OptionValue::Int(v) => int(*v, i16::MIN, i16::MAX);
    i8: Int, OptionValue::Int(v) => int(*v, i8::MIN, i8::MAX);
    u8: Int, OptionValue::Int(v) => int(*v, u8::MIN, u8::MAX);
    u16: Int, OptionValue::Int(v) => int(*v, u16::MIN, u16::MAX);
    u32: Int, OptionValue::Int(v) => int(*v, u32::MIN, u32::MAX);
    u64: Int, OptionValue::Int(v) => int(*v, u64::MIN, u64::MAX);
    usize: Int, OptionValue::Int(v) => int(*v, usize::MIN, usize::MAX);
    NonZeroU32: Int, OptionValue::Int(v) => positive(*v, u32::MAX);
    NonZeroU64: Int, OptionValue::Int(v) => positive(*v, u64::MAX);
    NonZeroUsize: Int, OptionValue::Int(v) => positive(*v, usize::MAX);
}

fn duration(nanoseconds: i64) -> Result<Duration, String> {
    u64::try_from(nanoseconds)
        .map(Duration::from_nanos)
        .map_err(|_| format!("must not be negative, got {}", OptionValue::Duration(nanoseconds)))
}

fn single(value: f64) -> Result<f32, String> {
    let single = value as f32;
    if single.is_finite() || !value.is_finite() {
        Ok(single)
    } else {
        Err(format!("must be from {:e} to {:e}, got {value:e}", f32::MIN, f32::MAX))
    }
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
