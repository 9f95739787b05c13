//! One task: its sandbox, its guard, and what becomes of both when the plugin fails.
//!
//! A task outlives its sandbox. What a call returned goes to Kapacitor only when all of it has passed
//! the guard, so that a call that failed has left nothing behind.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prost::Message;

use crate::config::{EdgeCheck, OnTrap, Policy, Unwanted};
use crate::guard::{Guard, Verdict};
use crate::logging::{Labels, log_for};
use crate::plugin::Plugin;
use crate::protocol::Run;
use crate::protocol::frame::{self, Kind};
use crate::protocol::{InitResponse, RequestMessage};
use crate::sandbox::{MemoryReservation, SandboxPermit};
use crate::sandbox::{Sandbox, SandboxContext};
use crate::state::SkippedRecords;
use crate::task::journal::{Call, Journal, JournalEntry};
use crate::task::reporter::Reporter;
use crate::task::savepoint::Base;
use crate::task::snapshot_cache::Taking;
use crate::task::throttle::CpuThrottle;
use crate::units::Bytes;

/// Output that takes long to check, in bytes: whoever serves connections goes on meanwhile.
const LONG: usize = 512 * 1024;

/// A run that is not cut into smaller ones.
const WHOLE: usize = usize::MAX;

/// A started task.
pub struct Task {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) context: SandboxContext,
    pub(crate) policy: Policy,
    /// `None` after a failure that it was not brought back from.
    pub(crate) sandbox: Option<Sandbox>,
    pub(crate) guard: Guard,
    /// The InitRequest as the plugin got it.
    pub(crate) request: Vec<u8>,
    pub(crate) options_sha256: [u8; 32],
    /// Points that the state has seen.
    pub(crate) points_seen: u64,
    /// From where the sandbox can be brought back.
    pub(crate) base: Base,
    pub(crate) journal: Journal,
    /// Whether the guest has been given a Begin and not its End.
    pub(crate) in_batch: bool,
    /// Points of that batch so far.
    pub(crate) batch_points: u64,
    /// Whether the rest of the current batch is skipped, since its beginning was.
    pub(crate) skipping: bool,
    /// Input is given in pieces of about so many bytes.
    pub(crate) piece: usize,
    /// When the last failures were.
    pub(crate) failures: VecDeque<Instant>,
    pub(crate) reporter: Reporter,
    pub(crate) taking: Taking,
    /// Whether what the last call returned has passed the guard and is still where it was returned.
    output_in_place: bool,
    throttle: CpuThrottle,
    /// What is counted.
    pub counts: Counts,
    /// Memory of what is kept for recovery.
    pub(crate) reserved: MemoryReservation,
    /// `None` while it is tried out beside the task that it is to take over from.
    permit: Option<SandboxPermit>,
}

/// What has become of the points of a task.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Points that went in.
    pub points_in: u64,
    /// Points of the input that the plugin has dealt with.
    pub processed: u64,
    /// Points that came out.
    pub points_out: u64,
    /// Points of the input that were skipped.
    pub skipped: u64,
    /// Points of the output that were left out: no fields, or none that is finite.
    pub dropped: u64,
    /// Points of the output that have lost fields that are not finite.
    pub reduced: u64,
    /// How often the plugin was brought back.
    pub recoveries: u64,
}

/// What a task is made of.
pub struct TaskSpec {
    /// The plugin.
    pub plugin: Arc<Plugin>,
    /// What its sandboxes have in common.
    pub context: SandboxContext,
    /// What becomes of it when it fails.
    pub policy: Policy,
    /// The InitRequest for the plugin.
    pub request: Vec<u8>,
    /// See [`crate::state::snapshot::SnapshotHeader::options_sha256`].
    pub options_sha256: [u8; 32],
    /// Where skipped frames are kept.
    pub skipped: Arc<SkippedRecords>,
    /// Its place among all sandboxes; `None` while it is tried out beside the task that it is to take over
    /// from.
    pub permit: Option<SandboxPermit>,
}

impl Task {
    /// Starts a sandbox and gives it its InitRequest.
    ///
    /// # Errors
    ///
    /// What the plugin says, or how it failed.
    pub async fn start(spec: TaskSpec) -> Result<Self, String> {
        let TaskSpec { plugin, context, policy, request, options_sha256, skipped, permit } = spec;
        let limits = &context.limits;
        let base = Base::start(&context.determinism);
        let sandbox = start_sandbox(&plugin, &context, &request).await?;
        Ok(Self {
            guard: Guard::new(plugin.info.provides(), limits, &policy),
            throttle: CpuThrottle::new(limits.cpu_share),
            journal: Journal::new(policy.journal.as_usize()),
            reporter: Reporter::new(Arc::clone(&context.labels), plugin.sha256, skipped),
            reserved: context.budget.reservation(),
            sandbox: Some(sandbox),
            in_batch: false,
            batch_points: 0,
            skipping: false,
            piece: WHOLE,
            failures: VecDeque::new(),
            taking: Taking::new(),
            output_in_place: false,
            counts: Counts::default(),
            points_seen: 0,
            plugin,
            context,
            policy,
            request,
            options_sha256,
            base,
            permit,
        })
    }

    /// Whose log lines these are.
    pub(crate) fn labels(&self) -> &Labels {
        &self.context.labels
    }

    /// Gives a run to the plugin, and appends to `out` what may go to Kapacitor.
    ///
    /// # Errors
    ///
    /// Why the task must end.
    pub async fn process(&mut self, run: &Run, out: &mut Vec<u8>) -> Result<(), String> {
        self.counts.points_in += run.points;
        self.process_frames(run, 0, out).await
    }

    /// Gives a run to the plugin from `at` on.
    ///
    /// # Errors
    ///
    /// Why the task must end.
    pub(crate) async fn process_frames(
        &mut self,
        run: &Run,
        at: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        if let Some(time) = frame::time(run.last_frame(), run.batches || self.in_batch) {
            self.taking.note_time(time, run.points);
        }
        let mut rest = &run.frames[at..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(self.first_piece(rest));
            self.process_piece(piece, run, out).await?;
            rest = after;
        }
        Ok(())
    }

    /// How much of `frames` goes into one call.
    fn first_piece(&self, frames: &[u8]) -> usize {
        if self.plugin.reads_clock {
            // The time that the guest sees is that of the frame it is given.
            first_frames(frames, 1)
        } else if self.piece == WHOLE {
            frames.len()
        } else {
            first_frames(frames, self.piece)
        }
    }

    /// Gives the first piece of `frames` to a plugin that has to prove itself; returns how long it was.
    ///
    /// # Errors
    ///
    /// How the plugin failed; then `out` is as it was.
    pub(crate) async fn try_first(&mut self, frames: &[u8], out: &mut Vec<u8>) -> Result<usize, String> {
        let (piece, mark) = (self.first_piece(frames), out.len());
        let tried = self.attempt(&frames[..piece], None, out).await;
        if tried.is_err() {
            out.truncate(mark);
        }
        tried.map(|()| piece)
    }

    /// Takes over from `before`, whose input comes here from now on.
    pub(crate) fn succeed(&mut self, before: &mut Self) {
        let Counts { points_in, processed, points_out, skipped, dropped, reduced, recoveries } =
            before.counts;
        let now = &mut self.counts;
        now.points_in += points_in;
        now.processed += processed;
        now.points_out += points_out;
        now.skipped += skipped;
        now.dropped += dropped;
        now.reduced += reduced;
        now.recoveries += recoveries;
        self.taking.succeed(&before.taking);
        self.failures = std::mem::take(&mut before.failures);
        self.permit = before.permit.take();
    }

    async fn process_piece(&mut self, frames: &[u8], run: &Run, out: &mut Vec<u8>) -> Result<(), String> {
        if self.sandbox.is_none() {
            return self.pass_on(frames, out);
        }
        let frames = self.skip_batch(frames);
        if frames.is_empty() {
            return Ok(());
        }
        // What is known of the run, if it is whole, need not be found out once more.
        let whole = (frames.len() == run.frames.len()).then_some(run);
        match self.attempt(frames, whole, out).await {
            Ok(()) => {
                self.piece = self.piece.saturating_mul(2);
                Ok(())
            }
            Err(failure) => self.overcome(frames, failure, out).await,
        }
    }

    /// The last responses, at the end of the input.
    ///
    /// # Errors
    ///
    /// Why the task must end with an error.
    pub async fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let Some(sandbox) = &mut self.sandbox else {
            return Ok(());
        };
        let mark = out.len();
        let passed = match sandbox.finish().await {
            Ok(frames) => self.guard.pass(frames, out).map_err(|e| format!("udf_finish: {e}")),
            Err(e) => Err(e.to_string()),
        };
        match passed.and_then(or_its_error) {
            Ok(passed) => {
                self.count(&passed);
                Ok(())
            }
            Err(failure) => {
                self.sandbox = None;
                if self.policy.on_trap == OnTrap::Fail {
                    return Err(failure);
                }
                out.truncate(mark);
                log_for!(error, self.labels(), err = failure, "plugin failed at the end of its input");
                Ok(())
            }
        }
    }

    /// One call, with `whole` if the frames are those of a whole run. After an error the sandbox
    /// is not to be used, and `out` is as it was.
    pub(crate) async fn attempt(
        &mut self,
        frames: &[u8],
        whole: Option<&Run>,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        self.copy_output(out);
        let Some(sandbox) = &mut self.sandbox else {
            return Err("the sandbox is gone".to_owned());
        };
        if let Some(wait) = self.throttle.wait() {
            self.reporter.throttled(self.context.limits.cpu_share, wait);
            tokio::time::sleep(wait).await;
        }
        if self.plugin.reads_clock {
            set_time(&self.context, frames);
        }
        self.taking.changed = true;
        let mark = out.len();
        let (returned, passed) = match sandbox.process(frames).await {
            Ok(frames) => {
                if frames.len() > LONG {
                    tokio::task::yield_now().await;
                }
                let passed = self.guard.pass_in_place(frames, out).map_err(|e| format!("udf_process: {e}"));
                (frames.len(), passed)
            }
            Err(e) => (0, Err(e.to_string())),
        };
        let computed = self.context.clock.used();
        self.throttle.add(computed);
        match passed.and_then(or_its_error) {
            Ok(passed) => {
                self.output_in_place = passed.in_place;
                self.count(&passed);
                let points = match whole {
                    Some(run) => self.follow_run(run),
                    None => self.follow(frames),
                };
                self.points_seen += points;
                self.counts.processed += points;
                let entry = JournalEntry { call: Call::Process, input: frames, returned: Some(returned) };
                self.remember(entry, points, computed);
                Ok(())
            }
            Err(failure) => {
                // Where the task goes on, what came before the failure comes once more.
                if self.policy.on_trap != OnTrap::Fail {
                    out.truncate(mark);
                }
                Err(failure)
            }
        }
    }

    /// What Kapacitor gets behind what was appended to `out`, where the plugin has returned it. It is there until the
    /// next piece of work.
    pub(crate) fn take_output(&mut self) -> Option<&[u8]> {
        let sandbox = self.sandbox.as_ref().filter(|_| std::mem::take(&mut self.output_in_place))?;
        Some(sandbox.output())
    }

    /// Copies what the next call would overwrite.
    fn copy_output(&mut self, out: &mut Vec<u8>) {
        if let Some(output) = self.take_output() {
            out.extend_from_slice(output);
        }
    }

    fn count(&mut self, passed: &Verdict) {
        self.counts.points_out += passed.points;
        if passed.dropped_points + passed.reduced_points > 0 {
            self.counts.dropped += passed.dropped_points;
            self.counts.reduced += passed.reduced_points;
            let Counts { dropped, reduced, .. } = self.counts;
            self.reporter.unwanted(dropped, reduced);
        }
    }

    /// Notes where in a batch the guest is after a whole run, and returns how many points there were.
    fn follow_run(&mut self, run: &Run) -> u64 {
        if run.in_batch {
            let before = if run.batches { 0 } else { self.batch_points };
            self.batch_points = before + run.tail;
        }
        self.in_batch = run.in_batch;
        run.points
    }

    /// Notes where in a batch the guest is after `frames`, and counts their points.
    fn follow(&mut self, frames: &[u8]) -> u64 {
        let (mut rest, mut points) = (frames, 0);
        while let Some((kind, _, after)) = frame::first_data(rest) {
            match kind {
                Kind::Begin => (self.in_batch, self.batch_points) = (true, 0),
                Kind::End => self.in_batch = false,
                _ => {
                    points += 1;
                    self.batch_points += 1;
                }
            }
            rest = after;
        }
        points
    }

    /// Skips the rest of a batch whose beginning was, if there is one; returns what comes behind it.
    pub(crate) fn skip_batch<'a>(&mut self, frames: &'a [u8]) -> &'a [u8] {
        let (mut rest, mut points) = (frames, 0);
        while self.skipping
            && let Some((kind, _, after)) = frame::first_data(rest)
        {
            rest = after;
            match kind {
                Kind::End => self.skipping = false,
                Kind::Point => points += 1,
                _ => {}
            }
        }
        self.counts.skipped += points;
        rest
    }

    /// From now on the input goes on unchanged.
    pub(crate) fn begin_to_pass(&mut self, failure: &str) {
        log_for!(
            error,
            self.labels(),
            err = failure,
            "plugin failed, points go on unchanged until the task is started again"
        );
        self.sandbox = None;
        self.lose_batch();
        // What comes from Kapacitor may go back to it as it is.
        let policy = Policy {
            not_finite: Unwanted::Pass,
            no_fields: Unwanted::Pass,
            edge_check: EdgeCheck::Loose,
            ..self.policy
        };
        self.guard = Guard::new(self.plugin.info.provides(), &self.context.limits, &policy);
    }

    /// Lets input go on unchanged: a request for data has the form of a response.
    pub(crate) fn pass_on(&mut self, frames: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let frames = self.skip_batch(frames);
        let passed =
            self.guard.pass(frames, out).map_err(|e| format!("input that is passed through: {e}"))?;
        self.count(&passed);
        Ok(())
    }

    /// The memory that the task has, and what is kept for it.
    pub(crate) fn recount(&mut self) {
        let kept = (self.journal.size() + self.base.size() + self.taking.size()) as u64;
        if kept != self.reserved.bytes() {
            self.reserved.set(kept);
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let kept = Bytes(self.reserved.bytes()).to_string();
        log_for!(debug, self.labels(), kept, "sandbox ends");
        self.reporter.flush();
    }
}

/// A plugin's own error ends a call as a trap does.
fn or_its_error(passed: Verdict) -> Result<Verdict, String> {
    match passed.error {
        Some(error) => Err(error),
        None => Ok(passed),
    }
}

/// The length of the first frames that have `least` bytes together, or of all.
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

/// Makes the time of one frame the guest's.
pub(crate) fn set_time(context: &SandboxContext, frame: &[u8]) {
    match frame::message(frame) {
        Some(RequestMessage::Point(point)) => context.determinism.set_time(point.time),
        Some(RequestMessage::End(end)) => context.determinism.set_time(end.tmax),
        _ => {}
    }
}

/// A sandbox that has been given its InitRequest.
pub(crate) async fn start_sandbox(
    plugin: &Plugin,
    context: &SandboxContext,
    request: &[u8],
) -> Result<Sandbox, String> {
    let mut sandbox = plugin.start(context).await.map_err(|e| e.to_string())?;
    let response = sandbox.init(request).await.map_err(|e| e.to_string())?;
    let response = InitResponse::decode(response)
        .map_err(|_| "udf_init: returned a malformed InitResponse".to_owned())?;
    if response.success { Ok(sandbox) } else { Err(response.error) }
}

/// How long failures count.
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
