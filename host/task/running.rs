//! A task from its start to the end of its input.

use std::sync::Arc;
use std::time::Duration;

use super::Task;
use super::counts::Counts;
use super::error::{Failure, StartError, TaskError};
use super::liveness::{Liveness, NotLive};
use super::plugin_metrics::PluginMetrics;
use super::plugin_program::PluginProgram;
use super::program::{Guest as _, Program};
use super::reply::Reply;
use super::reporter::Reporter;
use super::setup::Setup;
use super::supervisor::Supervisor;
use super::trial::{Trial, TrialEnd};
use super::troubles::Troubles;
use crate::config::Policy;
use crate::plugin::Plugin;
use crate::protocol::Run;
use crate::sandbox::{SandboxContext, SandboxPermit};
use crate::state::SkippedRecords;

/// All that a task is started with.
pub struct TaskSpec {
    /// The plugin.
    pub plugin: Arc<Plugin>,
    /// What its sandboxes share.
    pub context: SandboxContext,
    /// What happens when it fails.
    pub policy: Policy,
    /// See [`Setup::recovers_always`].
    pub recovers_always: bool,
    /// The encoded InitRequest for the plugin.
    pub request: Vec<u8>,
    /// See [`crate::state::SnapshotHeader::options_sha256`].
    pub options_sha256: [u8; 32],
    /// Where skipped frames are recorded.
    pub skipped: Arc<SkippedRecords>,
    /// Where the session keeps what went wrong last.
    pub troubles: Arc<Troubles>,
    /// The right to have a sandbox; `None` for a candidate version that has not replaced the running task yet.
    pub permit: Option<SandboxPermit>,
    /// What the workbench asks of it.
    pub trial: Trial,
}

impl Task {
    /// Starts a sandbox and gives it its InitRequest.
    ///
    /// # Errors
    ///
    /// What the plugin says, or how it failed.
    pub async fn start(spec: TaskSpec) -> Result<Self, StartError> {
        let TaskSpec {
            plugin,
            context,
            policy,
            recovers_always,
            request,
            options_sha256,
            skipped,
            troubles,
            permit,
            trial,
        } = spec;
        let reporter = Reporter::new(
            Arc::clone(&context.labels),
            plugin.sha256,
            skipped,
            troubles,
            trial.observer.clone(),
        );
        let setup =
            Setup { program: PluginProgram { plugin, request }, context, policy, recovers_always, trial };
        Self::start_program(setup, reporter, options_sha256, permit).await
    }

    /// The plugin that the task runs.
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.supervisor.setup().program.plugin
    }
}

impl<P: Program> Task<P> {
    /// Starts a guest of any program.
    ///
    /// # Errors
    ///
    /// As [`Task::start`].
    pub(super) async fn start_program(
        setup: Setup<P>,
        reporter: Reporter,
        options_sha256: [u8; 32],
        permit: Option<SandboxPermit>,
    ) -> Result<Self, StartError> {
        let supervisor = Supervisor::start(setup, reporter).await?;
        Ok(Self { supervisor, options_sha256, liveness: Liveness::default(), permit })
    }

    /// Gives `run` to the plugin, and adds to `reply` what may go to Kapacitor. Returns the rest of the run if the
    /// plugin has to wait for its share of a core before it gets that.
    ///
    /// # Errors
    ///
    /// Why the task must end.
    pub async fn process(&mut self, run: &Run, reply: &mut Reply) -> Result<Option<Run>, TaskError> {
        self.count_in(run);
        self.process_from(run, 0, reply).await
    }

    /// How long the plugin has to wait for its share of a core before the next run; `None` if it need not.
    pub fn wait_for_share(&mut self) -> Option<Duration> {
        self.supervisor.wait_for_share()
    }

    fn count_in(&mut self, run: &Run) {
        if !run.is_rest {
            self.supervisor.counts.points_in += run.points;
        }
    }

    /// Gives the rest of `run` to the plugin: what comes behind its first `start` bytes.
    ///
    /// # Errors
    ///
    /// As [`Task::process`].
    pub async fn process_from(
        &mut self,
        run: &Run,
        start: usize,
        reply: &mut Reply,
    ) -> Result<Option<Run>, TaskError> {
        if !run.is_rest {
            self.liveness.note(run.times(), run.points);
        }
        let done = self.supervisor.process(run, start, reply).await?;
        Ok((done < run.frames.len()).then(|| run.rest(done)))
    }

    /// Gives the first piece of `run` to the plugin, a version that has to prove itself. Returns the length of
    /// the piece in bytes.
    ///
    /// # Errors
    ///
    /// How the plugin failed; `reply` is as it was then.
    pub async fn try_first(&mut self, run: &Run, reply: &mut Reply) -> Result<usize, Failure> {
        self.count_in(run);
        self.supervisor.try_first(&run.frames, reply).await
    }

    /// Takes over from the task `before`, whose input comes here from now on.
    pub fn take_over(&mut self, before: &mut Self) {
        self.supervisor.take_over(&mut before.supervisor);
        self.liveness = before.liveness;
        self.permit = before.permit.take();
    }

    /// Adds to `reply` the last responses of the plugin, at the end of its input.
    ///
    /// # Errors
    ///
    /// Why the task must end with an error.
    pub async fn finish(&mut self, reply: &mut Reply) -> Result<(), TaskError> {
        self.supervisor.finish(reply).await
    }

    /// Gives up the guest, and its memory: the task has ended.
    pub async fn end(&mut self) {
        self.supervisor.lose_guest().await;
    }

    /// The frames behind the copied bytes of `reply`, where the plugin has returned them. They are there until
    /// the next piece of work.
    pub fn output(&self, reply: &Reply) -> &[u8] {
        if reply.is_in_place() { self.supervisor.output() } else { &[] }
    }

    /// What has become of the points.
    pub fn counts(&self) -> Counts {
        self.supervisor.counts
    }

    /// The values of the plugin's own metrics.
    pub fn metrics(&self) -> &PluginMetrics {
        &self.supervisor.metrics
    }

    /// The same, if one has changed since this was called last.
    #[inline]
    pub fn changed_metrics(&mut self) -> Option<&PluginMetrics> {
        self.supervisor.metrics.take_change().then_some(&self.supervisor.metrics)
    }

    /// Memory of the guest in bytes; 0 if there is none.
    #[inline]
    pub fn memory(&mut self) -> usize {
        self.supervisor.instance().map_or(0, |instance| instance.guest.memory_size())
    }

    /// Tells who observes the task that it ends.
    pub fn observe_end(&mut self) {
        let Some(observer) = self.supervisor.setup().trial.observer.clone() else { return };
        let memory = self.memory() as u64;
        let computed = self.supervisor.setup().context.clock.total();
        let metrics = self.metrics().clone();
        observer.ended(&TrialEnd { counts: self.counts(), metrics, computed, memory });
    }

    /// Number of points that the state has seen.
    pub fn points_seen(&self) -> u64 {
        self.supervisor.points_seen()
    }

    /// Whether the task is inside a batch, on either side of the plugin, or skips the rest of one.
    pub fn is_in_batch(&self) -> bool {
        self.supervisor.is_in_batch()
    }

    /// Why the data is not live, once that is certain; `ends`: no more data comes.
    pub fn not_live(&self, ends: bool) -> Option<NotLive> {
        self.liveness.not_live(ends)
    }

    /// Whether most of the recent data was live; `None` before the first point.
    pub fn is_live(&self) -> Option<bool> {
        self.liveness.is_live()
    }
}
