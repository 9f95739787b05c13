//! One thing at a time: how long an answer takes.

use std::io::Write as _;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kapacitor_wasm::protocol::client::{Client, receive};
use kapacitor_wasm::protocol::{RequestMessage, put_request};

use crate::Options;
use crate::input::{averages_over, point};
use crate::peers::{GO, Peers};
use crate::report::{Goal, Report, Unit, quantile, seconds};
use crate::server::{Host, Target, folder};
use crate::sessions;
use crate::throughput::own;

/// Points of a round.
pub const POINTS: usize = 10_000;

/// Pause between two points of a stream. With the system's own delay there are about 10,000 points a second.
const PACE: Duration = Duration::from_micros(50);

/// Tasks that are started in a round.
const INITS: usize = 300;

/// One point there and back, beside the Go agent.
pub fn round_trip(options: &Options, host: &Host, peers: &Peers, report: &mut Report) -> Result<()> {
    if !report.wants("round trip") {
        return Ok(());
    }
    let (ours, go) = (host.target("moving_avg"), peers.go_program("moving_avg"));
    let folder = folder()?;
    let echo = own("echo", folder.path())?;
    let (mut here, mut there, mut least) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        here.push(seconds(&round_trips(&ours, options.scaled(POINTS), true)?));
        least.push(seconds(&round_trips(&echo, options.scaled(POINTS), false)?));
        if let Ok(go) = &go {
            there.push(seconds(&round_trips(go, options.scaled(POINTS), true)?));
        }
    }
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        let what = format!("round trip of one point, {name}");
        let of = |rounds: &[Vec<f64>]| rounds.iter().map(|times| quantile(times, share)).collect::<Vec<_>>();
        let theirs = of(&there);
        let theirs = go.as_ref().map(|_| &theirs[..]).map_err(String::as_str);
        report.compare_with(&what, Unit::Time, &of(&here), GO, theirs, Goal::AtMost(0.5));
        report.compare(&what, Unit::Time, &of(&here), "raw socket echo", &of(&least), Goal::None);
    }
    Ok(())
}

/// The times of `points` points there and back, one after the other.
pub fn round_trips(target: &Target, points: usize, init: bool) -> Result<Vec<Duration>> {
    let averages = averages_over(10);
    let mut connection = target.connect(init.then_some(&averages[..]))?;
    let client = &mut connection.client;
    // What the echo sends back reads as a response: both have a point in field 17.
    let frames: Vec<_> = (0..points)
        .map(|i| {
            let mut frame = Vec::new();
            put_request(RequestMessage::Point(point(i, i % 10)), &mut frame);
            frame
        })
        .collect();
    frames
        .iter()
        .map(|frame| {
            let start = Instant::now();
            client.send_bytes(frame)?;
            client.receive()?.context("the connection has ended")?;
            Ok(start.elapsed())
        })
        .collect()
}

/// What gathering adds to the time that a point takes in a stream that goes on and on.
pub fn sustained(options: &Options, report: &mut Report) -> Result<()> {
    if !report.wants("latency in a sustained stream") {
        return Ok(());
    }
    let hosts = [Host::start()?, Host::start_with("[sessions]\ngather = \"0s\"\n")?];
    let (mut median, mut slowest) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let mut times = Vec::new();
        for host in &hosts {
            times.push(seconds(&stream(&host.target("moving_avg"), options.scaled(POINTS))?));
        }
        let added = |share| quantile(&times[0], share) - quantile(&times[1], share);
        median.push(added(0.5));
        slowest.push(added(0.99));
    }
    report.figure(
        "latency in a sustained stream that sessions.gather adds, p50",
        Unit::Time,
        &median,
        Goal::None,
    );
    let what = "latency in a sustained stream that sessions.gather adds, p99";
    report.figure(what, Unit::Time, &slowest, Goal::AtMost(2e-3));
    Ok(())
}

/// How long each point of a stream takes there and back. Each is written with two small writes as Kapacitor does, and
/// soon after the one before.
fn stream(target: &Target, points: usize) -> Result<Vec<Duration>> {
    let connection = target.connect(Some(&averages_over(10)))?;
    let (mut reader, mut writer, _socket) = connection.client.split();
    let (sent, due) = mpsc::channel();
    thread::scope(|scope| {
        let writing = scope.spawn(move || -> Result<()> {
            for i in 0..points {
                let mut frame = Vec::new();
                put_request(RequestMessage::Point(point(i, i % 10)), &mut frame);
                let start = Instant::now();
                sent.send(start)?;
                let (header, body) = frame.split_at(2);
                writer.write_all(header)?;
                writer.write_all(body)?;
                thread::sleep(PACE);
            }
            Ok(())
        });
        let mut times = Vec::new();
        for start in due {
            receive(&mut reader)?.context("the connection has ended")?;
            times.push(start.elapsed());
        }
        writing.join().expect("writing does not panic")?;
        Ok(times)
    })
}

/// From Init to InitResponse.
pub fn init(options: &Options, host: &Host, report: &mut Report) -> Result<()> {
    if !report.wants("init") {
        return Ok(());
    }
    let socket = host.socket("moving_avg");
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let mut times = Vec::new();
        for i in 0..options.scaled(INITS) {
            let mut client = Client::connect(&socket)?;
            let start = Instant::now();
            sessions::init(&mut client, i)?;
            times.push(start.elapsed());
        }
        rounds.push(quantile(&seconds(&times), 0.99));
    }
    report.figure("init to its answer, p99", Unit::Time, &rounds, Goal::AtMost(1e-3));
    Ok(())
}
