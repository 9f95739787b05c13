//! What a snapshot costs: of a moving average over ten values, for more and more groups.

use std::time::Instant;

use anyhow::Result;
use kapacitor_wasm::protocol::{Point, RequestMessage, put_request};

use crate::Options;
use crate::input::averages_over;
use crate::peers::{GO, Peers};
use crate::report::{Goal, Report, Unit, median};
use crate::server::{Host, Target};
use crate::sessions::receive;

/// Values of each group.
const VALUES: usize = 10;

/// Snapshots of a round.
const SNAPSHOTS: usize = 9;

/// Time and bytes of a snapshot, beside the Go agent's.
pub fn snapshots(options: &Options, host: &Host, peers: &Peers, report: &mut Report) -> Result<()> {
    if !report.wants("snapshot") {
        return Ok(());
    }
    let (ours, go) = (host.target("moving_avg"), peers.go_program("moving_avg"));
    for (groups, in_time, smaller) in
        [(1000, Goal::AtMost(1e-3), Goal::AtMost(1.0)), (10_000, Goal::None, Goal::None)]
    {
        let (mut here, mut there) = (Figures::default(), Figures::default());
        for _ in 0..options.rounds {
            here.measure(&ours, groups)?;
            if let Ok(go) = &go {
                there.measure(go, groups)?;
            }
        }
        let what = format!("snapshot of {groups} groups");
        report.figure(&format!("{what}, from request to answer"), Unit::Time, &here.time, in_time);
        let rows = [
            ("time", Unit::Time, &here.time, &there.time, Goal::None),
            ("bytes", Unit::Bytes, &here.bytes, &there.bytes, smaller),
        ];
        for (name, unit, here, there, goal) in rows {
            let theirs = go.as_ref().map(|_| &there[..]).map_err(String::as_str);
            report.compare_with(&format!("{what}, {name}"), unit, here, GO, theirs, goal);
        }
    }
    Ok(())
}

/// Round by round.
#[derive(Default)]
struct Figures {
    /// From request to response, of a state that has changed since the last one.
    time: Vec<f64>,
    bytes: Vec<f64>,
}

impl Figures {
    fn measure(&mut self, target: &Target, groups: usize) -> Result<()> {
        let mut connection = target.connect(Some(&averages_over(VALUES as i64)))?;
        let client = &mut connection.client;
        for i in 0..VALUES * groups {
            let mut frame = Vec::new();
            put(i % groups, i / groups, &mut frame);
            client.send_bytes(&frame)?;
            // The Go agent does not read while nobody reads its answers.
            if i % 50 == 49 {
                receive(client, 50)?;
            }
        }
        let (mut times, mut bytes) = (Vec::new(), 0);
        for i in 0..SNAPSHOTS {
            let mut frame = Vec::new();
            put(i % groups, VALUES * groups + i, &mut frame);
            client.send_bytes(&frame)?;
            receive(client, 1)?;
            let start = Instant::now();
            bytes = client.snapshot(&mut Vec::new())?.len();
            times.push(start.elapsed().as_secs_f64());
        }
        self.time.push(median(&times));
        self.bytes.push(bytes as f64);
        Ok(())
    }
}

/// A point of a group; what is measured does not repeat soon.
fn put(group: usize, i: usize, frames: &mut Vec<u8>) {
    let value = 10.0 + ((group * 31 + i * 17) % 1009) as f64 / 16.0;
    let point = Point {
        time: 1_700_000_000_000_000_000 + i as i64 * 1_000_000_000,
        name: "cpu".to_owned(),
        group: format!("host=web{group:05}"),
        dimensions: vec!["host".to_owned()],
        tags: [("host".to_owned(), format!("web{group:05}"))].into(),
        fields_double: [("usage_user".to_owned(), value)].into(),
        ..Point::default()
    };
    put_request(RequestMessage::Point(point), frames);
}
