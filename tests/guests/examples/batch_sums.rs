//! Returns one point for each batch: the sum of all values of its group up to then.

use kapacitor_guest::prelude::*;

#[derive(Options)]
struct Sums {}

impl Batch for Sums {
    type Group = f64;

    fn batch(&self, sum: &mut f64, points: &Points<'_>, out: &mut Output) -> Result<()> {
        for point in points {
            *sum += point.number("value")?;
        }
        out.batch(points)?.send(NewPoint::like(points).field("sum", *sum));
        Ok(())
    }
}

register!(Sums);
