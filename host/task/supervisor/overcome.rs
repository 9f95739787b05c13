//! What happens after a guest has failed: the policy `on-trap`.

use std::mem;
use std::time::{Duration, Instant};

use tokio::task::yield_now;

use super::row::{MAX_RECOVERIES, MAX_RESTARTS, Row};
use super::{GuestSlot, Supervisor};
use crate::config::{EdgeCheck, OnTrap, Policy, Unwanted};
use crate::logging::log_for;
use crate::protocol::frame::{self, Kind};
use crate::sandbox::{GuestLog, Turn};
use crate::task::error::{Failure, TaskError};
use crate::task::program::Program;
use crate::task::recovery::Revived;
use crate::task::reply::Reply;

/// Time for which a failure counts against `policy.failures-per-minute`.
const MINUTE: Duration = Duration::from_secs(60);

/// Number of points of one batch after which the batch is skipped, if one after the other exceeds a limit.
const MAX_IN_SUCCESSION: u32 = 3;

impl<P: Program> Supervisor<P> {
    /// Goes on after `failure`, with which a call that was given `frames` has ended. Returns the length of what is left
    /// of the frames, when the guest has to wait for its share of a core before it gets that.
    ///
    /// # Errors
    ///
    /// Why the task must end.
    pub async fn overcome(
        &mut self,
        frames: &[u8],
        failure: Failure,
        reply: &mut Reply,
    ) -> Result<usize, TaskError> {
        // What follows may take long: it moves to the threads for guests.
        yield_now().await;
        match self.setup.policy.on_trap {
            OnTrap::Fail => {
                self.lose_guest().await;
                Err(failure.into())
            }
            OnTrap::PassThrough => {
                self.bypass(&failure, frames);
                self.pass_on(frames, reply).map(|()| 0)
            }
            OnTrap::Recover | OnTrap::Restart => {
                let result = self.skip_what_fails(frames, failure, reply).await;
                if result.is_err() {
                    self.lose_guest().await;
                }
                result
            }
        }
    }

    /// Gives `frames` once more, without the frames that the guest fails at. Returns the length of what is left of them.
    async fn skip_what_fails(
        &mut self,
        frames: &[u8],
        mut failure: Failure,
        reply: &mut Reply,
    ) -> Result<usize, TaskError> {
        let mut rest = frames;
        let mut in_succession = mem::take(&mut self.in_succession);
        loop {
            let reason = failure.to_string();
            self.counts.recoveries += 1;
            // If each frame passes alone, the run was too much for its deadline, and no point has failed.
            let of_time = failure.is_of_time() && first_frame(rest).len() < rest.len();
            if !of_time {
                self.count_failure(failure)?;
            }
            let said = GuestLog::said(&self.setup.context.log);
            let lost_batch = self.go_back(&reason, rest).await?;
            let before = rest.len();
            self.repetition = None;
            let repetition = GuestLog::repeat(&self.setup.context.log, said);
            let alone = self.one_by_one(&mut rest, reply).await;
            if alone.is_none() && !rest.is_empty() {
                // The guest waits. It gets the rest one by one, too.
                self.piece.begin_with_one(frames.len());
                self.repetition = Some(repetition);
                return Ok(rest.len());
            }
            drop(repetition);
            let Some((kind, frame, failed)) = alone else {
                if !frames.is_empty() && !lost_batch {
                    // Each frame passes alone, so the call failed because of what it had in total.
                    self.piece.failed(before);
                    let on_trap = self.setup.policy.on_trap;
                    if of_time && on_trap == OnTrap::Recover {
                        self.reporter.takes_too_long(&reason, frames);
                    } else {
                        self.reporter.passed_in_pieces(&reason, on_trap);
                    }
                }
                return Ok(0);
            };
            let reason = failed.to_string();
            if of_time && let Err(most) = self.count_failure_now() {
                return Err(TaskError::TooManyFailures { failure: failed, most });
            }
            let at_once = before == frame.len() + rest.len();
            in_succession = match failed.is_of_batch() {
                true if at_once => in_succession + 1,
                of_batch => u32::from(of_batch),
            };
            let points = self.forget_batch_of(&kind);
            let on_trap = self.setup.policy.on_trap;
            let whole_batch = in_succession == MAX_IN_SUCCESSION && self.cursor.is_inside();
            if whole_batch {
                // What fails is the batch, such as one that does not fit into the guest's memory.
                let begin = self.recovery.forget_open_batch().map(|batch| batch.begin);
                self.lose_batch(reason.clone(), begin.as_deref().unwrap_or(frame), points);
            } else if self.cursor.is_skipping() {
                self.skip_batch_of(reason.clone(), frame, points);
            } else {
                self.reporter.skipped(&reason, frame, points, on_trap);
            }
            let too_often = self.row.failed(if whole_batch { &Kind::End } else { &kind }, on_trap);
            if too_often && !(self.setup.recovers_always && on_trap == OnTrap::Recover) {
                self.take_next_policy(failed)?;
            }
            self.go_back(&reason, frame).await?;
            if self.setup.policy.on_trap == OnTrap::Recover && !self.cursor.is_inside() {
                // The next frame that fails may be near.
                self.save().await;
            }
            rest = self.skip_rest_of_batch(rest);
            if rest.is_empty() {
                return Ok(0);
            }
            if self.must_wait() {
                self.in_succession = in_succession;
                return Ok(rest.len());
            }
            match self.attempt(rest, None, reply).await {
                Ok(()) => return Ok(0),
                Err(next) => failure = next,
            }
        }
    }

    /// Gives the frames of `rest` one by one, until one fails: that one, and why; or until the guest has to wait for its
    /// share of a core.
    async fn one_by_one<'a>(
        &mut self,
        rest: &mut &'a [u8],
        reply: &mut Reply,
    ) -> Option<(Kind, &'a [u8], Failure)> {
        let mut turn = Turn::new();
        loop {
            turn.end().await;
            *rest = self.skip_rest_of_batch(rest);
            let (kind, frame, after) = frame::first_data(rest)?;
            *rest = after;
            if let Err(failure) = self.attempt(frame, None, reply).await {
                return Some((kind, frame, failure));
            }
            if self.must_wait() {
                return None;
            }
        }
    }

    /// Drops the batch that a skipped frame of this kind belongs to, if it can't go on without the frame. Returns the
    /// number of points that are skipped, with the frame itself.
    fn forget_batch_of(&mut self, kind: &Kind) -> u64 {
        match kind {
            Kind::Begin => {
                self.cursor.skip_batch();
                0
            }
            Kind::End => {
                self.recovery.forget_open_batch();
                let points = self.cursor.leave_batch();
                self.counts.lose(points);
                points
            }
            _ => {
                self.counts.skipped += 1;
                1
            }
        }
    }

    /// Counts a failure.
    ///
    /// # Errors
    ///
    /// When there were too many within a minute.
    fn count_failure(&mut self, failure: Failure) -> Result<(), TaskError> {
        self.count_failure_now().map_err(|most| TaskError::TooManyFailures { failure, most })
    }

    /// Counts a failure.
    ///
    /// # Errors
    ///
    /// The number of failures that there may be within a minute, when there were more.
    fn count_failure_now(&mut self) -> Result<(), u32> {
        self.counts.failures += 1;
        let now = Instant::now();
        while self.failures.front().is_some_and(|at| now.duration_since(*at) > MINUTE) {
            self.failures.pop_front();
        }
        let most = self.setup.policy.failures_per_minute;
        if self.failures.len() >= most as usize {
            return Err(most);
        }
        self.failures.push_back(now);
        Ok(())
    }

    /// Takes the policy that follows when the guest fails again and again, at last because of `failure`.
    ///
    /// # Errors
    ///
    /// When the next policy is to end the task.
    fn take_next_policy(&mut self, failure: Failure) -> Result<(), TaskError> {
        if self.setup.policy.on_trap != OnTrap::Recover {
            return Err(TaskError::FailsAlways { failure, times: MAX_RESTARTS });
        }
        self.row = Row::default();
        self.give_up_recovery();
        self.reporter.note_error(&failure.to_string());
        log_for!(
            error,
            self.setup.labels(),
            failures = MAX_RECOVERIES.to_string(),
            err = failure.to_string(),
            "plugin fails in each state that it is brought back to: it starts anew, without state, and from now on as with policy.on-trap = \"restart\""
        );
        Ok(())
    }

    /// Brings the guest back to the state of before the failure, or starts it anew. Returns whether the open batch
    /// is skipped, since it is missing in that state.
    ///
    /// `reason` is how it has failed, at a call with `frames`.
    pub(super) async fn go_back(&mut self, reason: &str, frames: &[u8]) -> Result<bool, TaskError> {
        // The failed guest must not be used again, and the new guest may need its memory.
        self.lose_guest().await;
        if self.setup.policy.on_trap == OnTrap::Recover {
            let begin = self.recovery.large_batch().map(<[u8]>::to_vec);
            let Revived { instance, lost_batch } = self.recovery.bring_back(&self.setup, reason).await?;
            self.guest = GuestSlot::Running(instance);
            if lost_batch {
                let journal = self.setup.policy.journal;
                let (why, frame) = match &begin {
                    Some(begin) => (
                        format!("; policy.journal = {journal} does not hold the batch, all of it is skipped"),
                        &begin[..],
                    ),
                    None => (String::new(), first_frame(frames)),
                };
                self.lose_batch(format!("{reason}{why}"), frame, 0);
            }
            return Ok(lost_batch);
        }
        let instance = self.setup.start().await.map_err(TaskError::Restart)?;
        self.guest = GuestSlot::Running(instance);
        self.snapshots.begin();
        let in_batch = self.cursor.is_inside();
        self.lose_batch(reason.to_owned(), first_frame(frames), 0);
        log_for!(debug, self.setup.labels(), "plugin started anew");
        Ok(in_batch)
    }

    /// Skips the current batch, of which the guest does not know the beginning, because of `reason`. `frame` is part
    /// of the batch, and this number of its points, which the guest has failed at, is counted already.
    fn lose_batch(&mut self, reason: String, frame: &[u8], failed: u64) {
        if !self.cursor.is_inside() {
            return;
        }
        let points = self.cursor.lose_batch();
        self.counts.lose(points);
        self.skip_batch_of(reason, frame, points + failed);
    }

    /// Calls the guest no more: the input goes on unchanged from now on.
    fn bypass(&mut self, failure: &Failure, frames: &[u8]) {
        self.reporter.passes_through(&failure.to_string());
        log_for!(
            error,
            self.setup.labels(),
            err = failure.to_string(),
            "plugin failed, points go on unchanged until the task is started again"
        );
        // What comes from Kapacitor may go back to it as it is.
        let policy = Policy {
            not_finite: Unwanted::Pass,
            no_fields: Unwanted::Pass,
            unwritable: Unwanted::Pass,
            edge_check: EdgeCheck::Loose,
            ..self.setup.policy
        };
        let (guard, points_seen) = (self.setup.guard_of_input(&policy), self.points_seen());
        let open_batch = self.setup.context.budget.reservation();
        self.guest = GuestSlot::Bypassed { guard, open_batch, points_seen };
        self.lose_batch(failure.to_string(), first_frame(frames), 0);
    }

    /// Passes input on unchanged: Begin, Point and End have the same encoding in a Request and in a Response.
    pub(super) fn pass_on(&mut self, frames: &[u8], reply: &mut Reply) -> Result<(), TaskError> {
        let frames = self.skip_rest_of_batch(frames);
        let GuestSlot::Bypassed { guard, open_batch, .. } = &mut self.guest else {
            return Err(Failure::Gone.into());
        };
        open_batch.set((guard.size() + frames.len()) as u64);
        let verdict = guard.pass(frames, reply.buffer()).map_err(TaskError::PassThrough)?;
        open_batch.set(guard.size() as u64);
        self.counts.passed_through += self.cursor.advance_over(frames);
        self.count(&verdict);
        Ok(())
    }
}

/// The first of `frames`.
fn first_frame(frames: &[u8]) -> &[u8] {
    frame::first_data(frames).map_or(frames, |(_, frame, _)| frame)
}
