//! Moving average of a field over the last `size` points of each group.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use kapacitor_guest::prelude::*;

/// The options: `.field(NAME)`, `.size(NUMBER)` and `.as(NAME)`.
#[derive(Options)]
pub struct MovingAvg {
    field: String,
    size: NonZeroUsize,
    #[option(default = "avg")]
    r#as: String,
}

/// The last values of one group.
#[derive(Default)]
pub struct Window {
    values: VecDeque<f64>,
    sum: f64,
    /// Number of values since the sum was last computed from all values.
    since: usize,
}

impl Window {
    /// Adds a value and returns the mean of the last `size` values.
    fn push(&mut self, value: f64, size: usize) -> f64 {
        self.values.push_back(value);
        self.sum += value;
        if self.values.len() > size {
            self.sum -= self.values.pop_front().unwrap_or_default();
        }
        self.since += 1;
        if self.since >= size {
            // Each addition and subtraction rounds, and an infinity never leaves the sum otherwise.
            self.sum = self.values.iter().sum();
            self.since = 0;
        }
        self.sum / self.values.len() as f64
    }
}

impl Stream for MovingAvg {
    type Group = Window;

    fn point(&self, window: &mut Window, point: Point<'_>, out: &mut Output) -> Result<()> {
        let mean = window.push(point.number(&self.field)?, self.size.get());
        out.send(point.with(&self.r#as, mean))
    }
}

register!(MovingAvg);

#[cfg(test)]
mod tests {
    use super::*;
    use kapacitor_guest::testing::{Harness, point};

    fn start(size: i64) -> Result<Harness<MovingAvg>> {
        Harness::start([("field", "value".into()), ("size", size.into()), ("as", "mean".into())])
    }

    fn mean(harness: &mut Harness<MovingAvg>, host: &str, value: impl Into<OwnedValue>) -> OwnedValue {
        let input = point().tag("host", host).group_by(&["host"]).field("value", value);
        let output = harness.point(&input).unwrap().remove(0);
        assert_eq!((&output.tags, &output.dimensions), (&input.tags, &input.dimensions));
        output.fields["mean"].clone()
    }

    #[test]
    fn averages_the_last_points_of_each_group() {
        let mut harness = start(3).unwrap();
        for (value, expected) in [(1.0, 1.0), (2.0, 1.5), (3.0, 2.0), (4.0, 3.0), (5.0, 4.0)] {
            assert_eq!(mean(&mut harness, "a", value), OwnedValue::Double(expected));
        }
        assert_eq!(mean(&mut harness, "b", 7), OwnedValue::Double(7.0));
    }

    #[test]
    fn recovers_from_an_infinity() {
        let mut harness = start(2).unwrap();
        for value in [1.0, f64::INFINITY, 1.0, 1.0, 1.0, 1.0] {
            mean(&mut harness, "a", value);
        }
        assert_eq!(mean(&mut harness, "a", 1.0), OwnedValue::Double(1.0));
    }

    #[test]
    fn skips_points_without_the_field() {
        let mut harness = start(3).unwrap();
        assert!(harness.point(&point().field("other", 1.0)).unwrap().is_empty());
        assert!(harness.point(&point().field("value", "text")).unwrap().is_empty());
        assert_eq!(mean(&mut harness, "a", 2.0), OwnedValue::Double(2.0));
    }

    #[test]
    fn refuses_a_window_of_nothing() {
        assert_eq!(start(0).err().unwrap().to_string(), "option `size`: must be at least 1, got 0");
    }
}
