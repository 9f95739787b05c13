//! Values of fields.

/// The value of a field, of one of InfluxDB's types.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// InfluxDB's `float`.
    Double(f64),
    /// InfluxDB's `integer`.
    Int(i64),
    /// InfluxDB's `string`.
    String(&'a str),
    /// InfluxDB's `boolean`.
    Bool(bool),
}

impl Value<'_> {
    /// The value as a number; `None` if it is a string or a bool.
    pub fn as_number(&self) -> Option<f64> {
        match *self {
            Self::Double(value) => Some(value),
            Self::Int(value) => Some(value as f64),
            Self::String(_) | Self::Bool(_) => None,
        }
    }

    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Double(_) => "double",
            Self::Int(_) => "int",
            Self::String(_) => "string",
            Self::Bool(_) => "bool",
        }
    }
}

macro_rules! value_from {
    ($($ty:ty => $variant:ident),*) => {$(
        impl From<$ty> for Value<'_> {
            fn from(value: $ty) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

value_from!(
    f64 => Double, f32 => Double, i64 => Int, i32 => Int, i16 => Int, i8 => Int, u32 => Int, u16 => Int,
    u8 => Int, bool => Bool
);

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::String(value)
    }
}

/// InfluxDB's ints end at [`i64::MAX`], which stands for all larger numbers.
impl From<u64> for Value<'_> {
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

/// For counts, such as [`Points::len`](crate::Points::len).
impl From<usize> for Value<'_> {
    fn from(value: usize) -> Self {
        Self::from(value as u64)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Self::String(value)
    }
}

/// A value that owns its string, as the fields of a [`NewPoint`](crate::NewPoint) do.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum OwnedValue {
    /// InfluxDB's `float`.
    Double(f64),
    /// InfluxDB's `integer`.
    Int(i64),
    /// InfluxDB's `string`.
    String(String),
    /// InfluxDB's `boolean`.
    Bool(bool),
}

impl OwnedValue {
    /// Borrows the value.
    pub fn as_value(&self) -> Value<'_> {
        match self {
            Self::Double(value) => Value::Double(*value),
            Self::Int(value) => Value::Int(*value),
            Self::String(value) => Value::String(value),
            Self::Bool(value) => Value::Bool(*value),
        }
    }
}

impl<'a, T: Into<Value<'a>>> From<T> for OwnedValue {
    fn from(value: T) -> Self {
        match value.into() {
            Value::Double(value) => Self::Double(value),
            Value::Int(value) => Self::Int(value),
            Value::String(value) => Self::String(value.to_owned()),
            Value::Bool(value) => Self::Bool(value),
        }
    }
}

impl From<String> for OwnedValue {
    fn from(value: String) -> Self {
        Self::String(value)
    }
}

/// A value that [`Point::with`](crate::Point::with) sets a field to: all that converts to a [`Value`], or a `String`
/// or an [`OwnedValue`], which move into it.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldValue<'a>(pub(crate) Kind<'a>);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind<'a> {
    Value(Value<'a>),
    Text(String),
}

impl<'a, T: Into<Value<'a>>> From<T> for FieldValue<'a> {
    #[inline(always)]
    fn from(value: T) -> Self {
        Self(Kind::Value(value.into()))
    }
}

impl From<String> for FieldValue<'_> {
    fn from(value: String) -> Self {
        Self(Kind::Text(value))
    }
}

impl From<OwnedValue> for FieldValue<'_> {
    fn from(value: OwnedValue) -> Self {
        match value {
            OwnedValue::Double(value) => value.into(),
            OwnedValue::Int(value) => value.into(),
            OwnedValue::String(value) => value.into(),
            OwnedValue::Bool(value) => value.into(),
        }
    }
}
