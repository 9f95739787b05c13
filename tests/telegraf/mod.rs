//! A real Telegraf, with processors of its own and of others.
//!
//! The tests are skipped on a machine without Go or a way to Go's modules, see [`binary`].
//!
//! - [`daemon`]: a Telegraf with one processor.
//! - [`plugin`]: `kapacitor-wasm telegraf`.
//! - [`protocol`]: what Telegraf writes to the stdin of a processor, what it does with its stdout and
//!   stderr, and how it ends the processor. `kapacitor-wasm telegraf` relies on it.
//! - [`speed`]: points/s through a processor.

mod binary;
pub mod daemon;

mod plugin;
mod protocol;
mod speed;

use std::fmt::Write;

/// Time of the first point.
const EPOCH: i64 = 1_700_000_000_000_000_000;

/// A second in nanoseconds.
const SECOND: i64 = 1_000_000_000;

/// Number of hosts of [`cpu`].
const HOSTS: usize = 10;

/// `count` points of `cpu`, one for each host in each second, as line protocol.
fn cpu(count: usize) -> String {
    let mut lines = String::with_capacity(count * 100);
    for i in 0..count {
        let (host, time) = (i % HOSTS, EPOCH + (i / HOSTS) as i64 * SECOND);
        let [user, system, idle] = values(i);
        let _ = writeln!(
            lines,
            "cpu,host=h{host},rack=r1 usage_user={user},usage_system={system},usage_idle={idle} {time}"
        );
    }
    lines
}

/// `usage_user`, `usage_system` and `usage_idle` of the `i`th point: eighths, so that sums are exact.
fn values(i: usize) -> [f64; 3] {
    let user = ((i * 7_919) % 797) as f64 / 8.0;
    [user, 100.0 - user, user / 2.0]
}

/// The value of the field `name`, a number, in a line without spaces in its names.
fn number(line: &str, name: &str) -> Option<f64> {
    let fields = line.split(' ').nth(1)?;
    let value = fields.split(',').find_map(|field| field.strip_prefix(name)?.strip_prefix('='))?;
    value.parse().ok()
}
