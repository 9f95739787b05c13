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

value_from!(f64 => Double, f32 => Double, i64 => Int, i32 => Int, u32 => Int, bool => Bool);

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::String(value)
    }
}

/// For counts, such as [`Points::len`](crate::Points::len).
impl From<usize> for Value<'_> {
    fn from(value: usize) -> Self {
        Self::Int(value as i64)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Self::String(value)
    }
}

/// A value that owns its string, as the fields of a [`NewPoint`](crate::NewPoint) do.
#[derive(Clone, Debug, PartialEq)]
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
