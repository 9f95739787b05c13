//! Another build of the host beside this one, such as one with another C library or another allocator.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

use anyhow::Result;
use kapacitor_wasm::protocol::client::Client;

use crate::Options;
use crate::input::{Input, averages_over, outliers};
use crate::latency::{POINTS, round_trips};
use crate::report::{Goal, Report, Unit, quantile, seconds};
use crate::server::Host;
use crate::sessions::init;
use crate::throughput::{BATCH, Contest, MANY};

/// Name of the rows.
const OTHER: &str = "another build";

/// Tasks that are started in a round.
const STARTS: usize = 2000;

/// Clients that start them at the same time.
const CLIENTS: usize = 8;

/// Throughput, a point there and back, and tasks that start at the same time.
pub fn builds(options: &Options, report: &mut Report) -> Result<()> {
    let Some(program) = &options.beside else { return Ok(()) };
    if !report.wants(OTHER) {
        return Ok(());
    }
    let (ours, other) = (Host::start()?, Host::of_build(program)?);
    let stream = Input::stream(options.scaled(MANY));
    let batches = Input::batches(options.scaled(MANY / BATCH), BATCH);
    for (plugin, udf_options, input) in [
        ("mirror", Vec::new(), &stream),
        ("moving_avg", averages_over(10), &stream),
        ("outliers", outliers(), &batches),
    ] {
        let mut contest = Contest::new(plugin);
        contest.enter("kapacitor-wasm", Ok(ours.target(plugin)), Some(udf_options.clone()), input);
        contest.enter(OTHER, Ok(other.target(plugin)), Some(udf_options), input);
        (0..options.rounds).try_for_each(|_| contest.round())?;
        contest.beside(report, OTHER, Goal::None);
        contest.cpu_beside(report, OTHER, Goal::None);
    }
    let hosts = [&ours, &other];
    let mut trips = [Vec::new(), Vec::new()];
    let mut starts = [Vec::new(), Vec::new()];
    for _ in 0..options.rounds {
        for (i, host) in hosts.into_iter().enumerate() {
            let times = round_trips(&host.target("moving_avg"), options.scaled(POINTS), true)?;
            trips[i].push(quantile(&seconds(&times), 0.5));
            starts[i].push(seconds_of_a_start(host, options.scaled(STARTS))?);
        }
    }
    let [here, there] = &trips;
    report.compare("round trip of one point, p50", Unit::Time, here, OTHER, there, Goal::None);
    let [here, there] = &starts;
    let what = format!("tasks started by {CLIENTS} clients at once, time for each");
    report.compare(&what, Unit::Time, here, OTHER, there, Goal::None);
    let resident = [ours.server.resident()?, other.server.resident()?];
    report.compare(
        "resident memory afterwards",
        Unit::Bytes,
        &resident[..1],
        OTHER,
        &resident[1..],
        Goal::None,
    );
    Ok(())
}

/// The time in which `count` tasks are started and ended, for each of them.
fn seconds_of_a_start(host: &Host, count: usize) -> Result<f64> {
    let (next, socket) = (AtomicUsize::new(0), host.socket("moving_avg"));
    let begin = Instant::now();
    thread::scope(|scope| {
        let start_some = || {
            loop {
                let task = next.fetch_add(1, Relaxed);
                if task >= count {
                    return anyhow::Ok(());
                }
                init(&mut Client::connect(&socket)?, task)?;
            }
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(start_some)).collect();
        clients.into_iter().try_for_each(|client| client.join().expect("a client does not panic"))
    })?;
    Ok(begin.elapsed().as_secs_f64() / count as f64)
}
