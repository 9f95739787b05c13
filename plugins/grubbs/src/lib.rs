//! Grubbs' test for one outlier in each batch.
//!
//! Source: F. E. Grubbs, *Sample criteria for testing outlying observations*, The Annals of Mathematical Statistics
//! 21, 1950.

mod statistic;
#[cfg(test)]
mod tests;

use algorithms::distributions::critical_deviation;
use algorithms::{Side, check_alpha, different_names, values_of};
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
        different_names(&[&*self.r#as, "critical", &self.flag])?;
        check_alpha(self.alpha)
    }

    fn batch(&self, _: &mut (), points: &Points<'_>, out: &mut Output) -> Result<()> {
        let values = values_of(points, &self.field);
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

register!(Grubbs);
