//! Steps from one number of a series to the next.

use std::time::Duration;

use kapacitor_guest::prelude::*;

use crate::{FieldNames, Place};

/// Number of points in a row that must be late before a series begins anew.
const BELIEVED: u32 = 8;

/// A finite number of a field, with all digits: an int above 2^53 is no double.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// InfluxDB's `integer`.
    Int(i64),
    /// InfluxDB's `float`.
    Double(f64),
}

impl Number {
    /// The field of a point; `None` if it is no finite number.
    pub fn of(point: Point<'_>, field: &str) -> Option<Self> {
        match point.field(field)? {
            Value::Int(value) => Some(Self::Int(value)),
            Value::Double(value) if value.is_finite() => Some(Self::Double(value)),
            _ => None,
        }
    }

    /// The fields of a point that are finite numbers, like [`FieldNames::numbers`].
    ///
    /// # Errors
    ///
    /// A skip if the point has none.
    pub fn all_of<'a>(
        fields: &'a FieldNames,
        point: Point<'a>,
    ) -> Result<impl Iterator<Item = (Place, Self)> + 'a> {
        let names = fields.placed();
        let mut numbers =
            names.filter_map(move |(place, name)| Some((place, Self::of(point, name)?))).peekable();
        if numbers.peek().is_none() {
            // Says why there is none.
            fields.numbers(point).map(drop)?;
        }
        Ok(numbers)
    }

    /// The nearest double.
    pub fn as_double(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Double(value) => value,
        }
    }

    /// This number less another one; of two ints exactly, and then rounded once.
    ///
    /// ```
    /// use algorithms::Number;
    ///
    /// let large = 1 << 60;
    /// assert_eq!(Number::Int(large + 1).minus(Number::Int(large)), 1.0);
    /// ```
    pub fn minus(self, other: Self) -> f64 {
        match (self, other) {
            (Self::Int(value), Self::Int(other)) => (i128::from(value) - i128::from(other)) as f64,
            _ => self.as_double() - other.as_double(),
        }
    }
}

/// A step from one number to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The number before.
    pub from: Number,
    /// The number that came.
    pub to: Number,
    /// The time in between, in nanoseconds; more than 0.
    pub nanoseconds: u64,
}

impl Step {
    /// What a change in the time of this step is for each `unit`, which must not be 0; `None` if it is beyond
    /// [`f64::MAX`].
    pub fn per(&self, unit: Duration, change: f64) -> Option<f64> {
        let rate = change / (self.nanoseconds as f64 / unit.as_nanos() as f64);
        rate.is_finite().then_some(rate)
    }
}

/// The newest number of a series, to which the next one is compared.
///
/// A number whose time is that of the newest one, or before it, is left out. After eight in a row that are before it
/// the series begins anew with the eighth, since then a wrong time in the future came before.
///
/// ```
/// use algorithms::{Number, Steps};
///
/// let mut steps = Steps::default();
/// assert_eq!(steps.next(1_000, Number::Int(5)), None);
/// let step = steps.next(3_000, Number::Int(9)).unwrap();
/// assert_eq!((step.to.minus(step.from), step.nanoseconds), (4.0, 2_000));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Steps {
    newest: Option<(i64, Number)>,
    /// Number of numbers in a row that were late.
    late: u32,
}

impl Steps {
    /// Takes the next number, with its time in nanoseconds since 1970; returns the step to it, if there is one.
    pub fn next(&mut self, time: i64, number: Number) -> Option<Step> {
        let Some((before, from)) = self.newest else {
            self.newest = Some((time, number));
            return None;
        };
        if time > before {
            *self = Self { newest: Some((time, number)), late: 0 };
            return Some(Step { from, to: number, nanoseconds: time.abs_diff(before) });
        }
        if time < before {
            self.late += 1;
        }
        if self.late == BELIEVED {
            *self = Self { newest: Some((time, number)), late: 0 };
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_of_ints_are_exact() {
        for (value, other) in [(i64::MAX, i64::MAX - 1), (i64::MIN + 1, i64::MIN), ((1 << 53) + 1, 1 << 53)] {
            assert_eq!(Number::Int(value).minus(Number::Int(other)), 1.0);
        }
        assert_eq!(Number::Int(i64::MAX).minus(Number::Int(i64::MIN)), 2_f64.powi(64));
        assert_eq!(Number::Int(3).minus(Number::Double(0.5)), 2.5);
    }

    #[test]
    fn late_numbers_are_left_out_until_there_are_eight() {
        let mut steps = Steps::default();
        assert_eq!(steps.next(i64::MAX, Number::Int(1)), None);
        for number in 0..7 {
            assert_eq!(steps.next(number, Number::Int(number)), None);
        }
        assert_eq!(steps.next(i64::MAX, Number::Int(5)), None, "at the same time, which is not late");
        assert_eq!(steps.next(10, Number::Int(10)), None);
        let step = Step { from: Number::Int(10), to: Number::Int(12), nanoseconds: 5 };
        assert_eq!(steps.next(15, Number::Int(12)), Some(step));
    }

    #[test]
    fn late_numbers_between_others_are_forgotten() {
        let mut steps = Steps::default();
        steps.next(100, Number::Int(0));
        for time in 101..120 {
            assert_eq!(steps.next(5, Number::Int(7)), None);
            assert_eq!(steps.next(time, Number::Int(time)).map(|step| step.nanoseconds), Some(1));
        }
    }

    #[test]
    fn steps_over_all_of_time_have_a_length() {
        let mut steps = Steps::default();
        steps.next(i64::MIN, Number::Double(0.0));
        let step = steps.next(i64::MAX, Number::Double(1.0)).unwrap();
        assert_eq!(step.nanoseconds, u64::MAX);
        assert_eq!(step.per(Duration::from_nanos(1), f64::MAX), Some(f64::MAX / 2_f64.powi(64)));
        assert_eq!(step.per(Duration::MAX, f64::MAX), None);
    }
}
