//! What a snapshot costs: of a moving average over ten values, for more and more groups.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use comfy_table::Table;
use kapacitor_wasm::client::Client;
use kapacitor_wasm::protocol::{Point, RequestMessage, put_request};
use kapacitor_wasm::snapshot::Snapshot;

use super::averages_over;
use crate::commands::check::table as new_table;

/// Values of each group.
const VALUES: usize = 10;

/// Measurements of each row and run.
const TIMES: usize = 9;

/// A table of one row for each number of groups.
pub fn table(socket: &Path, runs: usize) -> Result<Table> {
    let mut table = new_table(&[
        "snapshot of moving_avg",
        "state",
        "memory that differs",
        "bytes",
        "of the state",
        "time",
        "for each MiB",
        "unchanged",
    ]);
    for groups in [1, 100, 1000, 10_000] {
        let Measured { differs, bytes, time, unchanged } = measure(socket, groups, runs)?;
        // A number of a group's window is eight bytes.
        let state = groups * (VALUES * 8 + id(0).len());
        let mib = differs as f64 / (1 << 20) as f64;
        table.add_row([
            format!("{groups} groups of {VALUES} values"),
            format!("{:.1} KiB", state as f64 / 1024.0),
            format!("{:.1} KiB", differs as f64 / 1024.0),
            format!("{:.1} KiB", bytes as f64 / 1024.0),
            format!("{:.2}", bytes as f64 / state as f64),
            format!("{:.0} us", time.as_secs_f64() * 1e6),
            format!("{:.0} us", time.as_secs_f64() * 1e6 / mib),
            format!("{:.0} us", unchanged.as_secs_f64() * 1e6),
        ]);
    }
    Ok(table)
}

/// One row.
struct Measured {
    /// Pages that differ from a fresh start, in bytes.
    differs: u64,
    /// The snapshot as Kapacitor stores it.
    bytes: usize,
    /// From request to response, of a state that has changed since.
    time: Duration,
    /// And of one that has not.
    unchanged: Duration,
}

fn id(group: usize) -> String {
    format!("host=web{group:05}")
}

fn measure(socket: &Path, groups: usize, runs: usize) -> Result<Measured> {
    let mut client = Client::connect(socket)?;
    let response = client.init("bench", averages_over(VALUES as i64))?;
    ensure!(response.success, "{}", response.error);
    let mut sent = 0;
    for i in 0..VALUES {
        let mut frames = Vec::new();
        for group in 0..groups {
            put(group, i, &mut frames);
        }
        sent += groups;
        client.send_bytes(&frames)?;
        // What comes back has to be read, too.
        for _ in 0..groups {
            client.receive()?.context("the host has closed the connection")?;
        }
    }
    let (mut changed, mut unchanged, mut last) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..TIMES * runs.max(1) {
        let mut frame = Vec::new();
        put(i % groups, sent + i, &mut frame);
        client.send_bytes(&frame)?;
        client.receive()?;
        let start = Instant::now();
        last = client.snapshot(&mut Vec::new())?;
        changed.push(start.elapsed());
        let start = Instant::now();
        ensure!(client.snapshot(&mut Vec::new())? == last, "the state has changed by itself");
        unchanged.push(start.elapsed());
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    Ok(Measured {
        differs: Snapshot::parse(&last)?.header.payload_bytes,
        bytes: last.len(),
        time: median(&mut changed),
        unchanged: median(&mut unchanged),
    })
}

/// A point of a group; what is measured does not repeat soon.
fn put(group: usize, i: usize, frames: &mut Vec<u8>) {
    let value = 10.0 + ((group * 31 + i * 17) % 1009) as f64 / 16.0;
    let point = Point {
        time: 1_700_000_000_000_000_000 + i as i64 * 1_000_000_000,
        name: "cpu".to_owned(),
        group: id(group),
        dimensions: vec!["host".to_owned()],
        tags: [("host".to_owned(), format!("web{group:05}"))].into(),
        fields_double: [("usage_user".to_owned(), value)].into(),
        ..Point::default()
    };
    put_request(RequestMessage::Point(point), frames);
}
