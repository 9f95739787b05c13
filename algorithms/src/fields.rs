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
///         for (place, value) in self.field.numbers(point)? {
///             let sum = sums.of(place);
///             *sum += value;
///             edited = edited.with(self.field.result(place, &self.r#as), *sum);
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
pub struct FieldNames {
    names: Vec<FieldName>,
    /// That of each name, in the same order.
    places: Vec<Place>,
}

/// The place of a field among the [`FieldNames`] of a task.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    index: usize,
    /// A hash of the name: a task that goes on from a snapshot may name its fields in another order.
    name: u64,
}

impl FieldNames {
    /// The names, at least one.
    pub fn names(&self) -> &[FieldName] {
        &self.names
    }

    /// The names, each with its place.
    pub fn placed(&self) -> impl Iterator<Item = (Place, &FieldName)> {
        self.places.iter().copied().zip(&self.names)
    }

    /// The fields of a point that are finite numbers, in the order of the options: the place of each among the names, and
    /// its value.
    ///
    /// # Errors
    ///
    /// A skip if the point has none.
    #[inline]
    pub fn numbers<'a>(&'a self, point: Point<'a>) -> Result<impl Iterator<Item = (Place, f64)> + 'a> {
        let (first, others) = match &self.names[..] {
            [only] => (Some((self.places[0], point.number(only)?)), 0),
            names => {
                if !names.iter().any(|name| finite(point, name).is_some()) {
                    return Err(none_of(names, point));
                }
                (None, names.len())
            }
        };
        let others = self.placed().take(others);
        let others = others.filter_map(move |(place, name)| Some((place, finite(point, name)?)));
        Ok(first.into_iter().chain(others))
    }

    /// The name of a result for the field at this place: `name` if there is only one field, `FIELD_name` if there are
    /// several.
    #[inline]
    pub fn result<'a>(&self, place: Place, name: &'a str) -> Cow<'a, str> {
        match &self.names[..] {
            [_] => Cow::Borrowed(name),
            // Faster than `format!`.
            names => Cow::Owned([&names[place.index], "_", name].concat()),
        }
    }
}

/// The field of a point, if it is a finite number.
pub fn finite(point: Point<'_>, name: &str) -> Option<f64> {
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
            let places =
                names.iter().enumerate().map(|(index, name)| Place { index, name: hash(name) }).collect();
            Ok(Self { names, places })
        }
    }
}

/// A hash of a name, the same in each version of a plugin: 64-bit FNV-1a, G. Fowler, L. C. Noll and K.-P. Vo, 1991.
fn hash(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A state for each of the [`FieldNames`] of a group, made when the field's first value comes.
///
/// A state belongs to the name of its field: where a snapshot is restored with the fields in another order, or with
/// others, each has its own.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PerField<T>(Vec<(u64, T)>);

impl<T> Default for PerField<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Default> PerField<T> {
    /// The state of the field at this place.
    #[inline]
    pub fn of(&mut self, place: Place) -> &mut T {
        let index = match self.0.get(place.index) {
            Some((name, _)) if *name == place.name => place.index,
            _ => self.find(place),
        };
        &mut self.0[index].1
    }

    /// Where the state of a field is that is not at its place; it is made if it is not there.
    #[cold]
    fn find(&mut self, place: Place) -> usize {
        let found = self.0.iter().position(|(name, _)| *name == place.name);
        let found = found.unwrap_or_else(|| {
            // Those of fields that the task does not name any more go first: the others are put in front of them.
            self.0.truncate(MOST - 1);
            self.0.reserve_exact(1);
            self.0.push((place.name, T::default()));
            self.0.len() - 1
        });
        if place.index < self.0.len() {
            self.0.swap(found, place.index);
            place.index
        } else {
            found
        }
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
            for (place, value) in self.field.numbers(point)? {
                *last.of(place) = value;
                edited = edited.with(self.field.result(place, "copy"), *last.of(place));
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
    fn state_belongs_to_the_name_of_its_field() {
        let places = |names: &[&str]| -> Vec<Place> {
            let place = |(index, name): (usize, &&str)| Place { index, name: hash(name) };
            names.iter().enumerate().map(place).collect()
        };
        let mut states = PerField::<u32>::default();
        for (number, place) in (1..).zip(places(&["a", "b", "c"])) {
            *states.of(place) = number;
        }
        for (names, expected) in [
            (&["c", "a", "b"][..], &[3, 1, 2][..]),
            (&["b"], &[2]),
            (&["d", "c", "b", "e", "a"], &[0, 3, 2, 0, 1]),
        ] {
            for _ in 0..2 {
                let found: Vec<u32> = places(names).into_iter().map(|place| *states.of(place)).collect();
                assert_eq!(found, expected, "{names:?}");
            }
        }
        assert_eq!(states.0.len(), 5);
        // Whatever the task names from snapshot to snapshot, the state does not grow for ever.
        for number in 0..1000 {
            let name = format!("f{number}");
            *states.of(places(&["a", &name])[0]) += 1;
            *states.of(places(&["a", &name])[1]) = number;
        }
        assert_eq!((*states.of(places(&["a"])[0]), states.0.len()), (1001, MOST));
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
