//! Panics when a point has the field `panic`, and fails when it has the field `fail`.

use kapacitor_guest::prelude::*;

#[derive(Options)]
struct Panics;

impl Stream for Panics {
    type Group = ();

    fn point(&self, _: &mut (), point: Point<'_>, out: &mut Output) -> Result<()> {
        if let Some(Value::Int(index)) = point.field("panic") {
            log::info(format_args!("about to take element {index}"));
            let elements = [0; 3];
            return Err(Error::new(format!("element {}", elements[index as usize])));
        }
        if point.field("fail").is_some() {
            return Err(Error::new("told to fail"));
        }
        out.send(point)
    }
}

register!(Panics);
