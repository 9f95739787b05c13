//! Measures a plugin on data.

use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use super::call::Call;
use super::output::Output;
use super::pipeline::Message;
use super::player::{Player, Start};
use super::plugin_host::PluginHost;
use crate::task::{Observer, Trial, TrialEnd};

/// Maximum number of lone points of one round.
const LONE: usize = 500;

/// Time after which a lone point is not answered.
const PATIENCE: Duration = Duration::from_millis(500);

/// What was measured in one round.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Points that are processed in a second, from the first one that is sent to the end of the output.
    pub points_per_second: f64,
    /// CPU time of the plugin for a point, in nanoseconds.
    pub cpu: f64,
    /// Median time from a lone point to its answer, in nanoseconds; `None` if the plugin does not answer each.
    pub lone_median: Option<f64>,
    /// The same for 99 of 100 lone points.
    pub lone_p99: Option<f64>,
    /// Size of the memory that makes up the plugin's state at the end, in bytes.
    pub memory: f64,
    /// Memory of the state for a group, in bytes: what it is at the end beyond what it is after one point.
    pub memory_per_group: f64,
    /// Size of a snapshot at the end, in bytes.
    pub snapshot: f64,
    /// Time from the request for it to its arrival, in nanoseconds, behind all points.
    pub snapshot_time: f64,
}

/// Remembers how a task has ended.
#[derive(Default)]
struct EndOnly(Mutex<TrialEnd>);

impl Observer for EndOnly {
    fn skipped(&self, _: &[u8], _: &str, _: u64) {}

    fn declined(&self, _: &[u8], _: u64) {}

    fn no_snapshot(&self, _: &str) {}

    fn failed_at_end(&self, _: &str) {}

    fn ended(&self, end: &TrialEnd) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = end.clone();
    }
}

impl EndOnly {
    fn get(&self) -> TrialEnd {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Measures one round of `messages`, of so many `groups`.
///
/// # Errors
///
/// When the task can't start, or ends with an error.
pub fn measure(host: &PluginHost, call: &Call, messages: &[Message], groups: usize) -> Result<Figures> {
    let figures = measure_together(host, call, messages, groups)?;
    let lone = lone_points(host, call, messages)?;
    let of_lone = |part: f64| {
        let at = (lone.len() as f64 * part) as usize;
        lone.get(at.min(lone.len().saturating_sub(1))).map(|time| time.as_nanos() as f64)
    };
    Ok(Figures { lone_median: of_lone(0.5), lone_p99: of_lone(0.99), ..figures })
}

/// The same without lone points.
///
/// # Errors
///
/// When the task can't start, or ends with an error.
pub fn measure_together(
    host: &PluginHost,
    call: &Call,
    messages: &[Message],
    groups: usize,
) -> Result<Figures> {
    let Some(first) = messages.first() else { bail!("there is nothing to measure with") };
    let small = run(host, call, std::slice::from_ref(first))?;
    let all = run(host, call, messages)?;
    let points: usize = messages.iter().map(|message| message.points().len()).sum();
    let grown = all.end.memory.saturating_sub(small.end.memory) as f64;
    Ok(Figures {
        points_per_second: points as f64 / all.took.as_secs_f64().max(1e-9),
        cpu: all.end.computed.as_nanos() as f64 / points.max(1) as f64,
        lone_median: None,
        lone_p99: None,
        memory: all.end.memory as f64,
        memory_per_group: grown / groups.max(1) as f64,
        snapshot: all.snapshot as f64,
        snapshot_time: all.snapshot_time.as_nanos() as f64,
    })
}

struct Run {
    took: Duration,
    end: TrialEnd,
    snapshot: usize,
    snapshot_time: Duration,
}

fn run(host: &PluginHost, call: &Call, messages: &[Message]) -> Result<Run> {
    let observer = Arc::new(EndOnly::default());
    let mut player = start(host, call, &observer, |_| {})?;
    // What is measured is the plugin, and not the making of frames.
    let mut frames = Vec::new();
    for message in messages {
        super::pipeline::put_frames(message.clone(), &mut frames);
    }
    let begin = Instant::now();
    player.send_frames(&frames);
    let sent = Instant::now();
    let end = player.end(true)?;
    let took = begin.elapsed();
    if let Some(error) = end.error {
        bail!("the task has ended: {error}");
    }
    let snapshot_time = end.snapshot_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(sent));
    let snapshot = end.snapshot.map_or(0, |snapshot| snapshot.len());
    Ok(Run { took, end: observer.get(), snapshot, snapshot_time })
}

/// The sorted times from a lone point to its answer; none if the plugin does not answer each.
fn lone_points(host: &PluginHost, call: &Call, messages: &[Message]) -> Result<Vec<Duration>> {
    let observer = Arc::new(EndOnly::default());
    let (answers, answered) = mpsc::channel();
    let mut player = start(host, call, &observer, move |_| {
        // Who no longer waits has seen a time-out.
        let _ = answers.send(Instant::now());
    })?;
    let mut times = Vec::new();
    for message in messages.iter().take(LONE) {
        let begin = Instant::now();
        ensure!(player.send(message.clone()) && player.flush(), "the task has ended by itself");
        match answered.recv_timeout(PATIENCE) {
            Ok(at) => times.push(at.saturating_duration_since(begin)),
            Err(_) => {
                times.clear();
                break;
            }
        }
    }
    player.end(false)?;
    times.sort();
    Ok(times)
}

fn start(
    host: &PluginHost,
    call: &Call,
    observer: &Arc<EndOnly>,
    sink: impl FnMut(Output) + Send + 'static,
) -> Result<Player> {
    let observer: Arc<dyn Observer> = observer.clone();
    let trial = Trial { observer: Some(observer), ..Trial::default() };
    let start = Start { task: "bench".to_owned(), options: call.options.clone(), snapshot: None };
    Player::start(host, start, trial, sink)
}

/// The middle one of some figures, or the mean of the two in the middle.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => figures[middle],
        _ => (figures[middle - 1] + figures[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!([median(vec![3.0, 1.0, 2.0]), median(vec![4.0, 1.0])], [2.0, 2.5]);
        assert!(median(Vec::new()).is_nan());
    }
}
