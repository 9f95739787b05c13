//! Plays recordings to a plugin.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use kapacitor_wasm_data::Record;
use kapacitor_wasm_data::input::{self, Input};

use super::call::Call;
use super::ledger::{Entries, Ledger};
use super::line_writer::LineWriter;
use super::output::Output;
use super::pace::{Pace, sleep};
use super::pipeline::{InputCounts, Pipeline};
use super::player::{Player, Start};
use super::plugin_host::PluginHost;
use crate::task::{Observer, Trial};

/// Maximum number of lines that can't be read and are told.
const MAX_BAD_LINES: usize = 20;

/// What is played, and how.
pub struct Replay<'a> {
    /// The recordings; `-` is stdin.
    pub inputs: &'a [PathBuf],
    /// How they are read.
    pub options: &'a input::Options,
    /// The call, and what comes before it.
    pub call: &'a Call,
    /// How much faster than the data's own time it is played; `None` for as fast as it can be.
    pub speed: Option<f64>,
    /// Whether each point is a call by itself, so that the ledger knows which ones the plugin skips.
    pub one_by_one: bool,
}

/// How far a replay has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Points that were read.
    pub points: u64,
    /// Bytes that were read of the current file, and its size if that is known.
    pub bytes: Option<(u64, u64)>,
}

/// What a replay has led to.
pub struct Replayed {
    /// What the recordings have.
    pub input: InputCounts,
    /// Lines that could not be read: how many, and the first ones as sentences.
    pub bad_lines: (u64, Vec<String>),
    /// The inputs without a point: a sentence each.
    pub empty: Vec<String>,
    /// Points in windows that no later point has completed.
    pub unsent: u64,
    /// Unsigned numbers that no int can hold.
    pub left_out: u64,
    /// What has become of the points.
    pub entries: Entries,
    /// Output that can't be written as line protocol: how many points, and why the first can't.
    pub unwritten: (u64, Option<String>),
    /// Size in bytes of the snapshot at the end.
    pub snapshot: Option<u64>,
    /// The error with which the task has ended.
    pub error: Option<String>,
    /// How long it took.
    pub took: Duration,
}

impl Replay<'_> {
    /// Plays the recordings to the plugin. Its points are written to `output` as line protocol.
    ///
    /// # Errors
    ///
    /// When a recording can't be read, does not fit the plugin, or the task can't start.
    pub fn run(
        &self,
        host: &PluginHost,
        ledger: &Arc<Ledger>,
        output: Option<Box<dyn Write + Send>>,
        mut progress: impl FnMut(Progress),
    ) -> Result<Replayed> {
        let mut pipeline = Pipeline::new(self.call.pipeline.clone(), host.plugin().info.wants())?;
        let observer: Arc<dyn Observer> = ledger.clone();
        let trial = Trial { observer: Some(observer), one_by_one: self.one_by_one, failures: None };
        let start = Start { task: "replay".to_owned(), options: self.call.options.clone(), snapshot: None };
        let begin = Instant::now();
        let writer = Arc::new(Mutex::new(LineWriter::new(output, self.speed.is_some())));
        let mut player = {
            let (writer, ledger) = (Arc::clone(&writer), Arc::clone(ledger));
            Player::start(host, start, trial, move |output: Output| {
                ledger.note_output(&output);
                lock(&writer).write(&output);
            })?
        };
        let mut pace = self.speed.map(Pace::new);
        let (mut bad_lines, mut empty) = ((0, Vec::new()), Vec::new());
        let mut goes_on = true;
        for path in self.inputs {
            let mut input = input::open(path, self.options)?;
            while goes_on && let Some(record) = input.next() {
                let record = match record {
                    Ok(record) => record,
                    Err(error @ input::InputError::NoPoint { .. }) => {
                        empty.push(error.to_string());
                        break;
                    }
                    Err(error) => return Err(error.into()),
                };
                goes_on = Self::play(record, &mut pipeline, &mut player, ledger, pace.as_mut())?;
                if pipeline.counts.points.is_multiple_of(4096) {
                    progress(Progress { points: pipeline.counts.points, bytes: input.progress() });
                }
            }
            note_bad_lines(&input, &mut bad_lines);
        }
        let left_out = player.left_out;
        let end = player.end(true)?;
        let took = begin.elapsed();
        let mut writer = lock(&writer);
        writer.flush();
        if let Some(error) = writer.failed.take() {
            // Who reads the output may have seen enough.
            if error.kind() != io::ErrorKind::BrokenPipe {
                bail!("the output can't be written: {error}");
            }
        }
        let entries = ledger.take();
        let snapshot = end.snapshot.filter(|_| entries.no_snapshot.is_none());
        let snapshot = snapshot.map(|snapshot| snapshot.len() as u64);
        Ok(Replayed {
            unsent: pipeline.unsent(),
            left_out,
            input: pipeline.counts,
            bad_lines,
            empty,
            snapshot,
            entries,
            unwritten: (writer.unwritable, writer.first_problem.take()),
            error: end.error,
            took,
        })
    }

    /// Plays one record. False once the task has ended by itself.
    fn play(
        record: Record,
        pipeline: &mut Pipeline,
        player: &mut Player,
        ledger: &Ledger,
        pace: Option<&mut Pace>,
    ) -> Result<bool> {
        let Some(message) = pipeline.push(record)? else { return Ok(true) };
        if let Some(pace) = pace {
            // What is due is sent before the wait.
            let wait = pace.wait(message.time());
            if !wait.is_zero() && !player.flush() {
                return Ok(false);
            }
            sleep(wait);
        }
        ledger.note_input(&message);
        Ok(player.send(message))
    }
}

fn note_bad_lines(input: &Input, (count, first): &mut (u64, Vec<String>)) {
    let bad = input.bad_lines();
    *count += bad.count;
    let room = MAX_BAD_LINES.saturating_sub(first.len());
    first.extend(bad.first.iter().take(room).map(ToString::to_string));
}

fn lock(writer: &Mutex<LineWriter>) -> MutexGuard<'_, LineWriter> {
    // What was written stays written when a thread panics.
    writer.lock().unwrap_or_else(PoisonError::into_inner)
}
