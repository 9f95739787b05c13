//! Takes a stream and returns each `size` points of a group as a batch.

use std::num::NonZeroUsize;

use kapacitor_guest::prelude::*;

#[derive(Options)]
struct Collect {
    size: NonZeroUsize,
}

impl Collect {
    fn send(points: &mut Vec<NewPoint>, like: &NewBatch, out: &mut Output) -> Result<()> {
        let mut batch = out.batch(like)?;
        points.drain(..).for_each(|point| batch.send(point));
        Ok(())
    }
}

impl Stream for Collect {
    type Group = (Vec<NewPoint>, NewBatch);

    const PROVIDES: Edge = Edge::Batch;

    fn point(&self, (points, like): &mut Self::Group, point: Point<'_>, out: &mut Output) -> Result<()> {
        points.push(point.into());
        *like = NewBatch::of(point);
        if points.len() == self.size.get() { Self::send(points, like, out) } else { Ok(()) }
    }

    fn finish(&self, groups: &mut Groups<Self::Group>, out: &mut Output) -> Result<()> {
        for (_, (points, like)) in groups.iter_mut().filter(|(_, (points, _))| !points.is_empty()) {
            Self::send(points, like, out)?;
        }
        Ok(())
    }
}

register!(Collect);
