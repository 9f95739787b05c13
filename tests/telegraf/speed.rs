//! Points/s through Telegraf with a processor.
//!
//! A run of the tests checks the means of a few points. To measure, give a number of points:
//!
//! ```console
//! $ KAPACITOR_WASM_TELEGRAF_POINTS=200000 cargo test --release --test integration telegraf::speed \
//!     -- --test-threads 1
//! ```
//!
//! The time of a run is that of Telegraf as a whole, from its start to its end.

use std::env;

use super::daemon::{Ended, once};
use super::{HOSTS, cpu, number, values};
use crate::support::go::tell;

/// Number of points of a run whose speed does not matter.
const FEW: usize = 1_000;

/// Number of values that are averaged.
const SIZE: usize = 30;

/// Largest relative difference between two ways to compute a mean.
const TOLERANCE: f64 = 1e-12;

/// A process that does nothing: what any processor in a process of its own takes at least.
const CAT: &str = r#"
[[processors.execd]]
  command = ["cat"]
"#;

/// The processor to compare with: the same mean, in Telegraf's own Starlark.
const STARLARK: &str = r#"
[[processors.starlark]]
  script = "moving_avg.star"
"#;

#[test]
fn no_processor() {
    let Some(ended) = measure("no processor", "", &[]) else { return };
    assert_eq!(ended.output.lines().count(), points());
}

#[test]
fn cat() {
    let Some(ended) = measure("cat", CAT, &[]) else { return };
    // Telegraf may lose what the process has written last, see `protocol`.
    assert!(cpu(points()).starts_with(&ended.output), "{}", ended.log);
}

#[test]
fn starlark() {
    let files = [("moving_avg.star", include_str!("moving_avg.star"))];
    let Some(ended) = measure("Starlark", STARLARK, &files) else { return };
    assert_means(&ended);
}

/// Puts [`points`] points of `cpu` through a processor, and prints the speed if it matters.
#[track_caller]
pub fn measure(name: &str, processor: &str, files: &[(&str, &str)]) -> Option<Ended> {
    let count = points();
    let ended = once(processor, files, &cpu(count))?;
    assert!(ended.status.success(), "{}: {}", ended.status, ended.log);
    if count != FEW {
        let (elapsed, cpu) = (ended.elapsed.as_secs_f64(), ended.cpu.as_secs_f64());
        tell(&format!(
            "{name}: {:.0} points/s, {:.2} us of CPU for each point",
            count as f64 / elapsed,
            cpu * 1e6 / count as f64
        ));
    }
    Some(ended)
}

/// Asserts that all points came out in their order, each with the mean of its host.
#[track_caller]
pub fn assert_means(ended: &Ended) {
    assert_eq!(ended.output.lines().count(), points());
    for (i, line) in ended.output.lines().enumerate() {
        assert_eq!(number(line, "usage_user"), Some(values(i)[0]), "point {i} is {line}");
        let last = (0..SIZE).map_while(|back| i.checked_sub(back * HOSTS)).map(|i| values(i)[0]);
        let (count, sum) = last.fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
        let mean = number(line, "mean").unwrap_or_else(|| panic!("point {i} has no mean: {line}"));
        assert!((mean - sum / count).abs() <= TOLERANCE * mean.abs(), "point {i} is {line}");
    }
}

/// Number of points of a run.
///
/// # Panics
///
/// If `KAPACITOR_WASM_TELEGRAF_POINTS` is not a number.
pub fn points() -> usize {
    let count = env::var("KAPACITOR_WASM_TELEGRAF_POINTS").ok();
    count.map_or(FEW, |count| count.parse().expect("KAPACITOR_WASM_TELEGRAF_POINTS is a number of points"))
}
