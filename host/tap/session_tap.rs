//! The side of a session.

use std::sync::Arc;

use super::piece::{Direction, Piece, Source, What};
use super::sampler::{Fate, Picked, Room, Sampler};
use super::taps::{Tap, Taps};
use crate::protocol::Run;
use crate::udf_node::UdfNode;

/// A generation that there never is.
const NEVER: u64 = u64::MAX;

/// Maximum length of a note in bytes.
const MOST_NOTE: usize = 4096;

/// What a session gives to the taps of its task.
#[derive(Debug)]
pub struct SessionTap {
    taps: Arc<Taps>,
    /// The generation in which no tap is of the task; [`NEVER`] while there is one.
    idle_at: u64,
    /// The generation that was looked at last.
    looked_at: u64,
    /// The number of the session, once it was tapped.
    number: Option<u64>,
    attached: Vec<Attached>,
}

/// A tap of the task.
#[derive(Debug)]
struct Attached {
    tap: Arc<Tap>,
    source: Arc<Source>,
    input: Side,
    output: Side,
}

/// One direction.
#[derive(Debug)]
struct Side {
    sampler: Sampler,
    /// Number of points that were left out since the last ones that were shown.
    left_out: u64,
}

impl SessionTap {
    /// Of a session that has no task yet.
    pub fn new(taps: Arc<Taps>) -> Self {
        Self { taps, idle_at: 0, looked_at: 0, number: None, attached: Vec::new() }
    }

    /// Whether there is nothing to do: no tap is of the task, and none was opened.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.taps.generation() == self.idle_at
    }

    /// Whether a tap was of the task when it was looked last.
    #[inline]
    pub fn is_tapped(&self) -> bool {
        !self.attached.is_empty()
    }

    /// Looks which taps are of the task, if they may have changed. Those that are new to the session get `note`.
    pub fn look(&mut self, udf: &UdfNode, note: impl FnOnce() -> String) {
        if self.taps.generation() == self.looked_at {
            return;
        }
        let (generation, taps) = self.taps.of(udf);
        self.looked_at = generation;
        self.idle_at = if taps.is_empty() { generation } else { NEVER };
        self.attached.retain(|attached| taps.iter().any(|tap| Arc::ptr_eq(tap, &attached.tap)));
        let known = |tap: &Arc<Tap>| self.attached.iter().any(|attached| Arc::ptr_eq(tap, &attached.tap));
        let new: Vec<_> = taps.into_iter().filter(|tap| !known(tap)).collect();
        if new.is_empty() {
            return;
        }
        let session = *self.number.get_or_insert_with(|| self.taps.number());
        let note = note();
        for tap in new {
            // Of each tap its own, since its reader keeps something there.
            let source = Arc::new(Source { udf: udf.clone(), session, ..Source::default() });
            let side = || Side { sampler: Sampler::new(tap.spec.every), left_out: 0 };
            let (input, output) = (side(), side());
            let attached = Attached { tap, source, input, output };
            attached.note(&note);
            self.attached.push(attached);
        }
    }

    /// Gives what Kapacitor has sent.
    pub fn input(&mut self, run: &Run) {
        for attached in &mut self.attached {
            attached.give(Direction::In, &run.frames, run.in_batch);
        }
    }

    /// Gives what Kapacitor gets: whole frames in two parts, in which batches are whole.
    pub fn output(&mut self, copied: &[u8], in_place: &[u8]) {
        for attached in &mut self.attached {
            for frames in [copied, in_place] {
                attached.give(Direction::Out, frames, false);
            }
        }
    }

    /// Tells all taps of the task what has happened to it.
    pub fn note(&self, text: &str) {
        self.attached.iter().for_each(|attached| attached.note(text));
    }
}

impl Attached {
    fn give(&mut self, direction: Direction, frames: &[u8], ends_inside: bool) {
        let Self { tap, source, input, output } = self;
        if frames.is_empty() || !tap.spec.has(direction) {
            return;
        }
        let side = match direction {
            Direction::In => input,
            Direction::Out => output,
        };
        // Taken before anything is picked, so that what is picked is certain to be read.
        let permit = tap.sender.try_reserve().ok();
        let claimed = if permit.is_some() { tap.claim(frames.len()) } else { 0 };
        let room = Room { bytes: claimed, points: tap.points_left(direction) };
        let Picked { frames, points } = side.sampler.pick(frames, ends_inside, room);
        tap.give_back(claimed - frames.len());
        tap.count(direction, points);
        if let Some(permit) = permit.filter(|_| !frames.is_empty()) {
            let left_out = std::mem::take(&mut side.left_out);
            let what = What::Frames { direction, left_out, frames };
            permit.send(Piece { source: Arc::clone(source), what });
        }
        side.left_out += points[Fate::BufferFull as usize];
    }

    fn note(&self, text: &str) {
        let Ok(permit) = self.tap.sender.try_reserve() else { return };
        let text = text[..text.floor_char_boundary(MOST_NOTE)].to_owned();
        let claimed = self.tap.claim(text.len());
        if claimed < text.len() {
            self.tap.give_back(claimed);
            return;
        }
        permit.send(Piece { source: Arc::clone(&self.source), what: What::Note(text) });
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::{Point, RequestMessage, put_request};
    use crate::tap::frames::DataFrames;
    use crate::tap::taps::{MOST_WAITING, OpenTap, TapSpec};

    fn udf(task: &str) -> UdfNode {
        UdfNode { task: task.to_owned(), node: "udf2".to_owned(), function: "mean".to_owned() }
    }

    fn open(taps: &Arc<Taps>, task: &str) -> OpenTap {
        let spec = TapSpec { name: task.to_owned(), input: true, output: true, every: 1, most: 1 << 40 };
        taps.open(spec).unwrap()
    }

    fn frames(points: usize) -> Vec<u8> {
        let mut frames = Vec::new();
        (0..points).for_each(|_| put_request(RequestMessage::Point(Point::default()), &mut frames));
        frames
    }

    fn run(points: usize) -> Run {
        Run::default().with_frames(Bytes::from(frames(points)))
    }

    #[test]
    fn session_is_idle_unless_its_own_task_is_tapped() {
        let taps = Arc::new(Taps::default());
        let mut session = SessionTap::new(Arc::clone(&taps));
        assert!(session.is_idle());
        let other = open(&taps, "other");
        assert!(!session.is_idle());
        session.look(&udf("cpu"), || unreachable!());
        assert!(session.is_idle() && !session.is_tapped());
        let mut tap = open(&taps, "cpu");
        session.look(&udf("cpu"), || "here".to_owned());
        assert!(!session.is_idle() && session.is_tapped());
        session.look(&udf("cpu"), || unreachable!());
        assert!(matches!(tap.next_now().unwrap().what, What::Note(note) if note == "here"));
        session.input(&run(2));
        assert!(matches!(
            tap.next_now().unwrap().what,
            What::Frames { direction: Direction::In, left_out: 0, .. }
        ));
        drop((tap, other));
        session.look(&udf("cpu"), || unreachable!());
        assert!(session.is_idle() && !session.is_tapped());
    }

    #[test]
    fn what_nobody_reads_is_counted_and_takes_no_memory() {
        let taps = Arc::new(Taps::default());
        let mut session = SessionTap::new(Arc::clone(&taps));
        let mut tap = open(&taps, "cpu");
        session.look(&udf("cpu"), String::new);
        let (run, large) = (run(10_000), frames(1));
        let runs = 3 * MOST_WAITING / run.frames.len();
        (0..runs).for_each(|_| session.input(&run));
        session.output(&large, &[]);
        let [shown, .., full, _] = tap.points(Direction::In);
        assert_eq!(shown + full, 10_000 * runs as u64);
        let (mut bytes, mut read) = (0, 0);
        while let Some(piece) = tap.next_now() {
            bytes += piece.what.len();
            read += DataFrames::of(match &piece.what {
                What::Frames { frames, .. } => frames,
                What::Note(_) => &[],
            })
            .count() as u64;
        }
        assert!(bytes <= MOST_WAITING && read == shown, "{bytes} {read} {shown}");
        // Once there is room, the next piece says what is missing before it.
        session.input(&self::run(1));
        let Some(Piece { what: What::Frames { left_out, .. }, .. }) = tap.next_now() else { panic!() };
        assert_eq!(left_out, full);
    }
}
