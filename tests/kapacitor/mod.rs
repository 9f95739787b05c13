//! The host against a real kapacitord and a real InfluxDB.
//!
//! Each test has processes of its own, see [`daemons`]. Points go in through InfluxDB, to which
//! kapacitord is subscribed, or directly into kapacitord, and the output of tasks is read from
//! InfluxDB. The tests are skipped on a machine without Go, influxd or a way to Go's modules, see
//! [`binaries`].
//!
//! - [`data`]: points and batches that pass through a UDF.
//! - [`decoder`]: output of the guard, with Kapacitor's decoder alone.
//! - [`doctor`]: `doctor` beside a kapacitord.
//! - [`guard_attacks`]: hostile guests.
//! - [`recordings`]: recordings of Kapacitor, and what the workbench makes of them.
//! - [`state`]: state over restarts and updates.
//! - [`tasks`]: tasks that fail, stop and choose their plugin.

mod api;
mod binaries;
mod daemons;

mod data;
mod decoder;
mod doctor;
mod examples;
mod guard_attacks;
mod recordings;
mod state;
mod tasks;
mod watch;

use serde_json::json;

use api::Row;

/// Time of the first point, for tasks that don't look at the clock.
const EPOCH: i64 = 1_700_000_000_000_000_000;

/// A second in nanoseconds.
const SECOND: i64 = 1_000_000_000;

/// A TICKscript that writes moving averages over three values of `field` of `cpu`, by host, into
/// `measurement`.
fn averages(udf: &str, measurement: &str) -> String {
    format!(
        "stream
            |from().measurement('cpu').groupBy('host')
            {udf}
            {}",
        into(measurement)
    )
}

/// `@moving_avg()` over three values.
const MOVING_AVG: &str = "@moving_avg().field('usage').size(3).as('mean')";

/// The end of a TICKscript: writes points to InfluxDB without delay.
fn into(measurement: &str) -> String {
    format!("|influxDBOut().database('out').measurement('{measurement}').flushInterval(20ms)")
}

/// The `i`th point of a host. The values are such that all averages over three are exact.
fn line(host: &str, i: i64) -> String {
    format!("cpu,host={host},rack=r1 usage={:?} {}", value(i), EPOCH + i * SECOND)
}

fn value(i: i64) -> f64 {
    ((i * 7) % 11) as f64 * 1.5
}

/// The points that [`averages`] makes of a host's points up to the `count`th.
fn expected_averages(host: &str, count: i64) -> Vec<Row> {
    let row = |i: i64| {
        let window: Vec<f64> = ((i - 2).max(0)..=i).map(value).collect();
        let mean = window.iter().sum::<f64>() / window.len() as f64;
        Row::new(EPOCH + i * SECOND, json!({"host": host, "rack": "r1", "usage": value(i), "mean": mean}))
    };
    (0..count).map(row).collect()
}
