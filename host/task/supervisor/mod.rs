//! Keeps the guest of one task running: gives it its input, and goes on after it has failed, as the policy
//! says.
//!
//! With `on-trap = "recover"` the frames of the call that failed are given one by one to a guest that was brought
//! back, and the frame that fails is skipped. What Kapacitor gets is, byte for byte, what it would get if that
//! frame had never come.

mod guest_slot;
mod overcome;
mod piece;
mod row;

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use self::guest_slot::GuestSlot;
use self::piece::Piece;
pub use self::row::MAX_RECOVERIES;
use self::row::Row;
use crate::config::OnTrap;
use crate::guard::Verdict;
use crate::logging::log_for;
use crate::protocol::frame::{self, Kind};
use crate::protocol::{BatchCursor, Run};
use crate::sandbox::{GuestLog, RepetitionGuard};
use crate::state::PointCounts;
use crate::task::counts::Counts;
use crate::task::error::{Failure, StartError, TaskError};
use crate::task::instance::{Instance, Processed};
use crate::task::journal::{Call, JournalEntry};
use crate::task::plugin_metrics::PluginMetrics;
use crate::task::program::{Guest as _, Program};
use crate::task::recovery::Recovery;
use crate::task::reply::Reply;
use crate::task::reporter::Reporter;
use crate::task::setup::Setup;
use crate::task::snapshot_cache::{Beginning, SnapshotCache};
use crate::task::throttle::CpuThrottle;
use crate::units::Bytes;

/// The guest of one task, and all that it takes to keep it running.
pub struct Supervisor<P: Program> {
    setup: Setup<P>,
    guest: GuestSlot<P::Guest>,
    recovery: Recovery<P>,
    /// Where in a batch the guest is.
    cursor: BatchCursor,
    /// How much input a call gets.
    piece: Piece,
    /// Number of points of the open batch that have failed one after the other, when the guest has to wait meanwhile.
    in_succession: u32,
    /// Points and batches that the guest has failed at in a row.
    row: Row,
    /// The beginning of the state that recovery still has, although the guest starts anew after failures: until a
    /// point passes, nothing better is known.
    abandoned: Option<Beginning>,
    /// Times of the last failures.
    failures: VecDeque<Instant>,
    throttle: CpuThrottle,
    /// There while the rest of a run is repeated: what the guest has said to it before is not logged again.
    repetition: Option<RepetitionGuard>,
    reporter: Reporter,
    /// The batch that is being skipped, which is reported at its end.
    skipping: Option<SkippedBatch>,
    /// The values of the plugin's own metrics.
    pub metrics: PluginMetrics,
    /// What has become of the points.
    pub counts: Counts,
    /// What had become of the points of the sessions before this one, whose state this one goes on with.
    pub counts_before: PointCounts,
    /// The last snapshot of the guest's state.
    pub snapshots: SnapshotCache,
}

/// A batch of which the rest is still to come, and is skipped.
struct SkippedBatch {
    /// Why.
    error: String,
    /// A frame of it, the Begin if that is known.
    frame: Vec<u8>,
    /// Number of its points that were skipped so far.
    points: u64,
}

impl<P: Program> Supervisor<P> {
    /// Starts a guest, which is given its InitRequest.
    ///
    /// # Errors
    ///
    /// What the plugin says, or how it failed.
    pub async fn start(setup: Setup<P>, reporter: Reporter) -> Result<Self, StartError> {
        // The savepoint is the state of before the start.
        let recovery = Recovery::new(&setup);
        let instance = setup.start().await?;
        Ok(Self {
            guest: GuestSlot::Running(instance),
            recovery,
            cursor: BatchCursor::default(),
            piece: Piece::default(),
            in_succession: 0,
            row: Row::default(),
            abandoned: None,
            failures: VecDeque::new(),
            throttle: CpuThrottle::new(setup.context.limits.cpu_share),
            repetition: None,
            reporter,
            skipping: None,
            metrics: PluginMetrics::new(setup.program.metrics()),
            counts: Counts::default(),
            counts_before: PointCounts::default(),
            snapshots: SnapshotCache::new(setup.context.budget.reservation()),
            setup,
        })
    }

    /// What stays the same while the task runs.
    pub fn setup(&self) -> &Setup<P> {
        &self.setup
    }

    /// The running guest, unless it is bypassed or lost.
    pub fn instance(&mut self) -> Option<&mut Instance<P::Guest>> {
        match &mut self.guest {
            GuestSlot::Running(instance) => Some(instance),
            GuestSlot::Bypassed { .. } | GuestSlot::Lost => None,
        }
    }

    /// Whether a guest runs.
    pub fn is_running(&self) -> bool {
        matches!(self.guest, GuestSlot::Running(_))
    }

    /// Number of points that the guest's state has seen.
    pub fn points_seen(&self) -> u64 {
        self.guest.points_seen()
    }

    /// The frames that a reply has in place: see [`Reply::is_in_place`].
    pub fn output(&self) -> &[u8] {
        self.guest.output()
    }

    /// Whether the guest is inside a batch, on either of its sides, or the rest of one is skipped.
    pub fn is_in_batch(&self) -> bool {
        self.cursor.is_inside() || self.cursor.is_skipping() || self.guest.is_in_batch()
    }

    /// What has become of the points, as it is stored with the state.
    pub fn stored_counts(&self) -> PointCounts {
        self.counts.stored(&self.counts_before, self.cursor.open_points())
    }

    /// Whether the guest has been given a Begin and not its End.
    pub fn is_inside_batch(&self) -> bool {
        self.cursor.is_inside()
    }

    /// Gives `run` to the guest from byte `start` on, and adds to `reply` what may go to Kapacitor. Returns how far
    /// it has come: the session keeps the rest while the guest waits for its share of a core, so that it can answer
    /// requests and stop meanwhile. It always comes further by a frame at least.
    ///
    /// # Errors
    ///
    /// Why the task must end.
    pub async fn process(&mut self, run: &Run, start: usize, reply: &mut Reply) -> Result<usize, TaskError> {
        let mut rest = &run.frames[start..];
        while !rest.is_empty() {
            let piece = self.first_piece(rest);
            let left = self.process_piece(&rest[..piece], run, reply).await?;
            rest = &rest[piece - left..];
            if !rest.is_empty() && self.must_wait() {
                return Ok(run.frames.len() - rest.len());
            }
        }
        self.repetition = None;
        Ok(run.frames.len())
    }

    /// Tries the first piece of `frames` on a candidate version, and returns the length of the piece.
    ///
    /// # Errors
    ///
    /// How the guest failed; `reply` is as it was then.
    pub async fn try_first(&mut self, frames: &[u8], reply: &mut Reply) -> Result<usize, Failure> {
        let piece = self.first_piece(frames);
        let tried = self.attempt(&frames[..piece], None, reply).await;
        if tried.is_err() {
            reply.undo_call();
        }
        tried.map(|()| piece)
    }

    /// How much of `frames` goes into one call.
    fn first_piece(&self, frames: &[u8]) -> usize {
        // The time that the guest sees is that of the frame it is given.
        if self.setup.program.reads_clock() || self.setup.trial.one_by_one {
            first_frames(frames, 1)
        } else {
            match self.piece.limit() {
                None => self.saves_first(frames).unwrap_or(frames.len()),
                Some(limit) => first_frames(frames, limit),
            }
        }
    }

    /// Length of the frames up to the end of the open batch, if the state should be saved there. Where batch
    /// follows batch, a run rarely ends between two.
    fn saves_first(&self, frames: &[u8]) -> Option<usize> {
        let GuestSlot::Running(instance) = &self.guest else { return None };
        let due = self.cursor.is_inside()
            && self.setup.policy.on_trap == OnTrap::Recover
            && self.recovery.is_due(frames.len(), instance.guest.memory_size());
        due.then(|| first_end(frames)).flatten()
    }

    /// Gives `frames`, a part of `run`, to the guest. Returns the length of what is left of them.
    async fn process_piece(
        &mut self,
        frames: &[u8],
        run: &Run,
        reply: &mut Reply,
    ) -> Result<usize, TaskError> {
        if !self.is_running() {
            return self.pass_on(frames, reply).map(|()| 0);
        }
        let frames = self.skip_rest_of_batch(frames);
        if frames.is_empty() {
            return Ok(0);
        }
        // A run that is whole need not be walked again to count its points.
        let whole = (frames.len() == run.frames.len()).then_some(run);
        match self.attempt(frames, whole, reply).await {
            Ok(()) => {
                self.piece.passed(frames.len());
                self.in_succession = 0;
                Ok(0)
            }
            Err(failure) => Box::pin(self.overcome(frames, failure, reply)).await,
        }
    }

    /// Whether the guest has to wait for its share of a core before its next call.
    fn must_wait(&mut self) -> bool {
        self.is_running() && self.throttle.wait().is_some()
    }

    /// From now on the guest has to wait for its share after each call.
    #[cfg(test)]
    pub fn tire(&mut self) {
        self.throttle = CpuThrottle::new("1%".parse().expect("a share"));
        self.throttle.add(Duration::from_secs(3600));
    }

    /// How long the guest has to wait for its share of a core before its next call; `None` if it need not. The log
    /// says so.
    pub fn wait_for_share(&mut self) -> Option<Duration> {
        let wait = self.throttle.wait().filter(|_| self.is_running())?;
        self.reporter.throttled(self.setup.context.limits.cpu_share, wait);
        Some(wait)
    }

    /// Gives `frames` to the guest in one call; `whole` is the run, if they are all of it.
    ///
    /// # Errors
    ///
    /// How the guest failed. It must not be called again then.
    async fn attempt(
        &mut self,
        frames: &[u8],
        whole: Option<&Run>,
        reply: &mut Reply,
    ) -> Result<(), Failure> {
        let GuestSlot::Running(instance) = &mut self.guest else { return Err(Failure::Gone) };
        self.snapshots.invalidate();
        instance.begin_metrics(&mut self.metrics);
        let processed = instance.process(frames, reply).await;
        let computed = self.setup.context.clock.used();
        self.throttle.add(computed);
        match processed {
            Ok(Processed { verdict, returned }) => {
                let points = match whole {
                    Some(run) => self.cursor.advance_by(run),
                    None => self.cursor.advance_over(frames),
                };
                instance.points_seen += points;
                instance.read_metrics(&mut self.metrics);
                let declined = GuestLog::take_declined(&self.setup.context.log);
                self.counts.process(points, declined);
                if declined > 0 {
                    self.setup.trial.observe(|observer| observer.declined(frames, declined));
                }
                self.row.passed(points, self.cursor.is_inside());
                if points > 0 && self.abandoned.take().is_some() {
                    self.recovery = Recovery::new(&self.setup);
                }
                self.count(&verdict);
                let entry = JournalEntry { call: Call::Process, input: frames, returned: Some(returned) };
                self.remember(entry, points, computed).await;
                Ok(())
            }
            Err(failure) => {
                // If the task goes on, the frames before the failure are processed again, so their output is undone.
                if self.setup.policy.on_trap == OnTrap::Fail {
                    self.counts.points_out += BatchCursor::default().advance_over(reply.of_call());
                } else {
                    reply.undo_call();
                }
                GuestLog::take_declined(&self.setup.context.log);
                Err(failure)
            }
        }
    }

    /// Remembers a call that has succeeded, for recovery.
    pub async fn remember(&mut self, entry: JournalEntry<'_>, points: u64, computed: Duration) {
        if let GuestSlot::Running(instance) = &mut self.guest
            && self.setup.policy.on_trap == OnTrap::Recover
        {
            let in_batch = self.cursor.is_inside();
            self.recovery.remember(&self.setup, instance, entry, points, computed, in_batch).await;
        }
    }

    /// Adds to `reply` the last responses of the guest, at the end of its input.
    ///
    /// # Errors
    ///
    /// Why the task must end with an error.
    pub async fn finish(&mut self, reply: &mut Reply) -> Result<(), TaskError> {
        let GuestSlot::Running(instance) = &mut self.guest else { return Ok(()) };
        instance.begin_metrics(&mut self.metrics);
        match instance.finish(reply).await {
            Ok(verdict) => {
                instance.read_metrics(&mut self.metrics);
                self.count(&verdict);
                Ok(())
            }
            Err(failure) => {
                self.lose_guest().await;
                if self.setup.policy.on_trap == OnTrap::Fail {
                    return Err(failure.into());
                }
                reply.undo_call();
                let err = failure.to_string();
                self.setup.trial.observe(|observer| observer.failed_at_end(&err));
                self.reporter.note_error(&err);
                log_for!(error, self.setup.labels(), err, "plugin failed at the end of its input");
                Ok(())
            }
        }
    }

    /// Removes the rest of a skipped batch from the start of `frames`, and returns the frames after it.
    fn skip_rest_of_batch<'a>(&mut self, frames: &'a [u8]) -> &'a [u8] {
        if !self.cursor.is_skipping() {
            return frames;
        }
        let (rest, points) = self.cursor.skip(frames);
        self.counts.skipped += points;
        if points > 0 {
            // A snapshot holds the counts, too.
            self.snapshots.invalidate();
        }
        if let Some(batch) = &mut self.skipping {
            batch.points += points;
        }
        if !self.cursor.is_skipping() {
            self.report_skipped_batch();
        }
        rest
    }

    /// Skips the rest of the current batch from now on. Number of `points`: those of it that were skipped before.
    fn skip_batch_of(&mut self, error: String, frame: &[u8], points: u64) {
        self.report_skipped_batch();
        self.skipping = Some(SkippedBatch { error, frame: frame.to_vec(), points });
    }

    /// Reports the batch that was skipped, since its end has come or will not come.
    fn report_skipped_batch(&mut self) {
        if let Some(SkippedBatch { error, frame, points }) = self.skipping.take() {
            self.reporter.skipped(&error, &frame, points, self.setup.policy.on_trap);
        }
    }

    fn count(&mut self, verdict: &Verdict) {
        self.counts.points_out += verdict.points_out;
        if verdict.dropped_points + verdict.reduced_points > 0 {
            self.counts.dropped += verdict.dropped_points;
            self.counts.reduced += verdict.reduced_points;
            let Counts { dropped, reduced, .. } = self.counts;
            self.reporter.unwanted(dropped, reduced);
        }
    }

    /// Saves the guest's state for recovery. False if it can't be saved.
    pub async fn save(&mut self) -> bool {
        let GuestSlot::Running(instance) = &mut self.guest else { return false };
        self.recovery.save(&self.setup, instance).await
    }

    /// Continues with `instance`, whose state was restored. `entry` is the call that restored it, if a call did.
    pub async fn go_on_with(&mut self, instance: Instance<P::Guest>, entry: Option<JournalEntry<'_>>) {
        self.guest = GuestSlot::Running(instance);
        if self.setup.policy.on_trap == OnTrap::Recover
            && !self.save().await
            && let GuestSlot::Running(instance) = &mut self.guest
            && let Some(entry) = entry
        {
            self.recovery.remember_restored(&self.setup, instance, entry).await;
        }
    }

    /// Gives back the running guest, which [`Supervisor::take_instance`] has taken out.
    pub fn put_instance(&mut self, instance: Instance<P::Guest>) {
        self.guest = GuestSlot::Running(instance);
    }

    /// Takes the running guest out.
    pub fn take_instance(&mut self) -> Option<Instance<P::Guest>> {
        match mem::replace(&mut self.guest, GuestSlot::Lost) {
            GuestSlot::Running(instance) => Some(instance),
            other => {
                self.guest = other;
                None
            }
        }
    }

    /// From now on a failure costs the state: nothing is remembered for recovery any more.
    fn give_up_recovery(&mut self) {
        self.setup.policy.on_trap = OnTrap::Restart;
        self.recovery.forget_open_batch();
        self.abandoned = Some(self.snapshots.beginning());
    }

    /// Gives up the guest, and its memory.
    pub async fn lose_guest(&mut self) {
        if let GuestSlot::Running(instance) = mem::replace(&mut self.guest, GuestSlot::Lost) {
            instance.discard().await;
        }
    }

    /// Starts without any state.
    ///
    /// # Errors
    ///
    /// Why the plugin can't be started.
    pub async fn start_clean(&mut self) -> Result<(), TaskError> {
        self.lose_guest().await;
        self.recovery.forget(&self.setup);
        self.counts_before = PointCounts::default();
        self.guest = GuestSlot::Running(self.setup.start().await.map_err(TaskError::StartClean)?);
        self.snapshots.begin();
        Ok(())
    }

    /// Brings a guest that is lost back to the state of before its failure. False if there is none.
    pub async fn bring_back_lost(&mut self) -> bool {
        if self.is_running() {
            return true;
        }
        if let Some(beginning) = self.abandoned.take() {
            self.setup.policy.on_trap = OnTrap::Recover;
            self.snapshots.begun(beginning);
        }
        if !matches!(self.guest, GuestSlot::Lost) || self.setup.policy.on_trap != OnTrap::Recover {
            return false;
        }
        match self.go_back("the task ends by failures", &[]).await {
            Ok(_) => true,
            Err(e) => {
                let err = e.to_string();
                log_for!(
                    warn,
                    self.setup.labels(),
                    err,
                    "the last good state of the task can't be brought back"
                );
                false
            }
        }
    }

    /// Another instance, in the state of before the batch that is open; `None` if that state is not known. It
    /// leaves the determinism in that state.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub async fn before_open_batch(&mut self) -> Result<Option<Instance<P::Guest>>, TaskError> {
        if self.setup.policy.on_trap == OnTrap::Recover {
            self.recovery.before_open_batch(&self.setup).await
        } else {
            Ok(None)
        }
    }

    /// Takes over the counts, metrics, failures and snapshot flags of the supervisor that this one replaces.
    pub fn take_over(&mut self, before: &mut Self) {
        self.counts.add(&before.counts);
        self.metrics.take_over(&before.metrics);
        self.counts_before = before.counts_before;
        self.failures = mem::take(&mut before.failures);
        self.piece = before.piece;
        self.snapshots.flags = before.snapshots.flags;
        if self.snapshots.started_at != before.snapshots.started_at {
            self.snapshots.begin_after(before.snapshots.started_at);
        }
    }
}

impl<P: Program> Drop for Supervisor<P> {
    fn drop(&mut self) {
        let kept = Bytes(self.recovery.reserved() + self.snapshots.reserved()).to_string();
        log_for!(debug, self.setup.labels(), kept, "sandbox ends");
        self.report_skipped_batch();
        self.reporter.flush();
    }
}

/// Length of the first frames that have `least` bytes together, or of all.
fn first_frames(frames: &[u8], least: usize) -> usize {
    let mut rest = frames;
    while frames.len() - rest.len() < least {
        match frame::first_data(rest) {
            Some((_, _, after)) => rest = after,
            None => return frames.len(),
        }
    }
    frames.len() - rest.len()
}

/// Length of the frames up to the first End; `None` without one.
fn first_end(frames: &[u8]) -> Option<usize> {
    let mut rest = frames;
    while let Some((kind, _, after)) = frame::first_data(rest) {
        rest = after;
        if matches!(kind, Kind::End) {
            return Some(frames.len() - rest.len());
        }
    }
    None
}
