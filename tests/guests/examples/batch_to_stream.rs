//! Takes batches and returns a stream of their last points.

use kapacitor_guest::prelude::*;

#[derive(Options)]
struct Last;

impl Batch for Last {
    type Group = ();

    const PROVIDES: Edge = Edge::Stream;

    fn batch(&self, _: &mut (), points: &Points<'_>, out: &mut Output) -> Result<()> {
        let count = points.len() as i64;
        points.iter().last().map_or(Ok(()), |point| out.send(point.with("count", count)))
    }
}

register!(Last);
