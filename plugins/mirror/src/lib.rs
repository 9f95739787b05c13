//! Passes every point on as it is.

use kapacitor_guest::prelude::*;

/// The options, of which there are none.
#[derive(Options)]
pub struct Mirror;

impl Stream for Mirror {
    type Group = ();

    fn point(&self, _: &mut (), point: Point<'_>, out: &mut Output) -> Result<()> {
        out.send(point)
    }
}

register!(Mirror);
