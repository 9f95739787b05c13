//! Adds to each point the range in which it was expected: around the running mean of its group.

use kapacitor_guest::prelude::*;

/// The options. A TICKscript gives them as `.field('usage_user').size(30).factor(4.0)`.
#[derive(Options)]
pub struct PluginName {
    /// Field that is watched: a number.
    field: FieldName,
    /// Number of points that the mean looks back on, at least 1.
    #[option(default = 30)]
    size: u32,
    /// How many times as far from the mean as usual a point is still expected.
    #[option(default = 4.0)]
    factor: f64,
}

/// What is usual in a group: its state, which the host saves and restores.
#[derive(Default)]
pub struct Usual {
    /// Number of points so far; it is not counted beyond `size`.
    points: u32,
    /// Running mean of the field.
    mean: f64,
    /// Running mean of the distance between a point and the mean before it.
    distance: f64,
}

impl Stream for PluginName {
    type Group = Usual;

    /// Rules for options that their types don't express.
    fn check(&self) -> Result<()> {
        if self.size == 0 {
            return Err("option `size`: must be at least 1".into());
        }
        if self.factor <= 0.0 || !self.factor.is_finite() {
            return Err(
                format!("option `factor`: must be more than 0, got {}", self.factor).into(),
            );
        }
        Ok(())
    }

    /// Called with each point, and the state of its group.
    fn point(&self, usual: &mut Usual, point: Point<'_>, out: &mut Output) -> Result<()> {
        let value = point.number(&self.field)?;
        if usual.points == 0 {
            usual.mean = value;
        }
        let distance = (value - usual.mean).abs();
        if !distance.is_finite() {
            return Err(Error::skip(format!("field `{}` is not finite", self.field)));
        }
        // The first points of a group only tell what is usual, and are not passed on.
        if usual.points == self.size {
            let margin = self.factor * usual.distance;
            out.send(
                point
                    .with("low", usual.mean - margin)
                    .with("high", usual.mean + margin),
            )?;
        }

        // The mean of all points at first, and of about the last `size` points later: each new point has the weight
        // 1/size, and the older a point is, the less it weighs.
        usual.points = (usual.points + 1).min(self.size);
        let weight = 1.0 / f64::from(usual.points);
        usual.mean += weight * (value - usual.mean);
        usual.distance += weight * (distance - usual.distance);
        Ok(())
    }
}

register!(PluginName);

#[cfg(test)]
mod tests {
    use super::*;
    use kapacitor_guest::testing::{Harness, point};

    fn start(size: i64, factor: f64) -> Result<Harness<PluginName>> {
        Harness::start([
            ("field", "value".into()),
            ("size", size.into()),
            ("factor", factor.into()),
        ])
    }

    /// The range that comes out with the point: `low` and `high`.
    fn range(harness: &mut Harness<PluginName>, host: &str, value: f64) -> Option<(f64, f64)> {
        let input = point()
            .tag("host", host)
            .group_by(&["host"])
            .field("value", value);
        let output = harness.point(&input).unwrap().pop()?;
        let number = |name: &str| output.fields[name].as_value().as_number();
        Some((number("low")?, number("high")?))
    }

    #[test]
    fn range_is_around_the_mean() {
        let mut harness = start(4, 3.0).unwrap();
        for value in [10.0, 12.0, 10.0, 12.0] {
            assert_eq!(range(&mut harness, "a", value), None);
        }
        // The distances are 0, 2, 1 and 4/3, and their mean is 13/12.
        let (low, high) = range(&mut harness, "a", 99.0).unwrap();
        assert!(
            (low - 7.75).abs() < 1e-9 && (high - 14.25).abs() < 1e-9,
            "{low} {high}"
        );
    }

    #[test]
    fn each_group_has_its_own_range() {
        let mut harness = start(1, 3.0).unwrap();
        for (host, value) in [("a", 1.0), ("b", 100.0)] {
            assert_eq!(range(&mut harness, host, value), None);
        }
        assert_eq!(range(&mut harness, "a", 1.0), Some((1.0, 1.0)));
        assert_eq!(range(&mut harness, "b", 100.0), Some((100.0, 100.0)));
    }

    #[test]
    fn points_without_a_finite_number_leave_the_state_alone() {
        let mut harness = start(1, 3.0).unwrap();
        for value in [f64::NAN, f64::INFINITY] {
            assert_eq!(range(&mut harness, "a", value), None);
        }
        assert!(
            harness
                .point(&point().field("value", "text"))
                .unwrap()
                .is_empty()
        );
        assert_eq!(range(&mut harness, "a", 5.0), None);
        assert_eq!(range(&mut harness, "a", 9.0), Some((5.0, 5.0)));
    }

    #[test]
    fn wrong_options_are_refused() {
        let error = |size, factor| start(size, factor).unwrap_err().to_string();
        assert_eq!(error(0, 3.0), "option `size`: must be at least 1");
        assert_eq!(
            error(4, -1.0),
            "option `factor`: must be more than 0, got -1"
        );
    }
}
