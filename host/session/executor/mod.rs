//! The sandbox's half of a session: does one piece of work after the other, in Kapacitor's order.
//!
//! It owns the task and knows nothing of sockets.

use std::sync::Arc;

use prost::Message;
use sha2::{Digest, Sha256};

use crate::config::CheckpointPolicy;
use crate::logging::{Labels, log_for};
use crate::logging::{cut, visible};
use crate::protocol::Run;
use crate::protocol::{
    InitRequest, InitResponse, RequestMessage, ResponseMessage, RestoreResponse, SnapshotResponse, put_error,
    put_response,
};
use crate::routing::{Function, Routed};
use crate::sandbox::CallClock;
use crate::sandbox::Determinism;
use crate::sandbox::GuestLog;
use crate::sandbox::SandboxContext;
use crate::sandbox::SandboxPermit;
use crate::session::inbox::InboxItem;
use crate::shared::Shared;
use crate::state::Checkpointer;
use crate::state::Ending;
use crate::task::{Counts, Task, TaskSpec};
use crate::udf_node::UdfNode;

mod newer;
mod resume;
mod upgrade;

/// Longest error text that is sent to Kapacitor, in bytes.
const MAX_ERROR: usize = 4096;

/// A piece of work.
#[derive(Debug)]
pub enum Work {
    /// What was waiting in the inbox.
    InboxItem(InboxItem),
    /// The input has ended and all of it was done.
    Finish,
    /// The state is to be kept.
    Checkpoint,
    /// The session ends although the task might go on: the host stops, or Kapacitor is gone.
    Leave,
}

/// Whether the session goes on after a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It does.
    Continue,
    /// All is said.
    Close,
}

/// The executor of one session.
pub struct Executor {
    pub(crate) shared: Arc<Shared>,
    pub(crate) function: Arc<Function>,
    /// Whose log lines these are; complete once a task is known.
    pub labels: Arc<Labels>,
    pub(crate) task: Option<Task>,
    /// Whether it is settled which state the task goes on with.
    pub(crate) initial_state_chosen: bool,
    /// The task's checkpoint.
    pub(crate) checkpointer: Option<Checkpointer>,
    /// Set when the session has begun to end.
    pub ending: Ending,
    /// Whether the log says already that no checkpoint could be taken.
    warned: bool,
    /// The InitRequest as Kapacitor sent it.
    pub(crate) request: InitRequest,
    /// The state of the plugins that the task was last compared with, see [`crate::plugin::Library::generation`].
    pub(crate) generation: u64,
    /// What was counted of the task that has ended.
    counts: Option<Counts>,
    /// Measures the calls into the guest.
    pub clock: Arc<CallClock>,
}

impl Executor {
    /// The executor of a connection to `function`.
    pub fn new(shared: Arc<Shared>, function: Arc<Function>) -> Self {
        let udf = UdfNode { function: function.name.clone(), ..UdfNode::default() };
        let labels = Labels { udf, ..Labels::default() };
        let clock = CallClock::new();
        Self {
            shared,
            function,
            labels: Arc::new(labels),
            task: None,
            initial_state_chosen: false,
            checkpointer: None,
            ending: Ending::default(),
            warned: false,
            request: InitRequest::default(),
            generation: 0,
            counts: None,
            clock,
        }
    }

    /// Does `work` and appends to `out` what Kapacitor gets for it.
    pub async fn run(&mut self, work: Work, out: &mut Vec<u8>) -> Outcome {
        let result = match work {
            Work::InboxItem(InboxItem::Run(run)) => self.process(run, out).await,
            Work::InboxItem(InboxItem::Request(request)) => self.answer(*request, out).await,
            Work::Finish => self.finish(out).await,
            Work::Checkpoint => self.checkpoint().await.map(|()| Outcome::Continue),
            Work::Leave => self.leave().await.map(|()| Outcome::Close),
        };
        match result {
            Ok(outcome) => outcome,
            Err(error) => {
                self.end_task();
                let error = self.describe(&error);
                log_for!(error, self.labels, err = error, "task failed");
                put_error(error, out);
                Outcome::Close
            }
        }
    }

    /// What Kapacitor gets behind what was appended, where the plugin has returned it: to be sent before the next piece
    /// of work.
    pub fn take_output(&mut self) -> Option<&[u8]> {
        self.task.as_mut()?.take_output()
    }

    async fn answer(&mut self, request: RequestMessage, out: &mut Vec<u8>) -> Result<Outcome, String> {
        match request {
            RequestMessage::Info(_) => {
                let names: Vec<_> = self.function.named_plugins().collect();
                self.shared.library().wait_until_loaded(&names).await;
                let info = self.function.info(&self.shared.plugins());
                self.shared.announced().announce(&self.function.name, &info, self.shared.compute());
                put_response(ResponseMessage::Info(info), out);
            }
            RequestMessage::Init(request) => return Ok(self.init(request, out).await),
            RequestMessage::Snapshot(_) => {
                let snapshot = self.snapshot().await?;
                put_response(ResponseMessage::Snapshot(SnapshotResponse { snapshot }), out);
            }
            RequestMessage::Restore(request) => return self.restore(&request.snapshot, out).await,
            // The inbox answers keepalives and collects data.
            RequestMessage::Keepalive(_)
            | RequestMessage::Begin(_)
            | RequestMessage::Point(_)
            | RequestMessage::End(_) => {}
        }
        Ok(Outcome::Continue)
    }

    /// Starts the task; a failure is answered, and then the session ends.
    async fn init(&mut self, request: InitRequest, out: &mut Vec<u8>) -> Outcome {
        self.labels = Arc::new(Labels {
            udf: UdfNode {
                function: self.function.name.clone(),
                task: request.task_id.clone(),
                node: request.node_id.clone(),
            },
            plugin: String::new(),
        });
        let started = self.start(request).await;
        let (response, outcome) = match started {
            Ok(()) => {
                log_for!(info, self.labels, "task started");
                (InitResponse { success: true, error: String::new() }, Outcome::Continue)
            }
            Err(mut error) => {
                // What the plugin says was cut before.
                cut(&mut error, MAX_ERROR + 64);
                log_for!(error, self.labels, err = error, "task can't start");
                (InitResponse { success: false, error }, Outcome::Close)
            }
        };
        put_response(ResponseMessage::Init(response), out);
        outcome
    }

    async fn start(&mut self, request: InitRequest) -> Result<(), String> {
        if self.task.is_some() {
            return Err("a second init on the same connection".to_owned());
        }
        if let Some(name) = self.function.chosen(&request)
            && !matches!(self.shared.plugins().get(&name), Some(Ok(_)))
        {
            self.shared.library().look_for(&name).await;
        }
        self.generation = self.shared.library().generation();
        let routed = self.route(request.clone())?;
        self.request = request;
        self.labels = Arc::new(Labels { plugin: routed.plugin.name.clone(), ..Labels::clone(&self.labels) });
        let permit = self.shared.budget().permit(routed.plugin.min_memory).map_err(|e| self.describe(&e))?;
        let task = Task::start(self.task_spec(routed, Some(permit))).await.map_err(|e| self.describe(&e))?;
        self.task = Some(task);
        let (blocking, alive) = (self.shared.compute().clone(), self.shared.stopping());
        self.checkpointer =
            Some(Checkpointer::new(self.shared.checkpoints(), &self.labels, &self.ending, blocking, alive));
        Ok(())
    }

    /// The plugin for a task.
    pub(crate) fn route(&self, request: InitRequest) -> Result<Routed, String> {
        let told = self.shared.announced().get(&self.function.name);
        self.function.route(request, &self.shared.plugins(), told.as_ref())
    }

    /// What a task of this session is made of.
    pub(crate) fn task_spec(&self, routed: Routed, permit: Option<SandboxPermit>) -> TaskSpec {
        let Routed { plugin, request } = routed;
        let options = InitRequest { options: request.options.clone(), ..InitRequest::default() };
        let context = SandboxContext {
            labels: Arc::clone(&self.labels),
            log: GuestLog::new(Arc::clone(&self.labels), self.function.limits.log_per_second),
            limits: self.function.limits,
            clock: Arc::clone(&self.clock),
            determinism: Determinism::new(rand::random()),
            budget: Arc::clone(self.shared.budget()),
        };
        TaskSpec {
            plugin,
            context,
            policy: self.function.policy,
            request: request.encode_to_vec(),
            options_sha256: Sha256::digest(options.encode_to_vec()).into(),
            skipped: Arc::clone(self.shared.skipped()),
            permit,
        }
    }

    /// The snapshot that Kapacitor asks for.
    async fn snapshot(&mut self) -> Result<Vec<u8>, String> {
        self.choose_initial_state(None).await?;
        self.mark();
        let most = self.shared.config.sessions.message;
        // Kapacitor keeps no empty snapshot, which is right for a task that has no state.
        let Some(task) = &mut self.task else { return Ok(Vec::new()) };
        let (snapshot, state) = task.snapshot(most).await?;
        let (bytes, points_seen) = (snapshot.len().to_string(), task.points_seen.to_string());
        log_for!(debug, self.labels, bytes, points_seen, "snapshot given");
        if let Some(state) = state {
            self.write_checkpoint(state);
        }
        Ok(snapshot)
    }

    /// Whether the task is one whose checkpoints are kept.
    fn is_checkpointed(&self) -> bool {
        match self.shared.config.state.checkpoints {
            CheckpointPolicy::Never => false,
            CheckpointPolicy::Always => true,
            CheckpointPolicy::Live => self.task.as_ref().and_then(Task::is_live) == Some(true),
        }
    }

    /// Marks on what is taken from now on whether it is of a replay. The time of the data does not tell that: it
    /// may be late.
    fn mark(&mut self) {
        if let (Some(task), Some(checkpointer)) = (&mut self.task, &self.checkpointer) {
            task.mark_replay(checkpointer.another_session_owns_it());
        }
    }

    /// Begins to write a checkpoint.
    fn write_checkpoint(&mut self, snapshot: Vec<u8>) {
        if self.is_checkpointed()
            && let Some(checkpointer) = &mut self.checkpointer
        {
            checkpointer.write(snapshot, &self.labels);
        }
    }

    /// Keeps the state of the task, if it has changed since that was done last.
    async fn checkpoint(&mut self) -> Result<(), String> {
        self.choose_initial_state(None).await?;
        if !self.is_dirty() {
            return Ok(());
        }
        self.mark();
        let Some(task) = &mut self.task else { return Ok(()) };
        let error = match task.checkpoint().await? {
            None => return Ok(()),
            Some(Ok(snapshot)) => {
                self.write_checkpoint(snapshot);
                return Ok(());
            }
            Some(Err(e)) => e.to_string(),
        };
        // It may go well the next time: outside of the batch, for instance.
        if !std::mem::replace(&mut self.warned, true) {
            log_for!(warn, self.labels, err = error, "no checkpoint taken");
        }
        Ok(())
    }

    /// Begins to keep the state of the task at the end of its session.
    async fn leave(&mut self) -> Result<(), String> {
        let kept = self.last_checkpoint().await;
        self.end_task();
        kept
    }

    async fn last_checkpoint(&mut self) -> Result<(), String> {
        if !self.initial_state_chosen || !self.is_dirty() {
            return Ok(());
        }
        // The one before may still be on its way.
        if let Some(checkpointer) = &mut self.checkpointer {
            checkpointer.written().await;
        }
        self.checkpoint().await
    }

    fn end_task(&mut self) {
        let by_time = self.shared.config.state.checkpoints == CheckpointPolicy::Live;
        if by_time && self.task.as_ref().and_then(Task::is_live) == Some(false) {
            log_for!(debug, self.labels, "no checkpoint, since the data is not of now, as of a replay");
        }
        if let Some(task) = self.task.take() {
            self.counts = Some(task.counts);
        }
        self.checkpointer = None;
    }

    /// Whether there is a state that was not kept yet.
    pub fn is_dirty(&self) -> bool {
        let Some(checkpointer) =
            self.checkpointer.as_ref().filter(|checkpointer| checkpointer.owns_checkpoint())
        else {
            return false;
        };
        self.is_checkpointed()
            && (checkpointer.last_write_failed() || self.task.as_ref().is_some_and(Task::has_changed))
    }

    async fn process(&mut self, run: Run, out: &mut Vec<u8>) -> Result<Outcome, String> {
        self.choose_initial_state(None).await?;
        if self.generation != self.shared.library().generation() && self.update(&run, out).await? {
            return Ok(Outcome::Continue);
        }
        let Some(task) = &mut self.task else {
            return Err("a point or batch before init".to_owned());
        };
        task.process(&run, out).await?;
        Ok(Outcome::Continue)
    }

    async fn finish(&mut self, out: &mut Vec<u8>) -> Result<Outcome, String> {
        // What a plugin sends at its end may change its state, and the task may go on another time.
        self.last_checkpoint().await?;
        if let Some(task) = &mut self.task {
            task.finish(out).await?;
        }
        // Kapacitor may start the task again as soon as it sees the end of this session.
        self.end_task();
        Ok(Outcome::Close)
    }

    /// Gives the task its state back. One that does not fit is set aside, and the task starts clean, unless
    /// the operator says otherwise: to refuse it keeps the task from starting.
    async fn restore(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Outcome, String> {
        let mut response = RestoreResponse { success: true, error: String::new() };
        let mut outcome = Outcome::Continue;
        let chosen = match &self.task {
            Some(_) => self.choose_initial_state(Some(bytes)).await,
            None => Err("restore before init".to_owned()),
        };
        if let Err(error) = chosen {
            let error = self.describe(&error);
            log_for!(error, self.labels, err = error, "task can't start");
            response = RestoreResponse { success: false, error };
            outcome = Outcome::Close;
            self.end_task();
        }
        put_response(ResponseMessage::Restore(response), out);
        Ok(outcome)
    }

    /// The error with the name of the plugin, cut, and safe to be shown.
    fn describe(&self, error: &str) -> String {
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
        if let Some(task) = self.task.take() {
            self.counts = Some(task.counts);
        }
        let Some(counts) = self.counts else {
            log_for!(debug, self.labels, "connection without a task ended");
            return;
        };
        let Counts { points_in, processed, points_out, skipped, dropped, reduced, recoveries } = counts;
        // A connection can end while the plugin computes.
        let unfinished = points_in.saturating_sub(processed + skipped);
        let [points_in, points_out, skipped, dropped, reduced, unfinished, recoveries] =
            [points_in, points_out, skipped, dropped, reduced, unfinished, recoveries].map(|n| n.to_string());
        log_for!(
            info,
            self.labels,
            points_in,
            points_out,
            skipped,
            dropped,
            reduced,
            unfinished,
            recoveries,
            "task ended"
        );
    }
}
