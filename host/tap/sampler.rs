//! Which points of one direction are shown.

use super::frames::{DataFrames, DataKind};

/// What becomes of a point that goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is shown.
    Shown,
    /// It is none of each `every`.
    NotSampled,
    /// As many as were asked for are shown already.
    BeyondMost,
    /// The buffer of the tap is full, since points come faster than they are read.
    BufferFull,
    /// Its batch had begun before the tap.
    BatchCut,
}

impl Fate {
    /// How many there are.
    pub const COUNT: usize = 5;
}

/// Picks the points of one direction that are shown: one of each `every` points, and of batches one of each
/// `every` as a whole.
#[derive(Debug)]
pub struct Sampler {
    every: u64,
    /// Number of points and batches before the next one that is shown.
    until: u64,
    /// What becomes of the points of the open batch; `None` outside of batches.
    batch: Option<Fate>,
    /// Whether nothing was seen yet, so that a batch may be open.
    fresh: bool,
}

/// How much may still be shown.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Bytes.
    pub bytes: usize,
    /// Points.
    pub points: u64,
}

/// What was picked.
#[derive(Debug, Default)]
pub struct Picked {
    /// The frames that are shown.
    pub frames: Vec<u8>,
    /// Number of points by [`Fate`].
    pub points: [u64; Fate::COUNT],
}

impl Sampler {
    /// Shows one of each `every`.
    pub fn new(every: u64) -> Self {
        Self { every: every.max(1), until: 0, batch: None, fresh: true }
    }

    /// Picks from `frames`, which are whole, what is shown. `ends_inside`: the last of them is inside a batch.
    pub fn pick(&mut self, frames: &[u8], ends_inside: bool, room: Room) -> Picked {
        if std::mem::take(&mut self.fresh) && begins_inside(frames, ends_inside) {
            self.batch = Some(Fate::BatchCut);
        }
        let (mut picked, mut room) = (Picked::default(), room);
        for (kind, frame, _) in DataFrames::of(frames) {
            let fate = match kind {
                DataKind::Begin => {
                    let fate = self.next(frame, room);
                    self.batch = Some(fate);
                    fate
                }
                DataKind::Point => {
                    let fate = match self.batch {
                        None => self.next(frame, room),
                        Some(Fate::Shown) => fits(frame, room),
                        Some(hidden) => hidden,
                    };
                    picked.points[fate as usize] += 1;
                    room.points -= u64::from(fate == Fate::Shown);
                    fate
                }
                DataKind::End => match self.batch.take() {
                    // Where the batch ends is shown also if its last points are not.
                    Some(Fate::Shown) if frame.len() <= room.bytes => Fate::Shown,
                    _ => continue,
                },
            };
            if fate == Fate::Shown {
                picked.frames.extend_from_slice(frame);
                room.bytes -= frame.len();
            }
        }
        picked
    }

    /// What becomes of the next point or batch.
    fn next(&mut self, frame: &[u8], room: Room) -> Fate {
        if self.until > 0 {
            self.until -= 1;
            return Fate::NotSampled;
        }
        self.until = self.every - 1;
        fits(frame, room)
    }
}

fn fits(frame: &[u8], room: Room) -> Fate {
    if room.points == 0 {
        Fate::BeyondMost
    } else if frame.len() > room.bytes {
        Fate::BufferFull
    } else {
        Fate::Shown
    }
}

/// Whether a batch is open before the first of these frames.
fn begins_inside(frames: &[u8], ends_inside: bool) -> bool {
    let border = DataFrames::of(frames).map(|(kind, ..)| kind).find(|kind| *kind != DataKind::Point);
    match border {
        Some(kind) => kind == DataKind::End,
        None => ends_inside,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{BeginBatch, EndBatch, Point, RequestMessage, put_request};
    use proptest::prelude::*;

    const AMPLE: Room = Room { bytes: usize::MAX, points: u64::MAX };

    /// `b` and `e` are the borders of a batch, and a digit is a point of that time.
    fn frames(text: &str) -> Vec<u8> {
        let mut frames = Vec::new();
        for c in text.chars() {
            let message = match c {
                'b' => RequestMessage::Begin(BeginBatch::default()),
                'e' => RequestMessage::End(EndBatch::default()),
                digit => RequestMessage::Point(Point {
                    time: i64::from(digit.to_digit(10).unwrap()),
                    ..Point::default()
                }),
            };
            put_request(message, &mut frames);
        }
        frames
    }

    fn text(picked: &[u8]) -> String {
        let mut text = String::new();
        for (kind, frame, _) in DataFrames::of(picked) {
            text.push(match kind {
                DataKind::Begin => 'b',
                DataKind::End => 'e',
                DataKind::Point => {
                    let Some(RequestMessage::Point(point)) = crate::protocol::frame::message(frame) else {
                        unreachable!()
                    };
                    char::from_digit(point.time as u32, 10).unwrap()
                }
            });
        }
        text
    }

    #[track_caller]
    fn check(every: u64, pieces: &[(&str, bool)], room: Room, expected: &str, points: [u64; Fate::COUNT]) {
        let mut sampler = Sampler::new(every);
        let (mut shown, mut counts) = (String::new(), [0; Fate::COUNT]);
        for (piece, ends_inside) in pieces {
            let picked = sampler.pick(&frames(piece), *ends_inside, room);
            shown += &text(&picked.frames);
            counts.iter_mut().zip(picked.points).for_each(|(sum, count)| *sum += count);
        }
        assert_eq!((shown.as_str(), counts), (expected, points));
    }

    #[test]
    fn one_of_each_every_points_is_shown_across_runs() {
        check(1, &[("123", false), ("4", false)], AMPLE, "1234", [4, 0, 0, 0, 0]);
        check(3, &[("12", false), ("3456", false), ("7", false)], AMPLE, "147", [3, 4, 0, 0, 0]);
    }

    #[test]
    fn batches_are_shown_whole() {
        check(2, &[("b12eb34", true), ("5eb6e", false)], AMPLE, "b12eb6e", [3, 3, 0, 0, 0]);
        check(1, &[("be", false)], AMPLE, "be", [0; 5]);
    }

    #[test]
    fn batch_that_had_begun_before_is_not_shown() {
        check(1, &[("12eb3e", false)], AMPLE, "b3e", [1, 0, 0, 0, 2]);
        check(1, &[("12", true), ("3eb4e", false)], AMPLE, "b4e", [1, 0, 0, 0, 3]);
        check(1, &[("12b3e", false)], AMPLE, "12b3e", [3, 0, 0, 0, 0]);
    }

    #[test]
    fn what_does_not_fit_is_left_out_with_its_reason() {
        check(1, &[("12345", false)], Room { points: 2, ..AMPLE }, "12", [2, 0, 3, 0, 0]);
        // The end of a batch is shown, so that it is known to be one.
        check(1, &[("b123eb4e", false)], Room { points: 2, ..AMPLE }, "b12e", [2, 0, 2, 0, 0]);
        let bytes = frames("12").len();
        check(1, &[("1234", false)], Room { bytes, ..AMPLE }, "12", [2, 0, 0, 2, 0]);
        check(1, &[("b12e", false)], Room { bytes: 0, ..AMPLE }, "", [0, 0, 0, 2, 0]);
    }

    proptest! {
        #[test]
        fn each_point_has_one_fate(
            pieces in proptest::collection::vec(("[be0-9]{0,20}", any::<bool>()), 0..8),
            every in 0..4u64,
            bytes in 0..100usize,
            points in 0..20u64,
        ) {
            let mut sampler = Sampler::new(every);
            for (piece, ends_inside) in &pieces {
                let frames = frames(piece);
                let picked = sampler.pick(&frames, *ends_inside, Room { bytes, points });
                let count = piece.chars().filter(char::is_ascii_digit).count() as u64;
                prop_assert_eq!(picked.points.iter().sum::<u64>(), count);
                prop_assert!(picked.frames.len() <= bytes && picked.points[0] <= points);
                let shown = DataFrames::of(&picked.frames).filter(|(kind, ..)| *kind == DataKind::Point).count();
                prop_assert_eq!(shown as u64, picked.points[0]);
            }
        }
    }
}
