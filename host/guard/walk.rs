//! The walk over the response frames of one call.

use super::fast_path::point_at;
use super::frames::{Point, frame_at, points_of};
use super::open_batch::OpenBatch;
use super::response::{PointFate, Response, ResponseCheck};
use super::series::{length_of_measurement, may_exceed_in_batch, problem_of_point_in_batch};
use super::violation::{Violation, ViolationKind};
use crate::config::{EdgeCheck, Limits, Policy};
use crate::protocol::EdgeType;
use crate::units::Bytes;

/// What passed of one call.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Number of points that passed; those of a batch may go out with a later call, or be lost with it.
    pub points: u64,
    /// Number of points that go out, with those of earlier calls in a batch that has ended.
    pub points_out: u64,
    /// Number of points that were left out because InfluxDB can't store them.
    pub dropped_points: u64,
    /// Number of points that have lost fields which InfluxDB can't store.
    pub reduced_points: u64,
    /// The text of an error response, which ends the session. It is not passed on as it is.
    pub error: Option<String>,
    /// Whether there are frames, all may go as they are, and none was copied.
    pub in_place: bool,
}

/// The guard of one sandbox.
#[derive(Clone)]
pub struct Guard {
    rules: Rules,
    check: ResponseCheck,
    /// The batch that a call left open.
    open: Option<OpenBatch>,
}

#[derive(Clone, Copy)]
struct Rules {
    /// Whether batches may go out.
    batches: bool,
    /// Whether points may go out outside of a batch.
    single_points: bool,
    max_batch: Bytes,
    max_points: u64,
}

impl Guard {
    /// A guard for a plugin that `provides` this edge.
    pub fn new(provides: EdgeType, limits: &Limits, policy: &Policy) -> Self {
        let loose = policy.edge_check == EdgeCheck::Loose;
        let rules = Rules {
            batches: provides == EdgeType::Batch || loose,
            single_points: provides == EdgeType::Stream || loose,
            max_batch: limits.output,
            max_points: limits.output_points,
        };
        Self { rules, check: ResponseCheck::new(policy), open: None }
    }

    /// A guard for Kapacitor's own data, which goes back to it: a batch of it may be of any size.
    pub fn of_input(provides: EdgeType, limits: &Limits, policy: &Policy) -> Self {
        let mut guard = Self::new(provides, limits, policy);
        (guard.rules.max_batch, guard.rules.max_points) = (Bytes(u64::MAX), u64::MAX);
        guard
    }

    /// Bytes of the batch that the last call left open.
    pub fn size(&self) -> usize {
        self.open.as_ref().map_or(0, OpenBatch::bytes)
    }

    /// Whether the last call left a batch open.
    pub fn in_batch(&self) -> bool {
        self.open.is_some()
    }

    /// Checks the response frames of one call and appends to `out` what may go to Kapacitor.
    ///
    /// # Errors
    ///
    /// At the first response that must not go. The frames before it are in `out`.
    pub fn pass(&mut self, frames: &[u8], out: &mut Vec<u8>) -> Result<Verdict, Violation> {
        let verdict = self.pass_in_place(frames, out)?;
        if verdict.in_place {
            out.extend_from_slice(frames);
        }
        Ok(Verdict { in_place: false, ..verdict })
    }

    /// The same, except where all frames may go as they are, as in nearly all calls of a plugin that provides a
    /// stream: then they can be sent from where they lie, and nothing is appended to `out`.
    ///
    /// # Errors
    ///
    /// As [`Guard::pass`].
    pub fn pass_in_place(&mut self, frames: &[u8], out: &mut Vec<u8>) -> Result<Verdict, Violation> {
        let verdict = Verdict::default();
        let mut walk = Walk { guard: self, frames, out, pending: 0, pos: 0, response: 0, verdict };
        match walk.run() {
            Ok(()) => Ok(walk.verdict),
            Err(kind) => Err(Violation { response: walk.response, kind }),
        }
    }
}

/// The walk over the frames of one call.
struct Walk<'a> {
    guard: &'a mut Guard,
    frames: &'a [u8],
    out: &'a mut Vec<u8>,
    /// Start of the frames that have passed and are not yet in `out` or in the open batch.
    pending: usize,
    /// Start of the next frame.
    pos: usize,
    /// Number of responses so far.
    response: usize,
    verdict: Verdict,
}

impl Walk<'_> {
    fn run(&mut self) -> Result<(), ViolationKind> {
        let mut result = Ok(());
        while self.pos < self.frames.len() && result.is_ok() {
            self.pass_short_points();
            if self.pos == self.frames.len() {
                break;
            }
            self.response += 1;
            result = self.step();
        }
        let whole = self.pending == 0 && self.pos == self.frames.len() && self.pos > 0;
        self.verdict.in_place = whole && self.guard.open.is_none();
        if !self.verdict.in_place {
            self.flush(self.pos);
        }
        result
    }

    /// Goes over points that may go as they are, which nearly all are. Stays at the first response that has to be
    /// checked more closely.
    #[inline]
    fn pass_short_points(&mut self) {
        let Rules { single_points, max_batch, max_points, .. } = self.guard.rules;
        let named = self.guard.open.is_none();
        let mut most = max_points.saturating_sub(self.verdict.points + self.verdict.dropped_points);
        let mut last_end = usize::MAX;
        match &self.guard.open {
            _ if self.verdict.error.is_some() => return,
            Some(batch) => {
                most = most.min(max_points.saturating_sub(batch.count()));
                let before = max_batch.as_usize().saturating_add(self.start_of_points(batch));
                last_end = before.saturating_sub(batch.bytes());
            }
            None if !single_points => return,
            None => {}
        }
        let (mut points, mut pos) = (0, self.pos);
        while points < most
            && let Some(end) = point_at(self.frames, pos, named)
            && end <= last_end
        {
            points += 1;
            pos = end;
        }
        self.pos = pos;
        self.verdict.points += points;
        self.response += points as usize;
        match &mut self.guard.open {
            Some(batch) => batch.add_points(points),
            None => self.verdict.points_out += points,
        }
    }

    /// Checks the next response and goes on behind it. Stays there if it must not go.
    fn step(&mut self) -> Result<(), ViolationKind> {
        if self.verdict.error.is_some() {
            return Err(ViolationKind::AfterError);
        }
        let (start, end) = frame_at(self.frames, self.pos).ok_or(ViolationKind::Frame)?;
        let message = &self.frames[start..end];
        let response = self.guard.check.check(message, self.guard.open.is_some())?;
        match response {
            Response::Point(fate) => self.pass_point(fate, end)?,
            Response::Error(text) => {
                self.flush_before(end);
                self.verdict.error = Some(text.to_owned());
            }
            Response::Begin | Response::End { .. } if !self.guard.rules.batches => {
                return Err(ViolationKind::BatchOnStream(response.name()));
            }
            Response::Begin => {
                if self.guard.open.is_some() {
                    return Err(ViolationKind::BeginInBatch);
                }
                let batch = OpenBatch::begin(message, self.pos..end)?;
                self.check_size(&batch, end)?;
                self.guard.open = Some(batch);
            }
            Response::End { dropped, message } => {
                if !dropped {
                    self.leave_out_long_series(message)?;
                }
                let batch = self.guard.open.take().ok_or(ViolationKind::EndWithoutBegin)?;
                if let Err(kind) = self.check_size(&batch, end) {
                    // It stays open, or its points would go out without a Begin.
                    self.guard.open = Some(batch);
                    return Err(kind);
                }
                if dropped {
                    self.drop_batch(&batch, end);
                } else {
                    self.send_batch(&batch, end);
                }
            }
        }
        self.pos = end;
        Ok(())
    }

    /// Passes a point, whose frame ends at `end`.
    fn pass_point(&mut self, fate: PointFate, end: usize) -> Result<(), ViolationKind> {
        let Rules { single_points, max_points, .. } = self.guard.rules;
        self.verdict.points += 1;
        if self.verdict.points + self.verdict.dropped_points > max_points {
            return Err(ViolationKind::TooManyPoints(max_points));
        }
        if let Some(batch) = &mut self.guard.open {
            batch.add_points(1);
            batch.note_length(end - self.pos);
            if batch.count() > max_points {
                return Err(ViolationKind::TooManyPoints(max_points));
            }
        }
        match &self.guard.open {
            Some(batch) => self.check_size(batch, end)?,
            None if !single_points => return Err(ViolationKind::PointOutsideBatch),
            None => self.verdict.points_out += 1,
        }
        match fate {
            PointFate::Whole => {}
            PointFate::Reduced => {
                self.flush_before(end);
                self.verdict.reduced_points += 1;
                let reduced = self.guard.check.reduced();
                match &mut self.guard.open {
                    Some(batch) => batch.append(reduced),
                    None => self.out.extend_from_slice(reduced),
                }
            }
            PointFate::Dropped => {
                self.flush_before(end);
                self.verdict.points -= 1;
                self.verdict.dropped_points += 1;
                match &mut self.guard.open {
                    Some(batch) => batch.remove_point(),
                    None => self.verdict.points_out -= 1,
                }
            }
        }
        Ok(())
    }

    /// Sends `batch`, whose End's frame ends at `end`.
    fn send_batch(&mut self, batch: &OpenBatch, end: usize) {
        self.verdict.points_out += batch.count();
        match batch.frame() {
            Some(_) if batch.has_its_size() => {}
            begin => {
                if let Some(begin) = begin {
                    self.out.extend_from_slice(&self.frames[self.pending..begin.start]);
                    self.pending = begin.end;
                }
                batch.write(self.out);
                self.flush(end);
            }
        }
    }

    /// Leaves out `batch`, whose End's frame ends at `end`.
    fn drop_batch(&mut self, batch: &OpenBatch, end: usize) {
        if let Some(begin) = batch.frame() {
            self.out.extend_from_slice(&self.frames[self.pending..begin.start]);
        }
        self.pending = end;
        // Those of earlier calls were counted there.
        self.verdict.points = self.verdict.points.saturating_sub(batch.count());
        self.verdict.dropped_points += batch.count();
    }

    /// Leaves out those points of the open batch that are too long for InfluxDB with the measurement of `message`, its
    /// End.
    fn leave_out_long_series(&mut self, message: &[u8]) -> Result<(), ViolationKind> {
        let Some(batch) = &self.guard.open else { return Ok(()) };
        if !batch.has_long_points() && !may_exceed_in_batch(message.len()) {
            return Ok(());
        }
        let measurement = length_of_measurement(message);
        let problem = |Point { message, .. }: Point<'_>| problem_of_point_in_batch(measurement, message);
        let last = &self.frames[self.start_of_points(batch)..self.pos];
        let find = || points_of(batch.points()).chain(points_of(last)).find_map(problem);
        if !self.guard.check.leaves_out(find)? {
            return Ok(());
        }
        self.flush(self.pos);
        let fits = |message: &[u8]| problem_of_point_in_batch(measurement, message).is_none();
        let dropped = self.guard.open.as_mut().map_or(0, |batch| batch.retain(fits));
        // Those of earlier calls were counted there.
        self.verdict.points = self.verdict.points.saturating_sub(dropped);
        self.verdict.dropped_points += dropped;
        Ok(())
    }

    /// Checks the size of `batch`, whose frames of this call end at `end`.
    fn check_size(&self, batch: &OpenBatch, end: usize) -> Result<(), ViolationKind> {
        let max_batch = self.guard.rules.max_batch;
        let bytes = batch.bytes() + end - self.start_of_points(batch);
        if bytes as u64 > max_batch.0 { Err(ViolationKind::BatchTooLarge(max_batch)) } else { Ok(()) }
    }

    /// Start of the points of `batch` that have passed and are not yet in it.
    fn start_of_points(&self, batch: &OpenBatch) -> usize {
        batch.frame().map_or(self.pending, |begin| begin.end)
    }

    /// Moves the frames that have passed before the current one, which ends at `end` and does not go as it is.
    fn flush_before(&mut self, end: usize) {
        self.flush(self.pos);
        self.pending = end;
    }

    /// Moves the frames that have passed, up to `end`: into the open batch, or to `out`.
    fn flush(&mut self, end: usize) {
        if let Some(begin) = self.guard.open.as_mut().and_then(OpenBatch::take_frame) {
            self.out.extend_from_slice(&self.frames[self.pending..begin.start]);
            self.pending = begin.end;
        }
        let frames = &self.frames[self.pending..end];
        match &mut self.guard.open {
            Some(batch) => batch.append(frames),
            None => self.out.extend_from_slice(frames),
        }
        self.pending = end;
    }
}
