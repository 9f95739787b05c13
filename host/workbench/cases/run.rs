//! Runs one case.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;
use kapacitor_wasm_data::Point;

use super::case::Case;
use super::compare::compare;
use super::outcome::{CaseOutcome, lines};
use super::proofs::{interrupted, recovered};
use crate::task::{Observer, Trial};
use crate::workbench::ledger::{Ledger, is_from_plugin, text_of};
use crate::workbench::pipeline::{Message, Pipeline};
use crate::workbench::player::{End, Player, Start, StartRefused};
use crate::workbench::plugin_host::PluginHost;

/// Kapacitor's id of the tasks.
const TASK: &str = "test";

/// What came out of a task.
#[derive(Debug, Default)]
pub struct Ran {
    /// The points.
    pub points: Vec<Point>,
    /// How it ended.
    pub end: End,
}

/// Runs `case` as it is, and then its proofs. Lines of the log go to `set_ledger`'s argument.
///
/// # Errors
///
/// When the input does not fit the plugin, or the machine has no room for a task.
pub fn run_case(host: &PluginHost, case: &Case, set_ledger: &dyn Fn(&Arc<Ledger>)) -> Result<CaseOutcome> {
    let begin = Instant::now();
    let (messages, lost) = messages(host, case)?;
    let ledger = Arc::new(Ledger::default());
    set_ledger(&ledger);
    let observer: Arc<dyn Observer> = ledger.clone();
    let trial = Trial { observer: Some(observer), ..Trial::default() };
    let ran = run(host, case, None, &messages, trial);
    let mut outcome = CaseOutcome {
        name: case.name.clone(),
        problems: Vec::new(),
        points: Vec::new(),
        differences: Vec::new(),
        proofs: Vec::new(),
        log: Vec::new(),
        took: begin.elapsed(),
    };
    let ran = match ran {
        Ok(ran) => Some(ran),
        Err(error) => {
            let refused = error.downcast::<StartRefused>()?.0;
            outcome.problems.extend(problem_of_start(case, &refused));
            None
        }
    };
    let entries = ledger.take();
    outcome.log = entries.lines.iter().filter(|line| is_from_plugin(line)).map(text_of).collect();
    if let Some(ran) = ran {
        let counts = entries.end.counts;
        outcome.problems = problems(case, &ran, counts.skipped + counts.declined, &outcome.log);
        outcome.problems.extend(lost);
        if let Some(expected) = &case.expected {
            outcome.differences = lines(compare(expected, &ran.points, case.tolerance));
        }
        // The log of the proofs repeats what was said.
        set_ledger(&Arc::default());
        if case.proofs.interrupted {
            outcome.proofs.push(("interrupted", interrupted(host, case, &messages, &ran)?));
        }
        if case.proofs.recovered {
            outcome.proofs.push(("recovered", recovered(host, case, &messages)?));
        }
        outcome.points = ran.points;
    }
    outcome.took = begin.elapsed();
    Ok(outcome)
}

/// What the plugin gets; and why it gets nothing of an input that has points.
fn messages(host: &PluginHost, case: &Case) -> Result<(Vec<Message>, Option<String>)> {
    let mut pipeline = Pipeline::new(case.call.pipeline.clone(), host.plugin().info.wants())?;
    let mut messages = Vec::new();
    for record in &case.input {
        messages.extend(pipeline.push(record.clone())?);
    }
    let lost = (messages.is_empty() && !case.input.is_empty()).then(|| {
        let filtered: u64 = pipeline.counts.filtered().values().sum();
        format!(
            "no point reached the plugin: {filtered} are of another measurement or database, and {} are in windows that \
             no later point completes",
            pipeline.unsent()
        )
    });
    Ok((messages, lost))
}

/// Runs a task on `messages`, from a snapshot or from the beginning.
///
/// # Errors
///
/// [`StartRefused`], or that the connection was lost.
pub fn run<'a>(
    host: &PluginHost,
    case: &Case,
    snapshot: Option<Vec<u8>>,
    messages: impl IntoIterator<Item = &'a Message>,
    trial: Trial,
) -> Result<Ran> {
    let points = Arc::new(Mutex::new(Vec::new()));
    let start = Start { task: TASK.to_owned(), options: case.call.options.clone(), snapshot };
    let sink = Arc::clone(&points);
    let mut player = Player::start(host, start, trial, move |mut output| {
        let mut points = sink.lock().unwrap_or_else(PoisonError::into_inner);
        points.append(&mut output.take_points());
    })?;
    for message in messages {
        if !player.send(message.clone()) {
            break;
        }
    }
    let end = player.end(true)?;
    let points = std::mem::take(&mut *points.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Ran { points, end })
}

fn problem_of_start(case: &Case, refused: &str) -> Option<String> {
    match &case.error {
        Some(expected) if refused.contains(expected) => None,
        Some(expected) => Some(format!("the task does not start: {refused}; expected an error with `{expected}`")),
        None => Some(format!("the task does not start: {refused}")),
    }
}

fn problems(case: &Case, ran: &Ran, skipped: u64, log: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(error) = &case.error {
        problems.push(format!("the task has started, expected an error with `{error}`"));
    }
    if let Some(error) = &ran.end.error {
        problems.push(format!("the task has ended: {error}"));
    }
    if let Some(expected) = case.skipped
        && expected != skipped
    {
        problems.push(format!("{skipped} points were skipped, expected {expected}"));
    }
    for pattern in &case.log {
        if !log.iter().any(|line| pattern.is_match(line)) {
            problems.push(format!("no line of the log matches `{pattern}`"));
        }
    }
    problems
}
