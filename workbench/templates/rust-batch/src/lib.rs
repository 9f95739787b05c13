//! Sums up each batch of a group in one point: mean, least, greatest, and the change since the batch before.

use kapacitor_guest::prelude::*;

/// The options. A TICKscript gives them as `.field('usage_user').points(5)`.
#[derive(Options)]
pub struct PluginName {
    /// Field that is summed up: a number.
    field: FieldName,
    /// Number of points with the field that a batch must have, at least 1. Other batches are skipped.
    #[option(default = 1)]
    points: usize,
}

/// The state of a group, which the host saves and restores.
#[derive(Default)]
pub struct Before {
    /// Mean of the batch before.
    mean: Option<f64>,
}

impl Batch for PluginName {
    type Group = Before;

    /// The plugin sends points, and no batches.
    const PROVIDES: Edge = Edge::Stream;

    /// Rules for options that their types don't express.
    fn check(&self) -> Result<()> {
        if self.points == 0 {
            Err("option `points`: must be at least 1".into())
        } else {
            Ok(())
        }
    }

    /// Called with each batch, and the state of its group.
    fn batch(&self, before: &mut Before, points: &Points<'_>, out: &mut Output) -> Result<()> {
        let (mut count, mut mean) = (0, 0.0);
        let (mut least, mut greatest) = (f64::INFINITY, f64::NEG_INFINITY);
        for point in points {
            // A point without the field, or with another type or a NaN in it, does not count.
            let Some(value) = point.field(&self.field).and_then(|value| value.as_number()) else {
                continue;
            };
            if !value.is_finite() {
                continue;
            }
            count += 1;
            mean += (value - mean) / count as f64;
            least = least.min(value);
            greatest = greatest.max(value);
        }
        if count < self.points {
            return Err(Error::skip(format!(
                "a batch has {count} points with field `{}`",
                self.field
            )));
        }
        // Measurement, tags and group are those of the batch, and the time is its end.
        let mut summary = NewPoint::like(points)
            .field("mean", mean)
            .field("least", least)
            .field("greatest", greatest);
        if let Some(last) = before.mean.replace(mean) {
            summary = summary.field("change", mean - last);
        }
        out.send(summary)
    }
}

register!(PluginName);

#[cfg(test)]
mod tests {
    use super::*;
    use kapacitor_guest::testing::{Harness, point};

    fn start(points: i64) -> Result<Harness<PluginName>> {
        Harness::start([("field", "value".into()), ("points", points.into())])
    }

    /// The fields of the summary that comes out, if the batch is not skipped.
    fn summary(
        harness: &mut Harness<PluginName>,
        host: &str,
        values: &[f64],
    ) -> Option<Vec<(String, f64)>> {
        let batch = NewBatch::new("cpu").tag("host", host).at(9);
        let points: Vec<_> = values
            .iter()
            .map(|value| point().field("value", *value))
            .collect();
        let (_, mut out) = harness.batch(&batch, &points).unwrap().pop()?;
        let summary = out.pop()?;
        assert_eq!((summary.time, summary.tags["host"].as_str()), (9, host));
        let number =
            |(name, value): (String, OwnedValue)| Some((name, value.as_value().as_number()?));
        summary.fields.into_iter().map(number).collect()
    }

    fn fields(fields: &[(&str, f64)]) -> Option<Vec<(String, f64)>> {
        Some(
            fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect(),
        )
    }

    #[test]
    fn each_batch_becomes_one_point() {
        let mut harness = start(1).unwrap();
        let first = summary(&mut harness, "a", &[1.0, 2.0, 6.0]);
        assert_eq!(
            first,
            fields(&[("greatest", 6.0), ("least", 1.0), ("mean", 3.0)])
        );
    }

    #[test]
    fn change_is_that_of_the_group() {
        let mut harness = start(1).unwrap();
        for (host, value) in [("a", 10.0), ("b", 50.0)] {
            assert!(summary(&mut harness, host, &[value]).is_some());
        }
        let second = summary(&mut harness, "a", &[12.0]);
        assert_eq!(
            second,
            fields(&[
                ("change", 2.0),
                ("greatest", 12.0),
                ("least", 12.0),
                ("mean", 12.0)
            ])
        );
    }

    #[test]
    fn batches_with_few_numbers_are_skipped() {
        let mut harness = start(2).unwrap();
        for values in [&[][..], &[1.0], &[1.0, f64::NAN, f64::INFINITY]] {
            assert_eq!(summary(&mut harness, "a", values), None);
        }
        assert!(summary(&mut harness, "a", &[1.0, 2.0]).is_some());
    }

    #[test]
    fn wrong_options_are_refused() {
        assert_eq!(
            start(0).unwrap_err().to_string(),
            "option `points`: must be at least 1"
        );
    }
}
