//! Where in a batch a sequence of data frames has come to.

use super::frame::{self, Kind};
use super::run::Run;

/// A position in a sequence of Begin, Point and End frames, and whether the batch there is skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchCursor {
    /// Whether a Begin has come and not its End.
    inside: bool,
    /// Number of points since that Begin.
    points: u64,
    /// Whether the rest of the current batch is skipped, since its beginning was.
    skipping: bool,
}

impl BatchCursor {
    /// Whether a batch has begun and not ended.
    #[inline]
    pub fn is_inside(&self) -> bool {
        self.inside
    }

    /// Number of points of the batch that has begun and not ended.
    pub fn open_points(&self) -> u64 {
        if self.inside { self.points } else { 0 }
    }

    /// Whether the rest of the current batch is skipped.
    pub fn is_skipping(&self) -> bool {
        self.skipping
    }

    /// Goes over one data frame of this kind.
    #[inline]
    pub fn advance(&mut self, kind: &Kind) {
        // Nearly every frame is a point.
        if matches!(kind, Kind::Point) {
            self.points += 1;
        } else {
            self.inside = matches!(kind, Kind::Begin);
            self.points = if self.inside { 0 } else { self.points };
        }
    }

    /// Goes over `frames`, whole data frames, and returns the number of their points.
    pub fn advance_over(&mut self, frames: &[u8]) -> u64 {
        let (mut rest, mut points) = (frames, 0);
        while let Some((kind, _, after)) = frame::first_data(rest) {
            points += u64::from(matches!(kind, Kind::Point));
            self.advance(&kind);
            rest = after;
        }
        points
    }

    /// Goes over a whole run, whose frames need not be looked at, and returns the number of its points.
    pub fn advance_by(&mut self, run: &Run) -> u64 {
        if run.in_batch {
            let before = if run.batches { 0 } else { self.points };
            self.points = before + run.tail;
        }
        self.inside = run.in_batch;
        run.points
    }

    /// Whether a data frame of this kind belongs to a batch that is skipped, which its End completes.
    #[inline]
    pub fn skips(&mut self, kind: &Kind) -> bool {
        if !self.skipping {
            return false;
        }
        self.skipping = !matches!(kind, Kind::End);
        true
    }

    /// Takes the rest of the batch that is skipped off `frames`, whole data frames. Returns the frames behind
    /// it, and the number of points that were taken off.
    pub fn skip<'a>(&mut self, frames: &'a [u8]) -> (&'a [u8], u64) {
        let (mut rest, mut points) = (frames, 0);
        while self.skipping
            && let Some((kind, _, after)) = frame::first_data(rest)
        {
            rest = after;
            points += u64::from(matches!(kind, Kind::Point));
            self.skips(&kind);
        }
        (rest, points)
    }

    /// Skips the batch whose Begin was left out.
    pub fn skip_batch(&mut self) {
        self.skipping = true;
    }

    /// Leaves the batch whose End was left out, and returns the number of its points.
    pub fn leave_batch(&mut self) -> u64 {
        self.inside = false;
        std::mem::take(&mut self.points)
    }

    /// Skips the rest of the current batch, if there is one, since its beginning is lost. Returns the number
    /// of points that were lost with it.
    pub fn lose_batch(&mut self) -> u64 {
        if !self.inside {
            return 0;
        }
        self.skipping = true;
        self.leave_batch()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{BeginBatch, EndBatch, Point, RequestMessage, put_request};

    fn frames(kinds: &str) -> Vec<u8> {
        let mut frames = Vec::new();
        for kind in kinds.chars() {
            let message = match kind {
                'b' => RequestMessage::Begin(BeginBatch::default()),
                'e' => RequestMessage::End(EndBatch::default()),
                _ => RequestMessage::Point(Point::default()),
            };
            put_request(message, &mut frames);
        }
        frames
    }

    #[test]
    fn cursor_counts_the_points_of_the_open_batch() {
        let mut cursor = BatchCursor::default();
        assert_eq!(cursor.advance_over(&frames("bppebp")), 3);
        assert_eq!(cursor, BatchCursor { inside: true, points: 1, skipping: false });
        assert_eq!(cursor.advance_over(&frames("pp")), 2);
        assert_eq!(cursor.lose_batch(), 3);
        assert_eq!(cursor, BatchCursor { inside: false, points: 0, skipping: true });
        assert_eq!(cursor.lose_batch(), 0);
    }

    #[test]
    fn skipping_ends_behind_the_end_of_the_batch() {
        let mut cursor = BatchCursor::default();
        cursor.skip_batch();
        assert_eq!(cursor.skip(&frames("pp")), (&[][..], 2));
        let rest = frames("bp");
        assert_eq!(cursor.skip(&[frames("pe"), rest.clone()].concat()), (&rest[..], 1));
        assert_eq!(cursor.skip(&rest), (&rest[..], 0));
    }

    #[test]
    fn a_whole_run_moves_the_cursor_as_its_frames_do() {
        for (before, kinds) in [("", "pp"), ("bp", "pp"), ("bp", "pebpp"), ("b", "e"), ("", "bpe")] {
            let mut by_frames = BatchCursor::default();
            by_frames.advance_over(&frames(before));
            let mut by_run = by_frames;
            let mut run = Run::default();
            let mut inside = by_frames.is_inside();
            for kind in kinds.chars() {
                inside = if kind == 'p' { inside } else { kind == 'b' };
                run.count(kind == 'p', 1, inside);
            }
            assert_eq!(by_run.advance_by(&run), by_frames.advance_over(&frames(kinds)), "{before} {kinds}");
            assert_eq!(by_run.is_inside(), by_frames.is_inside(), "{before} {kinds}");
            if by_run.is_inside() {
                assert_eq!(by_run, by_frames, "{before} {kinds}");
            }
        }
    }
}
