//! Hello, world: passes on the points whose field is above a threshold.

use kapacitor_guest::prelude::*;

#[derive(Options)]
struct Above {
    field: String,
    threshold: f64,
}

impl Stream for Above {
    type Group = ();

    fn point(&self, _: &mut (), point: Point<'_>, out: &mut Output) -> Result<()> {
        if point.number(&self.field)? > self.threshold { out.send(point) } else { Ok(()) }
    }
}

register!(Above);
