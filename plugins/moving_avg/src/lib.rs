//! Moving average of a field over the last `size` points of each group.
//!
//! How it is computed: see `kapacitor_guest::statistics::MovingAverage`. A NaN or an infinity is treated like an
//! absent field.

use std::num::NonZeroUsize;

use kapacitor_guest::prelude::*;
use kapacitor_guest::statistics::MovingAverage;

/// The options: `.field(NAME)`, `.size(NUMBER)` and `.as(NAME)`.
#[derive(Options)]
pub struct MovingAvg {
    field: FieldName,
    size: NonZeroUsize,
    #[option(default = "avg")]
    r#as: FieldName,
}

impl Stream for MovingAvg {
    type Group = MovingAverage;

    fn point(&self, average: &mut MovingAverage, point: Point<'_>, out: &mut Output) -> Result<()> {
        let mean = average.push(point.number(&self.field)?, self.size);
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
    fn what_has_left_the_window_has_no_effect() {
        for spike in [f64::MAX, f64::MIN, 1e16] {
            let mut harness = start(2).unwrap();
            for (number, value) in [1.0, 1.0, spike, 5.5, 5.5, 5.5].into_iter().enumerate() {
                let mean = mean(&mut harness, "a", value);
                assert!(number < 4 || mean == OwnedValue::Double(5.5), "{spike}: {mean:?}");
            }
        }
    }

    #[test]
    fn numbers_that_are_not_finite_are_no_numbers() {
        let mut harness = start(2).unwrap();
        assert_eq!(mean(&mut harness, "a", 1.0), OwnedValue::Double(1.0));
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let input = point().tag("host", "a").group_by(&["host"]).field("value", value);
            assert!(harness.point(&input).unwrap().is_empty());
        }
        assert_eq!(mean(&mut harness, "a", 2.0), OwnedValue::Double(1.5));
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
