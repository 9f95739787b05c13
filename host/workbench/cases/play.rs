//! Runs a task on some messages, and keeps what comes out.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use kapacitor_wasm_data::Point;

use super::case::Case;
use crate::task::Trial;
use crate::workbench::output::Output;
use crate::workbench::pipeline::Message;
use crate::workbench::player::{End, Player, Start};
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

/// Runs a task on `messages`, from a snapshot or from the beginning.
///
/// # Errors
///
/// [`StartRefused`](crate::workbench::player::StartRefused), or that the connection was lost.
#[expect(single_use_lifetimes, reason = "an anonymous one can't stand here yet")]
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
    let mut player = Player::start(host, start, trial, move |mut output: Output| {
        let mut points = sink.lock().unwrap_or_else(PoisonError::into_inner);
        points.append(&mut output.take_points());
    })?;
    for message in messages {
        if !player.send(message.clone()) {
            break;
        }
    }
    let end = player.end(true)?;
    let points = mem::take(&mut *points.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Ran { points, end })
}
