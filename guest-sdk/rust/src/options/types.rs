//! The types that the fields of an options struct can have.

use std::collections::BTreeMap;

use crate::options::metric_kind::{MetricCell, MetricKind};
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
/// Implement [`Scalar`] for a type of your own whose options have one value, such as one of several words. Implement
/// [`Occurrence`] for one with several values and rules for them. Both can then be used in `Option` and `Vec`. Implement
/// this trait only for a type that is read from all occurrences of an option together.
///
/// ```
/// use kapacitor_guest::options::{Occurrence, OptionValue, ValueType};
///
/// /// `.range(0.0, 1.0)`
/// struct Range(f64, f64);
///
/// impl Occurrence for Range {
///     const VALUES: &'static [ValueType] = <(f64, f64)>::VALUES;
///
///     fn from_values(values: &[OptionValue<'_>]) -> Result<Self, String> {
///         let (low, high) = Occurrence::from_values(values)?;
///         if low < high { Ok(Self(low, high)) } else { Err("the first must be the smaller one".to_owned()) }
///     }
/// }
/// ```
pub trait OptionType: Sized {
    /// The types of the option's values, in order. Empty for an option without values. Kapacitor refuses a TICKscript
    /// that gives others.
    const TYPES: &'static [ValueType];

    /// Whether a TICKscript can give it. [`Shared`](crate::Shared) is a field of the plugin and no option.
    #[doc(hidden)]
    const IS_OPTION: bool = true;

    /// What kind of metric it is, if it is one. [`Counter`](crate::Counter) and [`Gauge`](crate::Gauge) are fields of the
    /// plugin and no options.
    #[doc(hidden)]
    const METRIC: Option<MetricKind> = None;

    /// Reads the option from all its occurrences in the TICKscript. Each occurrence is the list of its
    /// values.
    ///
    /// # Errors
    ///
    /// A message that names the expected values. The name of the option is put in front of it.
    fn read(occurrences: &[&[OptionValue<'_>]]) -> Result<Self, String>;

    /// Where the value of the metric is, if it is one.
    #[doc(hidden)]
    fn metric_cell(&self) -> Option<MetricCell> {
        None
    }
}

/// A type that is read from one occurrence of an option: a [`Scalar`], or a tuple of up to four of them. It,
/// `Option` and `Vec` of it are [`OptionType`]s.
pub trait Occurrence: Sized {
    /// The types of the values, in order.
    const VALUES: &'static [ValueType];

    /// Reads the values.
    ///
    /// # Errors
    ///
    /// A message that names the expected values.
    fn from_values(values: &[OptionValue<'_>]) -> Result<Self, String>;
}

/// A type that one value of an option can have.
///
/// ```
/// use kapacitor_guest::options::{OptionValue, Scalar, ValueType};
///
/// /// `.direction('up')` or `.direction('down')`
/// enum Direction { Up, Down }
///
/// impl Scalar for Direction {
///     const TYPE: ValueType = ValueType::String;
///
///     fn convert(value: &OptionValue<'_>) -> Option<Result<Self, String>> {
///         match value {
///             OptionValue::String("up") => Some(Ok(Self::Up)),
///             OptionValue::String("down") => Some(Ok(Self::Down)),
///             OptionValue::String(other) => Some(Err(format!("must be `up` or `down`, got `{other}`"))),
///             _ => None,
///         }
///     }
/// }
/// ```
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

fn scalar<T: Scalar>(value: &OptionValue<'_>) -> Result<T, String> {
    let expected = T::TYPE.name();
    T::convert(value).unwrap_or_else(|| Err(format!("expected {expected}, got {}", value.type_name())))
}

impl<T: Scalar> Occurrence for T {
    const VALUES: &'static [ValueType] = &[T::TYPE];

    fn from_values(values: &[OptionValue<'_>]) -> Result<Self, String> {
        match values {
            [value] => scalar(value),
            _ => Err(format!("expected one {}, got {} values", T::TYPE.name(), values.len())),
        }
    }
}

macro_rules! tuples {
    ($($count:literal: $($ty:ident $value:ident $place:literal),*;)*) => {$(
        impl<$($ty: Scalar),*> Occurrence for ($($ty,)*) {
            const VALUES: &'static [ValueType] = &[$($ty::TYPE),*];

            fn from_values(values: &[OptionValue<'_>]) -> Result<Self, String> {
                let [$($value),*] = values else {
                    let expected = names(Self::VALUES);
                    return Err(format!("expected {} values ({expected}), got {}", $count, values.len()));
                };
                let placed = |problem, place| format!("value {place}: {problem}");
                Ok(($(scalar::<$ty>($value).map_err(|problem| placed(problem, $place))?,)*))
            }
        }
    )*};
}

tuples! {
    2: A a 1, B b 2;
    3: A a 1, B b 2, C c 3;
    4: A a 1, B b 2, C c 3, D d 4;
}

/// The names of types, as a text.
fn names(types: &[ValueType]) -> String {
    types.iter().map(|ty| ty.name()).collect::<Vec<_>>().join(", ")
}

/// Must be given, once.
impl<T: Occurrence> OptionType for T {
    const TYPES: &'static [ValueType] = T::VALUES;

    fn read(occurrences: &[&[OptionValue<'_>]]) -> Result<Self, String> {
        match occurrences {
            [values] => T::from_values(values),
            [] => Err(format!("missing, expected {}", names(T::VALUES))),
            _ => Err(format!("given {} times, expected once", occurrences.len())),
        }
    }
}

/// May be given once.
impl<T: Occurrence> OptionType for Option<T> {
    const TYPES: &'static [ValueType] = T::VALUES;

    fn read(occurrences: &[&[OptionValue<'_>]]) -> Result<Self, String> {
        if occurrences.is_empty() { Ok(None) } else { OptionType::read(occurrences).map(Some) }
    }
}

/// May be given any number of times, in the order of the TICKscript.
impl<T: Occurrence> OptionType for Vec<T> {
    const TYPES: &'static [ValueType] = T::VALUES;

    fn read(occurrences: &[&[OptionValue<'_>]]) -> Result<Self, String> {
        occurrences.iter().map(|values| T::from_values(values)).collect()
    }
}

/// May be given any number of times with a key and a value, once for each key.
impl<K: Scalar + Ord, V: Scalar> OptionType for BTreeMap<K, V> {
    const TYPES: &'static [ValueType] = <(K, V)>::VALUES;

    fn read(occurrences: &[&[OptionValue<'_>]]) -> Result<Self, String> {
        let mut map = Self::new();
        for values in occurrences {
            let (key, value) = Occurrence::from_values(values)?;
            if map.insert(key, value).is_some() {
                return Err(format!("the key {} is given twice", values[0]));
            }
        }
        Ok(map)
    }
}

/// May be given any number of times, without values.
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
