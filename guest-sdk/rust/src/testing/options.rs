//! Options of a plugin, in a test.

use std::time::Duration;

use crate::buffer::Buffer;
use crate::options::{OptionValue, ValueType};
use crate::wire::{self, FIXED64, VARINT};

/// The values of an option in a test: `"text".into()`, `3.into()`, `1.5.into()`, `true.into()`,
/// `Duration::from_secs(1).into()`, a tuple of several of them, `("a", 3).into()`, an [`OptionValue`], or [`flag`].
#[derive(Clone, Debug)]
pub struct OptionArgument {
    /// Each one as Kapacitor's message; none for a flag.
    values: Vec<Buffer>,
}

/// An option without a value, such as `.verbose()`.
pub fn flag() -> OptionArgument {
    OptionArgument { values: Vec::new() }
}

impl From<OptionValue<'_>> for OptionArgument {
    fn from(value: OptionValue<'_>) -> Self {
        Self { values: vec![encode(&value)] }
    }
}

macro_rules! option_from {
    ($($ty:ty, $value:pat => $option:expr;)*) => {$(
        impl From<$ty> for OptionArgument {
            fn from($value: $ty) -> Self {
                $option.into()
            }
        }
    )*};
}

option_from! {
    bool, v => OptionValue::Bool(v);
    i64, v => OptionValue::Int(v);
    f64, v => OptionValue::Double(v);
    &str, v => OptionValue::String(v);
    Duration, v => OptionValue::Duration(i64::try_from(v.as_nanos()).unwrap_or(i64::MAX));
}

macro_rules! tuple_from {
    ($($($ty:ident $value:ident),*;)*) => {$(
        impl<$($ty: Into<OptionArgument>),*> From<($($ty,)*)> for OptionArgument {
            fn from(($($value,)*): ($($ty,)*)) -> Self {
                Self { values: [$($value.into().values),*].concat() }
            }
        }
    )*};
}

tuple_from! {
    A a, B b;
    A a, B b, C c;
    A a, B b, C c, D d;
}

/// An InitRequest with these options.
pub(super) fn init_request(options: impl IntoIterator<Item = (&'static str, OptionArgument)>) -> Buffer {
    let mut request = Buffer::new();
    for (name, argument) in options {
        let mut option = Buffer::new();
        wire::put_text(1, name, &mut option);
        for value in &argument.values {
            wire::put_bytes(2, value, &mut option);
        }
        wire::put_bytes(1, &option, &mut request);
    }
    request
}

/// Kapacitor's message of a value.
fn encode(value: &OptionValue<'_>) -> Buffer {
    let mut out = Buffer::new();
    let number = |ty: ValueType, field, number: u64, out: &mut Buffer| {
        wire::put_int(1, ty as i64, out);
        wire::put_tag(field, VARINT, out);
        wire::put_varint(number, out);
    };
    match *value {
        OptionValue::Bool(value) => number(ValueType::Bool, 2, u64::from(value), &mut out),
        OptionValue::Int(value) => number(ValueType::Int, 3, value as u64, &mut out),
        OptionValue::Duration(value) => number(ValueType::Duration, 6, value as u64, &mut out),
        OptionValue::Double(value) => {
            wire::put_int(1, ValueType::Double as i64, &mut out);
            wire::put_tag(4, FIXED64, &mut out);
            out.put(value.to_le_bytes());
        }
        OptionValue::String(value) => {
            wire::put_int(1, ValueType::String as i64, &mut out);
            wire::put_bytes(5, value.as_bytes(), &mut out);
        }
        OptionValue::None => {}
    }
    out
}
