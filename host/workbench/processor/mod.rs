//! A plugin as a processor of Telegraf: points come in as line protocol, and what the plugin makes of them goes out.
//!
//! One session serves the plugin as `serve` does. If its task ends, it is started anew in this process: if the process
//! ended, Telegraf would lose what comes until it runs again.

mod gathered;
mod live_output;
mod unsigned;

use std::io::{Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kapacitor_wasm_data::Record;
use kapacitor_wasm_data::input::{self, BadLines, Input, TimeIfMissing};
use tracing::{error, info, warn};

use self::gathered::Gathered;
use self::live_output::LiveOutput;
use super::call::Call;
use super::pipeline::{Group, Message, Pipeline, PipelineError, PipelineSpec};
use super::player::{Player, Start};
use super::plugin_host::PluginHost;
use crate::logging::Tenfold;
use crate::protocol::EdgeType;
use crate::task::Trial;

/// Minimum time between two starts of a task that ends by itself.
const PAUSE: Duration = Duration::from_secs(1);

/// What the input is called in messages.
const INPUT: &str = "stdin";

/// Which plugin is called how.
pub struct Processor<'a> {
    /// The host of the plugin.
    pub host: &'a PluginHost,
    /// The call, and what comes before it.
    pub call: &'a Call,
    /// Kapacitor's id of the task, which is the key of its state.
    pub task: &'a str,
}

/// The task that runs. It is shared with what passes on waiting points before each read.
type Slot = Arc<Mutex<Option<Player>>>;

impl Processor<'_> {
    /// Puts all points of `input` through the plugin. Returns when the input has ended and all that comes of it is
    /// written.
    ///
    /// # Errors
    ///
    /// When the call does not fit the plugin, the task can't start, or input or output are lost.
    pub fn run(&self, input: impl Read + Send + 'static, output: Box<dyn Write + Send>) -> Result<()> {
        let output = LiveOutput::new(output);
        let mut feed = Feed {
            processor: self,
            pipeline: self.pipeline()?,
            slot: Slot::default(),
            started: Instant::now(),
            output: output.clone(),
            left_out: Tenfold::default(),
            left_out_before: 0,
        };
        feed.start()?;
        let slot = Arc::clone(&feed.slot);
        let input = Gathered::new(input, self.host.gather(), move || {
            if let Some(player) = &mut *lock(&slot) {
                // A task that has ended is started anew with the next point.
                player.flush();
            }
            output.flush();
        });
        let options = input::Options { time_if_missing: TimeIfMissing::Now, ..input::Options::default() };
        let mut input = Input::live(INPUT, input, &options);
        let mut bad_lines = Tenfold::default();
        let mut lost = None;
        while let Some(record) = input.next() {
            tell_bad_lines(&mut bad_lines, input.bad_lines());
            match record {
                Ok(record) => feed.put(record)?,
                Err(error) => lost = Some(error),
            }
            if feed.output.has_failed() {
                break;
            }
        }
        tell_bad_lines(&mut bad_lines, input.bad_lines());
        feed.end()?;
        lost.map_or(Ok(()), |error| Err(error.into()))
    }

    /// What comes before the call. A database has no meaning here, and points of other measurements pass by.
    fn pipeline(&self) -> Result<Pipeline> {
        let wants = self.host.plugin().info.wants();
        let spec = PipelineSpec {
            database: String::new(),
            retention_policy: String::new(),
            measurements: Vec::new(),
            ..self.call.pipeline.clone()
        };
        if wants == EdgeType::Batch && spec.window.is_none() {
            bail!(
                "the plugin takes batches, so a window has to make them: give --window PERIOD, such as --window 10m"
            );
        }
        Ok(Pipeline::new(spec, wants)?.uncounted())
    }
}

/// What goes into the task.
struct Feed<'a> {
    processor: &'a Processor<'a>,
    pipeline: Pipeline,
    slot: Slot,
    /// When the task was started last.
    started: Instant,
    output: LiveOutput,
    left_out: Tenfold,
    /// Number of fields that were left out by tasks before this one.
    left_out_before: u64,
}

impl Feed<'_> {
    fn start(&mut self) -> Result<()> {
        let Processor { host, call, task } = *self.processor;
        let start = Start { task: task.to_owned(), options: call.options.clone(), snapshot: None };
        self.started = Instant::now();
        let player = Player::start(host, start, Trial::default(), self.output.clone())?;
        *lock(&self.slot) = Some(player);
        Ok(())
    }

    /// Gives a record to the task.
    ///
    /// # Errors
    ///
    /// When the task has ended and can't start again.
    fn put(&mut self, record: Record) -> Result<()> {
        // This format has no batches.
        let Record::Point(point) = record else { return Ok(()) };
        let wanted = &self.processor.call.pipeline.measurements;
        if !wanted.is_empty() && !wanted.contains(&point.measurement) {
            self.output.put(&Message::Point(Group::default(), point));
            return Ok(());
        }
        self.output.unsigned().note(&point);
        match self.pipeline.push(Record::Point(point)) {
            Ok(None) => Ok(()),
            Ok(Some(message)) => self.send(message),
            Err(PipelineError::TooManyPoints(error)) => {
                error!(err = error.to_string(), "all windows begin anew");
                self.pipeline = self.processor.pipeline()?;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn send(&mut self, message: Message) -> Result<()> {
        let has_ended = lock(&self.slot).as_ref().is_none_or(Player::has_ended);
        if has_ended {
            self.end_task()?;
            thread::sleep(PAUSE.saturating_sub(self.started.elapsed()));
            self.start().context("the task has ended, and can't be started anew")?;
        }
        let mut left_out = self.left_out_before;
        if let Some(player) = &mut *lock(&self.slot) {
            // If the task ends now, it is started anew with the next point.
            player.send(message);
            left_out += player.left_out;
        }
        if self.left_out.is_due(left_out) {
            let count = left_out.to_string();
            warn!(count, "unsigned fields above 9223372036854775807 were left out: a plugin can't have them");
        }
        Ok(())
    }

    /// Waits for what comes from the task, and for its end.
    fn end_task(&mut self) -> Result<()> {
        let Some(player) = lock(&self.slot).take() else { return Ok(()) };
        self.left_out_before += player.left_out;
        let end = player.end(false)?;
        self.output.flush();
        if let Some(err) = end.error {
            error!(
                err,
                "the task has ended by itself, points on the way to it are lost: the next point starts it anew"
            );
        }
        Ok(())
    }

    fn end(mut self) -> Result<()> {
        self.end_task()?;
        let unsent = self.pipeline.unsent();
        if unsent > 0 {
            let points = unsent.to_string();
            info!(points, "points in windows that have not ended are not kept");
        }
        if self.output.has_failed() {
            bail!("stdout is lost");
        }
        Ok(())
    }
}

fn tell_bad_lines(told: &mut Tenfold, bad: &BadLines) {
    if told.is_due(bad.count) {
        let last = bad.first.get(bad.count as usize - 1).map_or(String::new(), ToString::to_string);
        let count = bad.count.to_string();
        warn!(count, last, "lines of stdin can't be read, and were skipped");
    }
}

fn lock(slot: &Mutex<Option<Player>>) -> MutexGuard<'_, Option<Player>> {
    // A player is as usable after a panic as before it.
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}
