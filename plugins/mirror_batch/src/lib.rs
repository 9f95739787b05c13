//! Passes every batch on as it is.

use kapacitor_guest::prelude::*;

/// The options, of which there are none.
#[derive(Options)]
pub struct MirrorBatch;

impl Batch for MirrorBatch {
    type Group = ();

    fn batch(&self, _: &mut (), points: &Points<'_>, out: &mut Output) -> Result<()> {
        let mut batch = out.batch(points)?;
        points.iter().for_each(|point| batch.send(point));
        Ok(())
    }
}

register!(MirrorBatch);
