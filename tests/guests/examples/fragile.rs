//! Adds up the field `value` of each group, and fails in the way that a point asks for with one of the fields
//! `panic`, `spin`, `hog`, `deep` and `fail`. A field `gauge` becomes the value of its gauge.

use std::hint::black_box;

use kapacitor_guest::prelude::*;

#[derive(Options)]
struct Fragile {
    /// Points that were added "up".
    added: Counter,
    /// What a point said last.
    gauge: Gauge,
}

impl Stream for Fragile {
    type Group = f64;

    fn point(&self, sum: &mut f64, point: Point<'_>, out: &mut Output) -> Result<()> {
        // The state changes before the failure; the change must be undone by the host.
        *sum += point.number("value")?;
        self.added.inc();
        if let Ok(value) = point.any_number("gauge") {
            self.gauge.set(value);
        }
        if let Some(Value::Int(index)) = point.field("panic") {
            log::info(format_args!("about to take element {index}"));
            let elements = [0; 3];
            black_box(elements[index as usize]);
        }
        if point.field("spin").is_some() {
            loop {
                black_box(0);
            }
        }
        if point.field("hog").is_some() {
            black_box(vec![1u8; 1 << 30]);
        }
        if point.field("deep").is_some() {
            black_box(deep(0));
        }
        if point.field("fail").is_some() {
            return Err(Error::new("told to fail"));
        }
        out.send(point.with("sum", *sum))
    }
}

#[expect(unconditional_recursion, reason = "that is the attack")]
fn deep(n: u64) -> u64 {
    black_box(deep(black_box(n) + 1)) + n
}

register!(Fragile);
