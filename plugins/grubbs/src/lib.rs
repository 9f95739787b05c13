//! Grubbs' test for one outlier in each batch.
//!
//! Source: F. E. Grubbs, *Sample criteria for testing outlying observations*, The Annals of Mathematical Statistics 21, 1950.

mod statistic;
#[cfg(test)]
mod tests;

use algorithms::distributions::critical_deviation;
use algorithms::{Side, check_alpha};
use kapacitor_guest::prelude::*;

/// The options: `.field(NAME)`, `.alpha(NUMBER)`, `.side(WORD)`, `.as(NAME)` and `.flag(NAME)`.
#[derive(Options)]
pub struct Grubbs {
    field: FieldName,
    #[option(default = 0.05)]
    alpha: f64,
    #[option(default = Side::Both)]
    side: Side,
    #[option(default = "score")]
    r#as: FieldName,
    #[option(default = "anomaly")]
    flag: FieldName,
}

impl Batch for Grubbs {
    type Group = ();

    fn check(&self) -> Result<()> {
        check_alpha(self.alpha)
    }

    fn batch(&self, _: &mut (), points: &Points<'_>, out: &mut Output) -> Result<()> {
        // Only the number of each point is kept, or NaN: 8 bytes for each.
        let values: Vec<f64> = points.iter().map(|point| number(point, &self.field)).collect();
        let mut batch = out.batch(points)?;
        if let Some(furthest) = statistic::furthest(&values, self.side)
            && let Some(critical) = self.critical(furthest.count)
            && furthest.score > critical
            && let Some(point) = points.iter().nth(furthest.place)
        {
            let point = point.with(&self.r#as, furthest.score).with("critical", critical);
            batch.send(point.with(&self.flag, true));
        }
        Ok(())
    }
}

impl Grubbs {
    /// The score above which a value is an outlier; `None` for fewer than three values.
    fn critical(&self, count: usize) -> Option<f64> {
        critical_deviation(count, self.alpha / self.side.count() / count as f64)
    }
}

/// The field of a point if it is a finite number, or NaN.
fn number(point: Point<'_>, field: &str) -> f64 {
    let value = point.field(field).and_then(|value| value.as_number());
    value.filter(|value| value.is_finite()).unwrap_or(f64::NAN)
}

register!(Grubbs);
