//! Writes a log line in each way, for each point.

use kapacitor_guest::log::{dbg, eprintln, println};
use kapacitor_guest::prelude::*;

#[derive(Options)]
struct Logs;

impl Stream for Logs {
    type Group = ();

    fn point(&self, _: &mut (), point: Point<'_>, out: &mut Output) -> Result<()> {
        let name = point.name();
        debug!("debug {name}");
        info!("info {name:?}");
        warn!("warn {}", name);
        error!("error {name:>5}");
        println!("println {name}");
        eprintln!("eprintln {name}");
        let time = dbg!(point.time() + 1);
        log::info(format_args!("time {time}"));
        out.send(point)
    }
}

register!(Logs);
