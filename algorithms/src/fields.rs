//! The option `field` of plugins that treat several fields alike, each by itself.

use std::borrow::Cow;

use kapacitor_guest::options::{OptionType, OptionValue, Scalar, ValueType};
use kapacitor_guest::prelude::*;

/// The most fields that a task may name: more are a mistake, and each of them takes memory in each group.
const MOST: usize = 100;

/// The fields that a plugin looks at: `.field('usage_user')`, which may be given several times with different names.
///
/// ```
/// use algorithms::{FieldNames, PerField};
/// use kapacitor_guest::prelude::*;
/// use kapacitor_guest::testing::{Harness, point};
///
/// /// Adds the sum so far.
/// #[derive(Options)]
/// struct Sum {
///     field: FieldNames,
///     #[option(default = "sum")]
///     r#as: FieldName,
/// }
///
/// impl Stream for Sum {
///     type Group = PerField<f64>;
///
///     fn point(&self, sums: &mut PerField<f64>, point: Point<'_>, out: &mut Output) -> Result<()> {
///         let mut edited = point.edit();
///         for (index, value) in self.field.numbers(point)? {
///             let sum = sums.of(index);
///             *sum += value;
///             edited = edited.with(self.field.result(index, &self.r#as), *sum);
///         }
///         out.send(edited)
///     }
/// }
///
/// register!(Sum);
///
/// let mut one = Harness::<Sum>::start([("field", "a".into())]).unwrap();
/// assert_eq!(one.point(&point().field("a", 2)).unwrap()[0].number("sum").unwrap(), 2.0);
/// let mut two = Harness::<Sum>::start([("field", "a".into()), ("field", "b".into())]).unwrap();
/// assert_eq!(two.point(&point().field("b", 3)).unwrap()[0].number("b_sum").unwrap(), 3.0);
/// ```
#[derive(Clone, Debug)]
pub struct FieldNames(Vec<FieldName>);

impl FieldNames {
    /// The names, at least one.
    pub fn names(&self) -> &[FieldName] {
        &self.0
    }

    /// The fields of a point that are finite numbers, in the order of the options: the place of each among the names, and
    /// its value.
    ///
    /// # Errors
    ///
    /// A skip if the point has none.
    #[inline]
    pub fn numbers<'a>(&'a self, point: Point<'a>) -> Result<impl Iterator<Item = (usize, f64)> + 'a> {
        let (first, others) = match &self.0[..] {
            [only] => (Some((0, point.number(only)?)), &[][..]),
            names => {
                if !names.iter().any(|name| finite(point, name).is_some()) {
                    return Err(none_of(names, point));
                }
                (None, names)
            }
        };
        let others = others.iter().enumerate();
        Ok(first
            .into_iter()
            .chain(others.filter_map(move |(index, name)| Some((index, finite(point, name)?)))))
    }

    /// The name of a result for the field at this place: `name` if there is only one field, `FIELD_name` if there are
    /// several.
    #[inline]
    pub fn result<'a>(&self, index: usize, name: &'a str) -> Cow<'a, str> {
        match &self.0[..] {
            [_] => Cow::Borrowed(name),
            // Faster than `format!`.
            names => Cow::Owned([&names[index], "_", name].concat()),
        }
    }
}

/// The field of a point, if it is a finite number.
pub(crate) fn finite(point: Point<'_>, name: &str) -> Option<f64> {
    point.field(name)?.as_number().filter(|value| value.is_finite())
}

/// Says that a point has none of the fields.
#[cold]
fn none_of(names: &[FieldName], point: Point<'_>) -> Error {
    let reasons = names.iter().filter_map(|name| point.number(name).err()).map(|e| e.to_string());
    Error::skip(reasons.collect::<Vec<_>>().join("; "))
}

impl OptionType for FieldNames {
    const TYPES: &'static [ValueType] = &[FieldName::TYPE];

    fn read(occurrences: &[&[OptionValue<'_>]]) -> std::result::Result<Self, String> {
        let names: Vec<FieldName> = OptionType::read(occurrences)?;
        let twice = names.iter().enumerate().find(|(index, name)| names[..*index].contains(name));
        if names.is_empty() {
            Err("missing, expected string".to_owned())
        } else if let Some((_, name)) = twice {
            Err(format!("`{name}` is given twice"))
        } else if names.len() > MOST {
            Err(format!("given {} times, expected at most {MOST}", names.len()))
        } else {
            Ok(Self(names))
        }
    }
}

/// A state for each of the [`FieldNames`] of a group, made when the field's first value comes.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PerField<T>(Vec<T>);

impl<T> Default for PerField<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Default> PerField<T> {
    /// The state of the field at this place.
    #[inline]
    pub fn of(&mut self, index: usize) -> &mut T {
        if index >= self.0.len() {
            self.grow(index);
        }
        &mut self.0[index]
    }

    #[cold]
    fn grow(&mut self, index: usize) {
        self.0.reserve_exact(index + 1 - self.0.len());
        self.0.resize_with(index + 1, T::default);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kapacitor_guest::testing::{Harness, point};

    #[derive(Options)]
    struct Copy {
        field: FieldNames,
    }

    impl Stream for Copy {
        type Group = PerField<f64>;

        fn point(&self, last: &mut PerField<f64>, point: Point<'_>, out: &mut Output) -> Result<()> {
            let mut edited = point.edit();
            for (index, value) in self.field.numbers(point)? {
                *last.of(index) = value;
                edited = edited.with(self.field.result(index, "copy"), *last.of(index));
            }
            out.send(edited)
        }
    }

    register!(Copy);

    fn start(names: &[&'static str]) -> Result<Harness<Copy>> {
        Harness::start(names.iter().map(|name| ("field", (*name).into())))
    }

    #[test]
    fn fields_that_a_point_lacks_are_left_out() {
        let mut harness = start(&["a", "b", "c"]).unwrap();
        let sent = harness.point(&point().field("c", 3).field("b", f64::NAN).field("a", 1.5)).unwrap();
        assert_eq!(sent[0].number("a_copy").unwrap(), 1.5);
        assert_eq!(sent[0].number("c_copy").unwrap(), 3.0);
        assert!(!sent[0].fields.contains_key("b_copy"));
    }

    #[test]
    fn points_without_any_of_the_fields_are_skipped() {
        let mut harness = start(&["a", "b"]).unwrap();
        assert!(harness.point(&point().field("c", 3).field("b", f64::INFINITY)).unwrap().is_empty());
        assert!(start(&["a"]).unwrap().point(&point().field("c", 3)).unwrap().is_empty());
        let skips = harness.skips();
        assert!(skips[0].contains("no field `a`") && skips[0].contains("`b`"), "{skips:?}");
    }

    #[test]
    fn names_are_given_and_differ() {
        for (names, expected) in [
            (&[][..], "option `field`: missing, expected string"),
            (&["a", "b", "a"], "option `field`: `a` is given twice"),
            (
                &["time"],
                "option `field`: must not be `time`, which InfluxDB uses for the time of a point, got \"time\"",
            ),
        ] {
            assert_eq!(start(names).unwrap_err().to_string(), expected);
        }
    }
}
