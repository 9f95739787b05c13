//! The meters of all sessions, by UDF node.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::history::{History, Progress, Rate};
use super::meter::{Held, SessionMeter};
use super::metric_sums::MetricSums;
use super::totals::{Snapshotted, Totals};
use crate::task::{LastError, LastTroubles};
use crate::udf_node::UdfNode;

/// In the place of task and node: those of a function that have no series of their own.
const OTHER: &str = "(other)";

/// Maximum length in bytes of the names of nodes that are told apart: each is in many lines of what is told.
const LONGEST_NAME: usize = 256;

/// Maximum number of tasks that could not start of which the reason is kept.
const MOST_REFUSED: usize = 64;

/// All UDF nodes that have had a task since the host has started, up to a number.
#[derive(Debug)]
pub struct Board {
    nodes: Mutex<HashMap<UdfNode, Node>>,
    /// Maximum number of nodes that are told apart.
    most: usize,
    /// When the rates were noted last.
    noted: Mutex<Option<Instant>>,
    /// Tasks that could not start, and have not started since; the newest last.
    refused: Mutex<VecDeque<Refusal>>,
}

/// A task that could not start.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The node of the task; its names are cut if they are long.
    pub udf: UdfNode,
    /// When, and what Kapacitor was answered.
    pub error: Arc<LastError>,
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
    /// What went wrong last in the sessions that have ended.
    last: LastTroubles,
    /// Its rates, where somebody notes them.
    history: Option<Box<History>>,
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
    /// Whether the input of a session that runs goes on unchanged, since the plugin has failed.
    pub passes_through: bool,
    /// What went wrong last.
    pub last: LastTroubles,
    /// What it does in a second, if that was noted.
    pub rate: Option<Rate>,
}

impl NodeReading {
    /// Whether it stands for all nodes of its function that are not told apart.
    pub fn is_other(&self) -> bool {
        self.udf.task == OTHER
    }
}

impl Board {
    /// Tells at most this number of nodes apart.
    pub fn new(most: usize) -> Self {
        Self { nodes: Mutex::default(), most, noted: Mutex::default(), refused: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UdfNode, Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the session of a task that has started. Returns the node under which it counts, for [`Board::end`].
    pub fn begin(&self, udf: &UdfNode, meter: &Arc<SessionMeter>) -> UdfNode {
        self.refused().retain(|refusal| refusal.udf != *udf);
        let mut nodes = self.lock();
        let short = [&udf.task, &udf.node, &udf.function].iter().all(|name| name.len() <= LONGEST_NAME);
        // A task of that name would be taken for all others.
        let apart = short && udf.task != OTHER;
        let udf = if apart && (nodes.contains_key(udf) || make_room(&mut nodes, self.most)) {
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
        node.last.take_in(meter.troubles().last());
    }

    /// A task could not start, because of `error`.
    pub fn refuse(&self, udf: &UdfNode, error: &str) {
        let short = |name: &String| name[..name.floor_char_boundary(LONGEST_NAME)].to_owned();
        let UdfNode { task, node, function } = udf;
        let udf = UdfNode { task: short(task), node: short(node), function: short(function) };
        let mut refused = self.refused();
        refused.retain(|refusal| refusal.udf != udf);
        if refused.len() == MOST_REFUSED {
            refused.pop_front();
        }
        refused.push_back(Refusal { udf, error: Arc::new(LastError::now(error)) });
    }

    fn refused(&self) -> MutexGuard<'_, VecDeque<Refusal>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest tasks that could not start, and have not started since; the newest first.
    pub fn refusals(&self) -> Vec<Refusal> {
        self.refused().iter().rev().cloned().collect()
    }

    /// Notes what all nodes have done since this was called last. Without that, there are no rates.
    pub fn note_rates(&self) {
        let now = Instant::now();
        let before = self.noted.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        for node in self.lock().values_mut() {
            let progress = node.progress();
            let history = node.history.get_or_insert_default();
            // What was not there before has done all that since then.
            history.note(progress, before.unwrap_or(now), now);
        }
    }

    /// The rates of a node so far, the oldest first.
    pub fn rates(&self, udf: &UdfNode) -> Vec<Rate> {
        let nodes = self.lock();
        let history = nodes.get(udf).and_then(|node| node.history.as_ref());
        history.map_or(Vec::new(), |history| history.rates().copied().collect())
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
    other.last.take_in(gone.last);
    if let Some(history) = gone.history {
        other.history.get_or_insert_default().take_in(&history);
    }
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
        let mut last = self.last.clone();
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
            last.take_in(meter.troubles().last());
        }
        NodeReading {
            udf: udf.clone(),
            running: self.running.len() as u64,
            starts: self.starts,
            plugin: self.running.last().map_or_else(|| self.plugin.clone(), |meter| meter.plugin()),
            totals,
            held,
            snapshot,
            passes_through: self.running.iter().any(|meter| meter.troubles().passes_through()),
            last,
            rate: self.history.as_ref().and_then(|history| history.now()),
            metrics,
        }
    }

    /// What all its sessions have done.
    fn progress(&self) -> Progress {
        let mut progress = self.ended.progress();
        self.running.iter().for_each(|meter| progress.add(&meter.progress()));
        progress
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
        let meter = SessionMeter::new(CallClock::new(), Arc::default());
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
    fn rates_go_on_from_session_to_session() {
        let board = Board::new(1);
        board.note_rates();
        let first = meter(300);
        let at = board.begin(&udf("a"), &first);
        assert_eq!(board.read()[0].rate, None);
        board.note_rates();
        // It has come since the rates were noted last.
        assert!(board.read()[0].rate.unwrap().points_in > 0.0);
        board.end(&at, &first, 0);
        board.note_rates();
        assert_eq!(board.read()[0].rate, Some(Rate::default()));
        assert_eq!(board.rates(&udf("a")).len(), 2);
        // What makes room is no work of those that take it in.
        board.begin(&udf("b"), &meter(0));
        board.note_rates();
        let rates: Vec<_> = board.read().into_iter().map(|node| node.rate.unwrap().points_in).collect();
        assert_eq!(rates, [0.0, 0.0]);
        assert!(board.rates(&udf("a")).is_empty());
    }

    #[test]
    fn what_went_wrong_stays_when_the_session_has_ended() {
        let (board, meter) = (Board::new(9), meter(1));
        let at = board.begin(&udf("a"), &meter);
        meter.troubles().note_error("it fails");
        meter.troubles().set_passes_through(true);
        assert!(board.read()[0].passes_through);
        board.end(&at, &meter, 0);
        let node = board.read().remove(0);
        assert_eq!(node.last.error.unwrap().error, "it fails");
        assert!(!node.passes_through);
    }

    #[test]
    fn tasks_that_can_not_start_are_kept_until_they_start() {
        let board = Board::new(9);
        for i in 0..MOST_REFUSED + 2 {
            board.refuse(&udf(&i.to_string()), "no");
        }
        board.refuse(&udf("5"), "still no");
        board.begin(&udf("6"), &meter(0));
        let refusals = board.refusals();
        assert_eq!((refusals.len(), refusals[0].udf.task.as_str()), (MOST_REFUSED - 1, "5"));
        assert_eq!(refusals[0].error.error, "still no");
        board.refuse(&udf(&"x".repeat(10_000)), &"y".repeat(10_000));
        let last = board.refusals().swap_remove(0);
        assert!(last.udf.task.len() < 300 && last.error.error.len() < 600);
    }

    #[test]
    fn node_with_a_long_name_is_not_told_apart() {
        let (board, meter) = (Board::new(9), meter(1));
        assert_eq!(board.begin(&udf(&"x".repeat(LONGEST_NAME + 1)), &meter).task, OTHER);
        assert_eq!(board.begin(&udf(&"x".repeat(LONGEST_NAME)), &meter).task.len(), LONGEST_NAME);
    }

    #[test]
    fn task_with_the_name_of_the_others_is_one_of_them() {
        let (board, meter) = (Board::new(1), meter(1));
        for node in ["a", "b", "c"] {
            let named = UdfNode { node: node.to_owned(), ..udf(OTHER) };
            assert_eq!(board.begin(&named, &meter).node, OTHER);
        }
        assert_eq!(board.read().len(), 1);
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
