//! Sends a point for each host that has sent nothing for a while, by the time of the data.

use std::time::Duration;

use kapacitor_guest::prelude::*;

#[derive(Options)]
struct Deadman {
    period: Duration,
}

impl Stream for Deadman {
    type Group = ();

    fn point(&self, _: &mut (), _: Point<'_>, _: &mut Output) -> Result<()> {
        Ok(())
    }

    fn silence(&self) -> Option<Duration> {
        Some(self.period)
    }

    fn silent(&self, _: &mut (), last: Point<'_>, now: i64, out: &mut Output) -> Result<()> {
        out.send(NewPoint::like(last).at(now).field("silent_for", now - last.time()))
    }
}

register!(Deadman);
