//! What has become of the points of a task on trial.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kapacitor_wasm_data::Point;
use kapacitor_wasm_report::{self as report, Recorder};

use super::pipeline::{Group, Message};
use crate::config::LogLevel;
use crate::logging::Line;
use crate::protocol::{RequestMessage, frame};
use crate::task::{Observer, TrialEnd};

/// Maximum number of reasons that are told apart.
const MAX_REASONS: usize = 50;

/// Maximum number of log lines that are kept.
const MAX_LINES: usize = 10_000;

/// What the log calls a line of the plugin.
const PLUGIN_LOG: &str = "plugin log";

/// What the SDK writes before the reason for which it skips points.
const NOW_BECAUSE: &str = "now because: ";

/// What has become of the points. It is written from the threads of the session, of the input and of the output.
#[derive(Default)]
pub struct Ledger(Mutex<Entries>);

/// What a [`Ledger`] has.
#[derive(Default)]
pub struct Entries {
    /// What the report shows, if one is made.
    pub recorder: Option<Recorder>,
    /// Points that the plugin sent.
    pub points_out: u64,
    /// Batches that the plugin sent.
    pub batches_out: u64,
    /// Points that the host has skipped, since the plugin has failed, by the failure.
    pub failed: BTreeMap<String, u64>,
    /// Points that the plugin has skipped, by the reason that it said last.
    pub declined: BTreeMap<String, u64>,
    /// The first lines of the log.
    pub lines: Vec<Line>,
    /// Number of lines of the log.
    pub lines_in_all: u64,
    /// Why there is no snapshot.
    pub no_snapshot: Option<String>,
    /// How the plugin has failed at the end of its input.
    pub failed_at_end: Option<String>,
    /// How the task has ended.
    pub end: TrialEnd,
    /// The reason that the plugin has given last for skipping a point.
    last_reason: String,
}

impl Ledger {
    /// With a recorder for a report.
    pub fn with_recorder(recorder: Recorder) -> Self {
        Self(Mutex::new(Entries { recorder: Some(recorder), ..Entries::default() }))
    }

    /// Looks into it.
    pub fn lock(&self) -> MutexGuard<'_, Entries> {
        // Nothing that matters is half done when a thread panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes all that it has.
    pub fn take(&self) -> Entries {
        std::mem::take(&mut *self.lock())
    }

    /// Notes what goes to the plugin, if a report is made.
    pub fn note_input(&self, message: &Message) {
        let mut entries = self.lock();
        let Some(recorder) = &mut entries.recorder else { return };
        let group = report_group(message.group(), message.points().first());
        message.points().iter().for_each(|point| recorder.input(&group, point));
    }

    /// Notes what came from the plugin.
    pub fn note_output(&self, message: &Message) {
        let mut entries = self.lock();
        entries.points_out += message.points().len() as u64;
        entries.batches_out += u64::from(matches!(message, Message::Batch(..)));
        let Some(recorder) = &mut entries.recorder else { return };
        let group = report_group(message.group(), message.points().first());
        message.points().iter().for_each(|point| recorder.output(&group, point));
    }

    /// Notes a line of the log.
    pub fn note_line(&self, line: Line) {
        let mut entries = self.lock();
        let is_plugins = is_from_plugin(&line);
        if !is_plugins && line.level < LogLevel::Warn {
            // What the host does is as always.
            return;
        }
        if is_plugins && let Some((_, reason)) = line.field("text").split_once(NOW_BECAUSE) {
            reason.clone_into(&mut entries.last_reason);
        }
        if let Some(recorder) = &mut entries.recorder {
            recorder.log(report_level(line.level), None, &text_of(&line));
        }
        entries.lines_in_all += 1;
        if entries.lines.len() < MAX_LINES {
            entries.lines.push(line);
        }
    }
}

impl Observer for Ledger {
    fn skipped(&self, frame: &[u8], error: &str, points: u64) {
        let mut entries = self.lock();
        count(&mut entries.failed, error, points);
        mark(&mut entries, frame, error);
    }

    fn declined(&self, frames: &[u8], points: u64) {
        let mut entries = self.lock();
        let reason = entries.last_reason.clone();
        count(&mut entries.declined, &reason, points);
        let said =
            if reason.is_empty() { "by the plugin".to_owned() } else { format!("by the plugin: {reason}") };
        mark(&mut entries, frames, &said);
    }

    fn no_snapshot(&self, error: &str) {
        self.lock().no_snapshot = Some(error.to_owned());
    }

    fn failed_at_end(&self, error: &str) {
        self.lock().failed_at_end = Some(error.to_owned());
    }

    fn ended(&self, end: &TrialEnd) {
        self.lock().end = end.clone();
    }
}

fn count(reasons: &mut BTreeMap<String, u64>, reason: &str, points: u64) {
    if reasons.len() >= MAX_REASONS && !reasons.contains_key(reason) {
        *reasons.entry("other reasons".to_owned()).or_default() += points;
    } else {
        *reasons.entry(reason.to_owned()).or_default() += points;
    }
}

/// Marks the point or batch of this frame as skipped in the report.
fn mark(entries: &mut Entries, frame: &[u8], reason: &str) {
    let Some(recorder) = &mut entries.recorder else { return };
    let one_line = reason.lines().next().unwrap_or_default();
    match frame::message(frame) {
        Some(RequestMessage::Point(point)) => {
            let tags = point.dimensions.iter().map(|key| (key.as_str(), point.tags.get(key)));
            let tags = tags.map(|(key, value)| (key, value.map_or("", String::as_str)));
            let group = report::Group::new(point.by_name.then_some(point.name.as_str()), tags);
            recorder.skipped(Some(&group), point.time, one_line);
        }
        Some(RequestMessage::End(end)) => {
            let tags = end.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
            let group = report::Group::new(end.by_name.then_some(end.name.as_str()), tags);
            recorder.skipped(Some(&group), end.tmax, one_line);
        }
        _ => {}
    }
}

/// The group of a message, as the report shows it.
pub fn report_group(group: &Group, first: Option<&Point>) -> report::Group {
    let value = |key: &String| first.and_then(|point| point.tags.get(key)).map_or("", String::as_str);
    let name = first.filter(|_| group.by_name).map(|point| point.measurement.as_str());
    report::Group::new(name, group.dimensions.iter().map(|key| (key.as_str(), value(key))))
}

fn report_level(level: LogLevel) -> report::Level {
    match level {
        LogLevel::Debug => report::Level::Debug,
        LogLevel::Info => report::Level::Info,
        LogLevel::Warn => report::Level::Warn,
        LogLevel::Error => report::Level::Error,
    }
}

/// Whether the plugin has written the line.
pub fn is_from_plugin(line: &Line) -> bool {
    line.message == PLUGIN_LOG
}

/// A line of the log as a person reads it: of a plugin's line only its text.
pub fn text_of(line: &Line) -> String {
    if is_from_plugin(line) {
        return line.field("text").to_owned();
    }
    // Which task and plugin it is about is known.
    let known = ["function", "task", "node", "plugin"];
    let others = line.fields.iter().filter(|(key, _)| !known.contains(key));
    others.fold(line.message.clone(), |text, (key, value)| format!("{text} {key}={value:?}"))
}
