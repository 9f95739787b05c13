//! The sandbox's half of a session: does one piece of work after the other, in Kapacitor's order.
//!
//! It owns the task and knows nothing of sockets.

mod active_task;
mod client_state;
mod error;
mod newer;
mod resume;
mod task_source;
mod upgrade;

use std::fmt::Display;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use self::active_task::{ActiveTask, StateOwner};
use self::error::WorkError;
use self::task_source::TaskSource;
use super::drain::LAST_RESORT;
use super::inbox::{InboxItem, size_of_init};
use crate::config::{CheckpointPolicy, OnTrap};
use crate::logging::{Labels, cut, log_for, on_one_line, visible};
use crate::metrics::{Board, SessionMeter};
use crate::protocol::frame::{Control, Fence};
use crate::protocol::{
    FenceResponse, InitRequest, InitResponse, ResponseMessage, RestoreResponse, Run, SnapshotResponse,
    put_error, put_response,
};
use crate::routing::Function;
use crate::sandbox::{BudgetError, CallClock, sandbox_overhead};
use crate::shared::Shared;
use crate::state::{Checkpointer, Ending};
use crate::tap::SessionTap;
use crate::task::{Counts, Reply, Task, Trial};
use crate::udf_node::UdfNode;
use crate::units::Bytes;

/// Maximum length of an error text that is sent to Kapacitor, in bytes.
const MAX_ERROR: usize = 4096;

/// A piece of work.
#[derive(Debug)]
pub enum Work {
    /// The item that was waiting in the inbox.
    Item(InboxItem),
    /// The input has ended and all of it was processed.
    Finish,
    /// The state is to be written to the checkpoint.
    Checkpoint,
    /// The session ends although the task might go on: the host stops, or Kapacitor is gone.
    Leave,
}

/// Whether the session goes on after a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The session goes on.
    Continue,
    /// The session ends once the reply is sent.
    Close,
}

/// The meter of a task, and where it is.
struct Metered {
    meter: Arc<SessionMeter>,
    board: Arc<Board>,
    udf: UdfNode,
}

/// The executor of one session.
pub struct Executor {
    source: TaskSource,
    /// The labels of the session's log lines; complete once a task is known.
    labels: Arc<Labels>,
    active: Option<ActiveTask>,
    /// Set when the session has begun to end.
    ending: Ending,
    /// What was counted of the task that has ended.
    counts: Option<Counts>,
    /// Tells others of the task.
    metered: Option<Metered>,
    /// Shows the points of the task to whoever taps it.
    tap: SessionTap,
    /// The rest of the run that was given last, while the plugin waits for its share of a core.
    rest: Option<Run>,
    /// Whether the last reply ends with a snapshot.
    sends_snapshot: bool,
    /// Whether the last reply answers a fence.
    answers_fence: bool,
    /// The fence that is answered behind the last output.
    last_fence: Option<Fence>,
    /// Set when Kapacitor is known to have the last snapshot.
    received: Arc<AtomicBool>,
}

impl Executor {
    /// The executor of a connection to `function`.
    pub fn new(shared: Arc<Shared>, function: Arc<Function>, trial: Trial) -> Self {
        let udf = UdfNode { function: function.name.clone(), ..UdfNode::default() };
        let tap = SessionTap::new(Arc::clone(shared.taps()));
        Self {
            labels: Arc::new(Labels { udf, plugin: String::new() }),
            source: TaskSource {
                config: shared.config(),
                shared,
                function,
                clock: CallClock::new(),
                troubles: Arc::default(),
                trial,
            },
            active: None,
            ending: Ending::default(),
            counts: None,
            metered: None,
            tap,
            rest: None,
            sends_snapshot: false,
            answers_fence: false,
            last_fence: None,
            received: Arc::default(),
        }
    }

    /// The labels of the session's log lines, as far as they are known.
    pub fn labels(&self) -> &Arc<Labels> {
        &self.labels
    }

    /// Measures the calls into the guest.
    pub fn clock(&self) -> &Arc<CallClock> {
        &self.source.clock
    }

    /// To be set when the session begins to end.
    pub fn ending(&self) -> &Ending {
        &self.ending
    }

    /// To be set when Kapacitor is known to have the last snapshot.
    pub fn received(&self) -> &Arc<AtomicBool> {
        &self.received
    }

    /// Whether the last reply ends with a snapshot, the first time that this is called.
    pub fn take_sends_snapshot(&mut self) -> bool {
        mem::take(&mut self.sends_snapshot)
    }

    /// Whether the last reply answers a fence, the first time that this is called.
    pub fn take_answers_fence(&mut self) -> bool {
        mem::take(&mut self.answers_fence)
    }

    /// Does `work` and adds to `reply` what Kapacitor gets for it.
    pub async fn run(&mut self, work: Work, reply: &mut Reply) -> Outcome {
        if self.received.load(Relaxed) && self.received.swap(false, Relaxed) {
            self.note_received();
        }
        // What is rare is in boxes, so that the future of a run is small.
        let result = match work {
            Work::Item(InboxItem::Run(run)) => self.process(run, reply).await,
            Work::Item(InboxItem::Control(request)) => Box::pin(self.answer(*request, reply)).await,
            Work::Finish => Box::pin(self.finish(reply)).await,
            Work::Checkpoint => Box::pin(self.checkpoint()).await.map(|()| Outcome::Continue),
            Work::Leave => Box::pin(self.leave()).await.map(|()| Outcome::Close),
        };
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(error) => Box::pin(self.fail(error, reply)).await,
        };
        if self.tap.is_tapped() {
            self.tap_output(reply);
        }
        outcome
    }

    /// Shows the input of the task to whoever taps it. Returns what was counted before, if somebody does.
    #[cold]
    fn tap_input(&mut self, run: &Run) -> Option<Counts> {
        self.look_for_taps("task runs");
        // The rest of a run was shown with its beginning.
        if !run.is_rest {
            self.tap.input(run);
        }
        self.active.as_ref().filter(|_| self.tap.is_tapped()).map(|active| active.task.counts())
    }

    /// Tells whoever taps the task if the plugin has failed since `before`.
    #[cold]
    fn tap_failures(&self, before: &Counts) {
        let Some(active) = &self.active else { return };
        let Counts { failures, recoveries, skipped, passed_through, .. } = active.task.counts();
        let (failures, recoveries) = (failures - before.failures, recoveries - before.recoveries);
        let (skipped, passed) = (skipped - before.skipped, passed_through - before.passed_through);
        if failures > 0 {
            self.tap.note(&format!(
                "plugin failed, times: {failures}, brought back: {recoveries}, points skipped: {skipped}"
            ));
        } else if passed > 0 {
            self.tap.note(&format!("task runs without its plugin, points passed through: {passed}"));
        }
    }

    /// Shows what Kapacitor gets of the task to whoever taps it.
    #[cold]
    fn tap_output(&mut self, reply: &Reply) {
        let in_place = self.active.as_ref().map_or(&[][..], |active| active.task.output(reply));
        self.tap.output(reply.copied(), in_place);
    }

    /// Looks whether somebody taps the task, who is told `what` of it at first.
    fn look_for_taps(&mut self, what: &str) {
        let Some(active) = &self.active else { return };
        let plugin = active.task.plugin();
        self.tap.look(&self.labels.udf, || {
            format!("{what}, with the plugin {:?}, version {}", plugin.name, plugin.version())
        });
    }

    fn note_received(&mut self) {
        if let Some(active) = &mut self.active {
            active.task.note_snapshot_received();
        }
    }

    /// Ends the task with an error.
    async fn fail(&mut self, error: WorkError, reply: &mut Reply) -> Outcome {
        if let Some(active) = &mut self.active {
            active.keep_last_good_state().await;
        }
        self.end_task().await;
        let error = self.describe(&error);
        self.tap.note(&format!("task failed: {}", on_one_line(&error)));
        self.source.troubles.note_error(&error);
        log_for!(error, self.labels, err = error, "task failed");
        put_error(error, reply.buffer());
        Outcome::Close
    }

    /// The frames behind the copied bytes of `reply`, where the plugin has returned them: to be sent before the
    /// next piece of work.
    pub fn output(&self, reply: &Reply) -> &[u8] {
        self.active.as_ref().map_or(&[], |active| active.task.output(reply))
    }

    async fn answer(&mut self, request: Control, reply: &mut Reply) -> Result<Outcome, WorkError> {
        match request {
            Control::Info => {
                let TaskSource { shared, function, .. } = &self.source;
                let names: Vec<_> = function.named_plugins().collect();
                shared.library().wait_until_loaded(&names).await;
                let announced = shared.announced().get(&function.name);
                let info = function.told(&shared.plugins(), announced.as_ref());
                shared.announced().announce(&function.name, &info);
                put_response(ResponseMessage::Info(info), reply.buffer());
            }
            Control::Init(request) => return Ok(self.init(request, reply).await),
            Control::Snapshot => {
                if let Some(active) = &mut self.active {
                    reply.put_room(active.task.room_for_snapshot());
                }
                let response = self.snapshot().await?;
                put_response(ResponseMessage::Snapshot(response), reply.buffer());
            }
            Control::Fence(fence) if fence.at_end => self.last_fence = Some(fence),
            Control::Fence(fence) => {
                self.answers_fence = true;
                put_response(ResponseMessage::Fence(self.answer_fence(fence)), reply.buffer());
            }
            Control::Restore(request) => return Ok(self.restore(&request.snapshot, reply).await),
        }
        Ok(Outcome::Continue)
    }

    /// Starts the task; a failure is answered, and then the session ends.
    async fn init(&mut self, request: InitRequest, reply: &mut Reply) -> Outcome {
        self.labels = Arc::new(Labels {
            udf: UdfNode {
                function: self.source.function.name.clone(),
                task: request.task_id.clone(),
                node: request.node_id.clone(),
            },
            plugin: String::new(),
        });
        let client_state = request.client_state;
        let (response, outcome) = match self.start(request).await {
            Ok(()) => {
                log_for!(info, self.labels, "task started");
                self.look_for_taps("task started");
                (InitResponse { success: true, error: String::new(), client_state }, Outcome::Continue)
            }
            Err(error) => {
                let mut error = match error {
                    error @ (WorkError::SecondInit | WorkError::Route(_)) => on_one_line(&error.to_string()),
                    error => self.describe(&error),
                };
                // What the plugin says was cut before.
                cut(&mut error, MAX_ERROR + 64);
                if self.active.is_none() {
                    self.source.shared.board().refuse(&self.labels.udf, &error);
                }
                log_for!(error, self.labels, err = error, "task can't start");
                (InitResponse { success: false, error, client_state }, Outcome::Close)
            }
        };
        put_response(ResponseMessage::Init(response), reply.buffer());
        outcome
    }

    async fn start(&mut self, mut request: InitRequest) -> Result<(), WorkError> {
        if self.active.is_some() {
            return Err(WorkError::SecondInit);
        }
        // The plugin is not told, so that it is the same to it, with the same random numbers.
        let owner = StateOwner::named_by(mem::take(&mut request.client_state));
        let TaskSource { shared, function, .. } = &self.source;
        if owner == StateOwner::Client && function.policy.on_trap == OnTrap::PassThrough {
            return Err(WorkError::PassesThrough(function.name.clone()));
        }
        if let Some(name) = function.chosen(&request)
            && !matches!(shared.plugins().get(&name), Some(Ok(_)))
        {
            shared.library().look_for(&name).await;
        }
        let generation = shared.library().generation();
        let mut request_memory = shared.budget().reservation();
        request_memory.try_set(size_of_init(&request) as u64).map_err(BudgetError::Memory)?;
        let routed = self.source.route(request.clone())?;
        self.labels = Arc::new(Labels { plugin: routed.plugin.name.clone(), ..Labels::clone(&self.labels) });
        let needs = routed.plugin.min_memory.0.saturating_add(sandbox_overhead(&function.limits));
        let permit = shared.budget().permit(Bytes(needs))?;
        let task = Task::start(self.source.spec(&self.labels, routed, Some(permit), owner)).await?;
        // To finish what was read on a busy machine, to wait for the last call, and to take the state.
        let end_of_session = (LAST_RESORT + 2) * self.source.config.sessions.drain_deadline.0;
        let checkpointer = Checkpointer::new(
            shared.checkpoints(),
            &self.labels,
            (owner == StateOwner::Host).then_some(&self.ending),
            end_of_session,
            shared.stopping(),
        );
        let policy = match owner {
            StateOwner::Host => self.source.config.state.checkpoints,
            StateOwner::Client => CheckpointPolicy::Never,
        };
        let labels = Arc::clone(&self.labels);
        let meter =
            Arc::new(SessionMeter::new(Arc::clone(&self.source.clock), Arc::clone(&self.source.troubles)));
        meter.set_plugin(&task.plugin().name, task.plugin().sha256);
        meter.set_metrics(task.metrics());
        let board = Arc::clone(shared.board());
        let udf = board.begin(&labels.udf, &meter);
        let mut active =
            ActiveTask::new(task, request, generation, labels, Arc::clone(&meter), checkpointer, policy);
        self.metered = Some(Metered { meter, board, udf });
        active.request_memory = Some(request_memory);
        active.owner = owner;
        self.active = Some(active);
        Ok(())
    }

    /// The task, once it is known which state it goes on with; `None` before Init.
    async fn ready(&mut self) -> Result<Option<&mut ActiveTask>, WorkError> {
        let Some(active) = &mut self.active else { return Ok(None) };
        if !active.initial_state_chosen {
            let on_mismatch = self.source.function.policy.on_mismatch;
            match active.owner {
                StateOwner::Host => Box::pin(active.choose_initial_state(None, on_mismatch)).await?,
                StateOwner::Client => Box::pin(active.begin_with(None)).await?,
            }
        }
        Ok(Some(active))
    }

    /// The snapshot that Kapacitor asks for.
    async fn snapshot(&mut self) -> Result<SnapshotResponse, WorkError> {
        let most = self.source.config.sessions.message;
        let snapshot = match self.ready().await? {
            Some(active) if active.owner == StateOwner::Client => return active.exact_snapshot(most).await,
            Some(active) => active.snapshot(most).await?,
            // Kapacitor keeps no empty snapshot, which is right for a task that has no state.
            None => Vec::new(),
        };
        self.sends_snapshot = true;
        Ok(SnapshotResponse { snapshot, error: String::new() })
    }

    /// How far the task has come: all input before the fence is done.
    fn answer_fence(&self, fence: Fence) -> FenceResponse {
        let counts = self.active.as_ref().map(|active| active.task.counts()).unwrap_or_default();
        // As many as a session could ever get fit.
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        FenceResponse {
            id: fence.id,
            points_answered: number(counts.finished().saturating_add(fence.dropped)),
            points_skipped: number(counts.skipped + counts.passed_through),
            at_end: fence.at_end,
        }
    }

    async fn checkpoint(&mut self) -> Result<(), WorkError> {
        match self.ready().await? {
            Some(active) => active.checkpoint().await,
            None => Ok(()),
        }
    }

    /// Begins to write the state of the task at the end of its session.
    async fn leave(&mut self) -> Result<(), WorkError> {
        let written = self.last_checkpoint().await;
        self.end_task().await;
        written
    }

    async fn last_checkpoint(&mut self) -> Result<(), WorkError> {
        match &mut self.active {
            Some(active) => active.last_checkpoint().await,
            None => Ok(()),
        }
    }

    async fn end_task(&mut self) {
        self.look_for_taps("task runs");
        let Some(mut active) = self.active.take() else { return };
        active.warn_if_not_live(true);
        self.counts = Some(active.task.counts());
        if let Some(Metered { meter, .. }) = &self.metered {
            meter.set_metrics(active.task.metrics());
        }
        active.task.observe_end();
        active.task.end().await;
    }

    /// How long the next run has to wait for the plugin's share of a core; `None` if it need not.
    pub fn wait_for_share(&mut self) -> Option<Duration> {
        self.active.as_mut()?.task.wait_for_share()
    }

    /// Takes the rest of the run that was given last, which comes before all other input.
    pub fn take_rest(&mut self) -> Option<Run> {
        self.rest.take()
    }

    /// Tells the meter of the task what it has done; returns the meter, if a task was started.
    #[inline]
    pub fn publish(&mut self) -> Option<&Arc<SessionMeter>> {
        let Metered { meter, .. } = self.metered.as_ref()?;
        if let Some(active) = &mut self.active {
            meter.set_counts(&active.task.counts());
            meter.set_memory(active.task.memory());
            if let Some(metrics) = active.task.changed_metrics() {
                meter.set_metrics(metrics);
            }
            meter.set_checkpoint_failures(active.checkpointer.failures());
        }
        Some(meter)
    }

    /// Whether there is a task.
    pub fn has_task(&self) -> bool {
        self.active.is_some()
    }

    /// Whether there is a state that no checkpoint holds yet, or that is still being written, which may fail.
    pub fn is_dirty(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.is_dirty() || active.checkpointer.is_unwritten())
    }

    async fn process(&mut self, run: Run, reply: &mut Reply) -> Result<Outcome, WorkError> {
        let before = if self.tap.is_idle() { None } else { self.tap_input(&run) };
        let Some(active) = self.ready().await? else { return Err(WorkError::DataBeforeInit) };
        let generation = active.generation;
        if generation != self.source.shared.library().generation()
            && Box::pin(self.upgrade(&run, reply)).await?
        {
            return Ok(Outcome::Continue);
        }
        let Some(active) = &mut self.active else { return Err(WorkError::DataBeforeInit) };
        self.rest = active.task.process(&run, reply).await?;
        active.warn_if_not_live(false);
        if let Some(before) = before {
            self.tap_failures(&before);
        }
        Ok(Outcome::Continue)
    }

    async fn finish(&mut self, reply: &mut Reply) -> Result<Outcome, WorkError> {
        // What a plugin sends at its end may change its state, and the task may go on another time.
        self.last_checkpoint().await?;
        if let Some(active) = &mut self.active {
            active.task.finish(reply).await?;
        }
        if let Some(fence) = self.last_fence.take() {
            put_response(ResponseMessage::Fence(self.answer_fence(fence)), reply.buffer());
        }
        // Kapacitor may start the task again as soon as it sees the end of this session.
        self.end_task().await;
        Ok(Outcome::Close)
    }

    /// Gives the task its state back. A state that does not fit is set aside, and the task starts clean, unless
    /// the operator says otherwise: to refuse it keeps the task from starting.
    async fn restore(&mut self, bytes: &[u8], reply: &mut Reply) -> Outcome {
        let on_mismatch = self.source.function.policy.on_mismatch;
        let chosen = match &mut self.active {
            Some(active) if active.owner == StateOwner::Client => active.begin_with(Some(bytes)).await,
            Some(active) => active.choose_initial_state(Some(bytes), on_mismatch).await,
            None => Err(WorkError::RestoreBeforeInit),
        };
        let (response, outcome) = match chosen {
            Ok(()) => (RestoreResponse { success: true, error: String::new() }, Outcome::Continue),
            Err(error) => {
                let error = self.describe(&error);
                self.source.troubles.note_error(&error);
                log_for!(error, self.labels, err = error, "task can't start");
                self.end_task().await;
                (RestoreResponse { success: false, error }, Outcome::Close)
            }
        };
        put_response(ResponseMessage::Restore(response), reply.buffer());
        outcome
    }

    /// The error with the name of the plugin, cut, and safe to be shown.
    fn describe(&self, error: &impl Display) -> String {
        let mut error = match self.labels.plugin.as_str() {
            "" => format!("function \"{}\": {error}", self.labels.udf.function),
            plugin => format!("plugin \"{plugin}\": {error}"),
        };
        cut(&mut error, MAX_ERROR);
        // `kapacitor show` prints it as it is.
        visible(&error)
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        if let Some(mut active) = self.active.take() {
            self.counts = Some(active.task.counts());
            if let Some(Metered { meter, .. }) = &self.metered {
                meter.set_metrics(active.task.metrics());
            }
            active.task.observe_end();
        }
        if let (Some(Metered { meter, board, udf }), Some(counts)) = (self.metered.take(), &self.counts) {
            meter.set_counts(counts);
            board.end(&udf, &meter, counts.unfinished());
        }
        if let Some(counts) = self.counts.filter(|_| self.tap.is_tapped()) {
            let Counts { points_in, points_out, .. } = counts;
            self.tap.note(&format!("task ended, points in: {points_in}, out: {points_out}"));
        }
        let Some(counts) = self.counts else {
            log_for!(debug, self.labels, "connection without a task ended");
            return;
        };
        log_for!(
            info,
            self.labels,
            points_in = counts.points_in.to_string(),
            points_out = counts.points_out.to_string(),
            skipped = (counts.skipped + counts.declined).to_string(),
            dropped = counts.dropped.to_string(),
            reduced = counts.reduced.to_string(),
            unfinished = counts.unfinished().to_string(),
            recoveries = counts.recoveries.to_string(),
            taken_in = counts.taken_in().to_string(),
            skipped_by_plugin = counts.declined.to_string(),
            passed_through = counts.passed_through.to_string(),
            "task ended"
        );
    }
}
