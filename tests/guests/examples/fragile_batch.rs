//! Gives each point of a batch the number of its group's batch, and panics at the end of a batch with
//! a point that has the field `panic`.

use kapacitor_guest::prelude::*;

#[derive(Options)]
struct FragileBatch;

impl Batch for FragileBatch {
    type Group = i64;

    fn batch(&self, number: &mut i64, points: &Points<'_>, out: &mut Output) -> Result<()> {
        // The state changes before the failure; the change must be undone by the host.
        *number += 1;
        let mut batch = out.batch(points)?;
        for point in points {
            assert!(point.field("panic").is_none(), "told to panic");
            batch.send(point.with("batch", *number));
        }
        Ok(())
    }
}

register!(FragileBatch);
