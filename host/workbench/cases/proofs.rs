//! Two proofs that come with each case: a task that is interrupted, and one that recovers from failures, send what
//! they would send otherwise.

use std::sync::Arc;

use anyhow::Result;

use super::case::{Case, Tolerance};
use super::compare::compare;
use super::outcome::{Proof, lines};
use super::play::{Ran, run};
use crate::config::OnTrap;
use crate::protocol::EdgeType;
use crate::task::{ForcedFailures, MAX_RECOVERIES, Trial};
use crate::workbench::ledger::Ledger;
use crate::workbench::pipeline::{Message, put_frames};
use crate::workbench::player::StartRefused;
use crate::workbench::plugin_host::PluginHost;

/// Maximum number of interruptions of one case.
const MAX_INTERRUPTIONS: usize = 100;

/// One in so many points or batches fails.
const ONE_IN: u64 = 5;

/// Number of seeds that are tried until one chooses some points and leaves some.
const SEEDS: u64 = 100;

/// What is computed from the same input is the same to the last bit.
const EXACT: Tolerance = Tolerance { absolute: 0.0, relative: 0.0 };

/// Takes a snapshot after every so many messages, and goes on from it in a new sandbox. Without interruptions, the
/// plugin has failed by itself at so many `failures`.
///
/// # Errors
///
/// When the machine has no room for a task.
pub fn interrupted(
    host: &PluginHost,
    case: &Case,
    messages: &[Message],
    whole: &Ran,
    failures: u64,
) -> Result<Proof> {
    if messages.len() < 2 {
        return Ok(Proof::Skipped("it takes two points or batches".to_owned()));
    }
    let every = messages.len().div_ceil(MAX_INTERRUPTIONS + 1);
    let (mut snapshot, mut points) = (None, Vec::new());
    let pieces = messages.chunks(every);
    let interruptions = pieces.len() - 1;
    for (number, piece) in pieces.enumerate() {
        let after = |what: &str| {
            Proof::Fails(vec![format!("{what} after {} of {} inputs", number * every, messages.len())])
        };
        let ledger = Arc::new(Ledger::default());
        let trial = Trial { observer: Some(ledger.clone()), ..Trial::default() };
        let mut ran = match run(host, case, snapshot.take(), piece, trial) {
            Ok(ran) => ran,
            Err(error) => {
                let refused = error.downcast::<StartRefused>()?;
                return Ok(after(&format!("the snapshot was refused: {refused};")));
            }
        };
        if let Some(error) = ran.end.error {
            return Ok(after(&format!("the task has ended: {error};")));
        }
        if let Some(error) = ledger.take().no_snapshot {
            return Ok(after(&format!("no snapshot can be taken: {error};")));
        }
        if number < interruptions {
            // What comes behind the snapshot is said at the end of the input, which this is not.
            ran.points.truncate(ran.end.points_before_snapshot);
        }
        points.append(&mut ran.points);
        // Kapacitor keeps no empty snapshot.
        snapshot = ran.end.snapshot.filter(|snapshot| !snapshot.is_empty());
    }
    let differences = compare(&whole.points, &points, EXACT);
    if differences.count == 0 {
        return Ok(Proof::Holds(format!("interrupted {interruptions} times")));
    }
    if failures >= u64::from(MAX_RECOVERIES) {
        let reason = format!(
            "the plugin fails {failures} times by itself, and the host, which starts it anew after {MAX_RECOVERIES} failures in a row, counts them anew after each interruption"
        );
        return Ok(Proof::Skipped(reason));
    }
    let mut problems = vec![format!(
        "interrupted after every {every} inputs, the plugin sends something else: some of its state is not in the snapshot"
    )];
    problems.extend(lines(differences));
    Ok(Proof::Fails(problems))
}

/// Has calls fail after the plugin has computed. What comes out is what comes out if the points at which they fail had
/// never come.
///
/// # Errors
///
/// When the machine has no room for a task.
pub fn recovered(host: &PluginHost, case: &Case, messages: &[Message]) -> Result<Proof> {
    if host.policy().on_trap != OnTrap::Recover {
        return Ok(Proof::Skipped("policy.on-trap is not `recover`".to_owned()));
    }
    let batches = host.plugin().info.wants() == EdgeType::Batch;
    let all: Vec<(Vec<u8>, &Message)> =
        messages.iter().map(|message| (last_frame(message), message)).collect();
    let Some((failures, left)) = choose(&all, batches) else {
        return Ok(Proof::Skipped("it takes more points or batches".to_owned()));
    };
    let failed = messages.len() - left.len();
    let trial = Trial { failures: Some(failures), ..Trial::default() };
    let (with, without) =
        match (run(host, case, None, messages, trial), run(host, case, None, left, Trial::default())) {
            (Ok(with), Ok(without)) => (with, without),
            (Err(error), _) | (_, Err(error)) => {
                return Ok(Proof::Fails(vec![error.downcast::<StartRefused>()?.to_string()]));
            }
        };
    if let Some(error) = with.end.error {
        return Ok(Proof::Fails(vec![format!("the task has ended: {error}")]));
    }
    let differences = compare(&without.points, &with.points, EXACT);
    if differences.count == 0 {
        return Ok(Proof::Holds(format!("recovered from {failed} failures")));
    }
    let mut problems = vec![format!(
        "with {failed} inputs that fail, the plugin sends something else than without them: some of its state outlives a failure"
    )];
    problems.extend(lines(differences));
    Ok(Proof::Fails(problems))
}

/// A choice of failures that leaves some messages, and those that are left.
fn choose<'a>(all: &[(Vec<u8>, &'a Message)], batches: bool) -> Option<(ForcedFailures, Vec<&'a Message>)> {
    (0..SEEDS).find_map(|seed| {
        let failures = ForcedFailures { seed, one_in: ONE_IN, batches };
        let left: Vec<&Message> =
            all.iter().filter(|(frame, _)| !failures.choose(frame)).map(|(_, message)| *message).collect();
        (!left.is_empty() && left.len() < all.len()).then_some((failures, left))
    })
}

/// The frame by which a message is chosen: its last one.
fn last_frame(message: &Message) -> Vec<u8> {
    let mut frames = Vec::new();
    put_frames(message.clone(), &mut frames);
    let mut rest = &frames[..];
    let mut last = rest;
    while let Some((_, frame, after)) = crate::protocol::frame::first_data(rest) {
        (last, rest) = (frame, after);
    }
    last.to_vec()
}
