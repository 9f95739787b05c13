//! Adds up the field `value` of each group and of all groups together, in a format of serde. Panics at a point with the
//! field `panic`.

use kapacitor_guest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Options)]
struct Totals {
    total: Shared<f64>,
}

#[derive(Default, Serialize, Deserialize)]
struct Sum {
    sum: f64,
}

impl Stream for Totals {
    type Group = Sum;

    fn point(&self, group: &mut Sum, point: Point<'_>, out: &mut Output) -> Result<()> {
        let value = point.number("value")?;
        group.sum += value;
        *self.total.borrow_mut() += value;
        assert!(point.field("panic").is_none(), "told to panic");
        out.send(point.with("sum", group.sum).with("total", self.total.get()))
    }
}

impl SerdeSnapshot<Sum> for Totals {
    fn save_shared(&self, state: &mut StateWriter) -> Result<()> {
        state.write(&self.total.get())
    }

    fn restore_shared(&self, _: u32, state: &mut StateReader<'_>) -> Result<()> {
        self.total.set(state.read()?);
        Ok(())
    }
}

register!(Totals, snapshot);
