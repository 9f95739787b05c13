//! The taps that are open.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::piece::{Direction, Piece};
use super::sampler::Fate;
use crate::udf_node::UdfNode;

/// Maximum number of taps that are open at once.
pub const MOST_TAPS: usize = 4;

/// Maximum number of bytes that wait in one tap for its reader.
pub const MOST_WAITING: usize = 4 * 1024 * 1024;

/// Maximum number of pieces that wait in one tap.
const MOST_PIECES: usize = 4096;

/// All taps that are open.
#[derive(Debug, Default)]
pub struct Taps {
    /// Changes whenever a tap is opened or closed.
    generation: AtomicU64,
    /// Number of sessions that were tapped.
    sessions: AtomicU64,
    open: Mutex<Vec<Arc<Tap>>>,
}

/// What is tapped, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapSpec {
    /// `TASK` or `TASK/NODE`.
    pub name: String,
    /// Whether the points that Kapacitor sends are shown.
    pub input: bool,
    /// Whether the points that Kapacitor gets are shown.
    pub output: bool,
    /// One of so many points, and one of so many batches, is shown.
    pub every: u64,
    /// Maximum number of points of each direction that are shown.
    pub most: u64,
}

impl TapSpec {
    /// Whether points of this direction are shown.
    pub fn has(&self, direction: Direction) -> bool {
        match direction {
            Direction::In => self.input,
            Direction::Out => self.output,
        }
    }

    /// Whether a session of `udf` is meant. Either name may have a `/`.
    pub fn is_of(&self, udf: &UdfNode) -> bool {
        let node = self.name.strip_prefix(&udf.task);
        node.is_some_and(|node| node.is_empty() || node.strip_prefix('/') == Some(&udf.node))
    }
}

/// There are as many taps as there may be.
#[derive(Debug, Error)]
#[error("there are {MOST_TAPS} taps already: wait until one of them ends, or end it")]
pub struct TooManyTaps;

/// A tap, as sessions see it.
#[derive(Debug)]
pub struct Tap {
    /// What is tapped.
    pub spec: TapSpec,
    /// Takes pieces.
    pub sender: Sender<Piece>,
    /// Number of bytes that wait, or that sessions have claimed.
    waiting: AtomicUsize,
    /// Number of points by direction and [`Fate`].
    points: [[AtomicU64; Fate::COUNT]; 2],
}

impl Tap {
    /// Claims room in the buffer, at most `wanted` bytes; returns how many there are.
    pub fn claim(&self, wanted: usize) -> usize {
        let mut claimed = 0;
        let _ = self.waiting.fetch_update(Relaxed, Relaxed, |waiting| {
            claimed = wanted.min(MOST_WAITING.saturating_sub(waiting));
            Some(waiting + claimed)
        });
        claimed
    }

    /// Gives back room that was claimed.
    pub fn give_back(&self, bytes: usize) {
        self.waiting.fetch_sub(bytes, Relaxed);
    }

    /// Counts points.
    pub fn count(&self, direction: Direction, points: [u64; Fate::COUNT]) {
        for (place, count) in self.points[direction as usize].iter().zip(points) {
            place.fetch_add(count, Relaxed);
        }
    }

    /// Number of points of a direction, by [`Fate`].
    pub fn points(&self, direction: Direction) -> [u64; Fate::COUNT] {
        std::array::from_fn(|fate| self.points[direction as usize][fate].load(Relaxed))
    }

    /// Number of points of a direction that may still be shown.
    pub fn points_left(&self, direction: Direction) -> u64 {
        self.spec.most.saturating_sub(self.points(direction)[Fate::Shown as usize])
    }
}

impl Taps {
    /// Differs from what it was before if taps were opened or closed since then.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Tap>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a tap. The sessions that it is of notice it before their next run.
    ///
    /// # Errors
    ///
    /// When there are [`MOST_TAPS`] already.
    pub fn open(self: &Arc<Self>, spec: TapSpec) -> Result<OpenTap, TooManyTaps> {
        let mut open = self.lock();
        if open.len() >= MOST_TAPS {
            return Err(TooManyTaps);
        }
        let (sender, receiver) = mpsc::channel(MOST_PIECES);
        let tap = Arc::new(Tap { spec, sender, waiting: AtomicUsize::new(0), points: Default::default() });
        open.push(Arc::clone(&tap));
        self.generation.fetch_add(1, Relaxed);
        Ok(OpenTap { taps: Arc::clone(self), tap, receiver })
    }

    fn close(&self, tap: &Arc<Tap>) {
        let mut open = self.lock();
        let before = open.len();
        open.retain(|other| !Arc::ptr_eq(other, tap));
        if open.len() < before {
            self.generation.fetch_add(1, Relaxed);
        }
    }

    /// The taps of sessions of `udf`, and the generation that they are of.
    pub fn of(&self, udf: &UdfNode) -> (u64, Vec<Arc<Tap>>) {
        let open = self.lock();
        let taps = open.iter().filter(|tap| tap.spec.is_of(udf)).cloned().collect();
        (self.generation(), taps)
    }

    /// A number for one more session.
    pub fn number(&self) -> u64 {
        self.sessions.fetch_add(1, Relaxed) + 1
    }
}

/// A tap, as its reader has it; it is closed when this is dropped.
#[derive(Debug)]
pub struct OpenTap {
    taps: Arc<Taps>,
    tap: Arc<Tap>,
    receiver: Receiver<Piece>,
}

impl OpenTap {
    /// What is tapped.
    pub fn spec(&self) -> &TapSpec {
        &self.tap.spec
    }

    /// Waits for the next piece.
    pub async fn next(&mut self) -> Option<Piece> {
        let piece = self.receiver.recv().await;
        self.taken(piece)
    }

    /// The next piece, if there is one.
    pub fn next_now(&mut self) -> Option<Piece> {
        let piece = self.receiver.try_recv().ok();
        self.taken(piece)
    }

    fn taken(&self, piece: Option<Piece>) -> Option<Piece> {
        if let Some(piece) = &piece {
            self.tap.give_back(piece.what.len());
        }
        piece
    }

    /// Number of points of a direction, by [`Fate`].
    pub fn points(&self, direction: Direction) -> [u64; Fate::COUNT] {
        self.tap.points(direction)
    }

    /// Whether as many points as were asked for were taken of each direction.
    pub fn is_full(&self) -> bool {
        let mut directions =
            [Direction::In, Direction::Out].into_iter().filter(|direction| self.tap.spec.has(*direction));
        directions.all(|direction| self.tap.points_left(direction) == 0)
    }

    /// Takes no more from sessions. What was taken can still be read.
    pub fn close(&self) {
        self.taps.close(&self.tap);
    }
}

impl Drop for OpenTap {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str) -> TapSpec {
        TapSpec { name: name.to_owned(), input: true, output: true, every: 1, most: 10 }
    }

    fn udf(task: &str, node: &str) -> UdfNode {
        UdfNode { task: task.to_owned(), node: node.to_owned(), function: "f".to_owned() }
    }

    #[test]
    fn name_is_that_of_a_task_or_of_one_of_its_nodes() {
        for (name, task, node, expected) in [
            ("cpu", "cpu", "udf2", true),
            ("cpu/udf2", "cpu", "udf2", true),
            ("cpu/udf3", "cpu", "udf2", false),
            ("cpu", "cpu2", "udf2", false),
            ("cpu2", "cpu", "udf2", false),
            ("a/b", "a/b", "udf2", true),
            ("a/b", "a", "b", true),
            ("a/b/udf2", "a/b", "udf2", true),
            ("größe", "größe", "udf2", true),
            ("", "", "udf2", true),
        ] {
            assert_eq!(spec(name).is_of(&udf(task, node)), expected, "{name} {task} {node}");
        }
    }

    #[test]
    fn number_of_taps_is_bounded_until_one_is_closed() {
        let taps = Arc::new(Taps::default());
        let mut open: Vec<_> = (0..MOST_TAPS).map(|_| taps.open(spec("cpu")).unwrap()).collect();
        let generation = taps.generation();
        assert!(taps.open(spec("cpu")).is_err());
        assert_eq!(taps.generation(), generation);
        assert_eq!(taps.of(&udf("cpu", "n")).1.len(), MOST_TAPS);
        open.pop();
        assert_ne!(taps.generation(), generation);
        assert!(taps.open(spec("mem")).is_ok());
        assert_eq!(taps.of(&udf("cpu", "n")).1.len(), MOST_TAPS - 1);
    }

    #[test]
    fn room_is_never_claimed_twice() {
        let taps = Arc::new(Taps::default());
        let tap = taps.open(spec("cpu")).unwrap().tap.clone();
        assert_eq!(tap.claim(MOST_WAITING - 10), MOST_WAITING - 10);
        assert_eq!(tap.claim(100), 10);
        assert_eq!(tap.claim(1), 0);
        tap.give_back(5);
        assert_eq!(tap.claim(100), 5);
    }
}
