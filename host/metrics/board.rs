//! The meters of all sessions, by UDF node.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::meter::{Held, SessionMeter};
use super::metric_sums::MetricSums;
use super::totals::{Snapshotted, Totals};
use crate::udf_node::UdfNode;

/// In the place of task and node: those of a function that have no series of their own.
const OTHER: &str = "(other)";

/// Maximum length in bytes of the names of nodes that are told apart: each is in many lines of what is told.
const LONGEST_NAME: usize = 256;

/// All UDF nodes that have had a task since the host has started, up to a number.
#[derive(Debug)]
pub struct Board {
    nodes: Mutex<HashMap<UdfNode, Node>>,
    /// Maximum number of nodes that are told apart.
    most: usize,
}

/// The sessions of one UDF node.
#[derive(Debug, Default)]
struct Node {
    running: Vec<Arc<SessionMeter>>,
    starts: u64,
    /// What the sessions that have ended have done.
    ended: Totals,
    /// What the counters of their plugins' own come to.
    ended_metrics: MetricSums,
    /// When the last of them has ended.
    ended_at: Option<Instant>,
    /// Plugin and state of the session that has ended last.
    plugin: (String, [u8; 32]),
    snapshot: Option<Snapshotted>,
}

/// What is known of one UDF node.
#[derive(Clone, Debug)]
pub struct NodeReading {
    /// Which node it is.
    pub udf: UdfNode,
    /// Number of sessions that run.
    pub running: u64,
    /// Number of tasks that were started.
    pub starts: u64,
    /// Name and SHA-256 of the plugin that runs, or has run last.
    pub plugin: (String, [u8; 32]),
    /// What all sessions have done, also those that have ended.
    pub totals: Totals,
    /// What the sessions that run hold, together; the age is that of the oldest.
    pub held: Held,
    /// The last state that was taken.
    pub snapshot: Option<Snapshotted>,
    /// The metrics of the plugins' own.
    pub metrics: MetricSums,
}

impl Board {
    /// Tells at most this number of nodes apart.
    pub fn new(most: usize) -> Self {
        Self { nodes: Mutex::default(), most }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UdfNode, Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the session of a task that has started. Returns the node under which it counts, for [`Board::end`].
    pub fn begin(&self, udf: &UdfNode, meter: &Arc<SessionMeter>) -> UdfNode {
        let mut nodes = self.lock();
        let short = [&udf.task, &udf.node, &udf.function].iter().all(|name| name.len() <= LONGEST_NAME);
        let udf = if nodes.contains_key(udf) || short && make_room(&mut nodes, self.most) {
            udf.clone()
        } else {
            other(udf)
        };
        let node = nodes.entry(udf.clone()).or_default();
        node.starts += 1;
        node.running.push(Arc::clone(meter));
        udf
    }

    /// The session of a task has ended; this number of points was not finished.
    pub fn end(&self, udf: &UdfNode, meter: &Arc<SessionMeter>, unfinished: u64) {
        let mut nodes = self.lock();
        let Some(node) = nodes.get_mut(udf) else { return };
        node.running.retain(|running| !Arc::ptr_eq(running, meter));
        node.ended.add(&Totals { unfinished, ..meter.totals() });
        node.ended_metrics.add_ended(&meter.metrics());
        node.ended_at = Some(Instant::now());
        node.plugin = meter.plugin();
        node.snapshot = latest(node.snapshot, meter.snapshot());
    }

    /// What is known of all nodes, sorted.
    pub fn read(&self) -> Vec<NodeReading> {
        let mut readings: Vec<_> = self.lock().iter().map(|(udf, node)| node.read(udf)).collect();
        readings.sort_unstable_by(|a, b| a.udf.cmp(&b.udf));
        readings
    }
}

/// Whether one more node can be told apart; the one whose last session has ended longest ago makes room.
fn make_room(nodes: &mut HashMap<UdfNode, Node>, most: usize) -> bool {
    if nodes.keys().filter(|udf| udf.task != OTHER).count() < most {
        return true;
    }
    let idle = nodes.iter().filter(|(udf, node)| node.running.is_empty() && udf.task != OTHER);
    let Some(udf) = idle.min_by_key(|(_, node)| node.ended_at).map(|(udf, _)| udf.clone()) else {
        return false;
    };
    let Some(gone) = nodes.remove(&udf) else { return false };
    let other = nodes.entry(other(&udf)).or_default();
    other.starts += gone.starts;
    other.ended.add(&gone.ended);
    other.ended_metrics.add_all(&gone.ended_metrics);
    true
}

/// The node under which those of the same function count that are not told apart.
fn other(udf: &UdfNode) -> UdfNode {
    UdfNode { task: OTHER.to_owned(), node: OTHER.to_owned(), function: udf.function.clone() }
}

fn latest(a: Option<Snapshotted>, b: Option<Snapshotted>) -> Option<Snapshotted> {
    a.into_iter().chain(b).max_by_key(|snapshot| snapshot.at)
}

impl Node {
    fn read(&self, udf: &UdfNode) -> NodeReading {
        let (mut totals, mut held, mut snapshot) = (self.ended, Held::default(), self.snapshot);
        let mut metrics = self.ended_metrics.clone();
        for meter in &self.running {
            metrics.add_running(&meter.metrics());
            totals.add(&meter.totals());
            let Held { queue, age, output, memory } = meter.held();
            held.queue += queue;
            held.age = held.age.max(age);
            held.output += output;
            held.memory += memory;
            snapshot = latest(snapshot, meter.snapshot());
        }
        NodeReading {
            udf: udf.clone(),
            running: self.running.len() as u64,
            starts: self.starts,
            plugin: self.running.last().map_or_else(|| self.plugin.clone(), |meter| meter.plugin()),
            totals,
            held,
            snapshot,
            metrics,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::CallClock;
    use crate::task::Counts;

    fn udf(task: &str) -> UdfNode {
        UdfNode { task: task.to_owned(), node: "n".to_owned(), function: "f".to_owned() }
    }

    fn meter(points_in: u64) -> Arc<SessionMeter> {
        let meter = SessionMeter::new(CallClock::new());
        meter.set_counts(&Counts { points_in, ..Counts::default() });
        Arc::new(meter)
    }

    /// Task, running sessions, starts and points of each node.
    fn shown(board: &Board) -> Vec<(String, u64, u64, u64)> {
        let shown =
            |node: NodeReading| (node.udf.task, node.running, node.starts, node.totals.counts.points_in);
        board.read().into_iter().map(shown).collect()
    }

    fn row(task: &str, running: u64, starts: u64, points_in: u64) -> (String, u64, u64, u64) {
        (task.to_owned(), running, starts, points_in)
    }

    #[test]
    fn counts_go_on_from_session_to_session() {
        let board = Board::new(10);
        let (first, second) = (meter(3), meter(4));
        let at = board.begin(&udf("a"), &first);
        assert_eq!(shown(&board), [row("a", 1, 1, 3)]);
        board.begin(&udf("a"), &second);
        assert_eq!(shown(&board), [row("a", 2, 2, 7)]);
        board.end(&at, &first, 2);
        assert_eq!(shown(&board), [row("a", 1, 2, 7)]);
        assert_eq!(board.read()[0].totals.unfinished, 2);
    }

    #[test]
    fn node_with_a_long_name_is_not_told_apart() {
        let (board, meter) = (Board::new(9), meter(1));
        assert_eq!(board.begin(&udf(&"x".repeat(LONGEST_NAME + 1)), &meter).task, OTHER);
        assert_eq!(board.begin(&udf(&"x".repeat(LONGEST_NAME)), &meter).task.len(), LONGEST_NAME);
    }

    #[test]
    fn node_whose_session_has_ended_longest_ago_makes_room() {
        let board = Board::new(2);
        let meters: Vec<_> = [1, 2, 4, 8].into_iter().map(meter).collect();
        let [a, b] = ["a", "b"].map(udf);
        board.begin(&a, &meters[0]);
        board.begin(&b, &meters[1]);
        // Both run, so the third has no series of its own.
        let third = board.begin(&udf("c"), &meters[2]);
        assert_eq!(shown(&board), [row("(other)", 1, 1, 4), row("a", 1, 1, 1), row("b", 1, 1, 2)]);
        board.end(&third, &meters[2], 0);
        board.end(&b, &meters[1], 0);
        board.end(&a, &meters[0], 0);
        board.begin(&udf("d"), &meters[3]);
        assert_eq!(shown(&board), [row("(other)", 0, 2, 6), row("a", 0, 1, 1), row("d", 1, 1, 8)]);
    }
}
