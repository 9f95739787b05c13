//! The sandbox's half of a session: does one piece of work after the other, in Kapacitor's order.
//!
//! It owns the sandbox and the guard, and knows nothing of sockets. A sandbox that failed is dropped
//! at once and never called again.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prost::Message;
use sha2::{Digest, Sha256};
use tracing::{debug, error, info, warn};

use crate::config::Limits;
use crate::guard::{Guard, Passed};
use crate::guest_log::Who;
use crate::host::Host;
use crate::inbox::{Item, Run};
use crate::logfmt::{cut, visible};
use crate::plugin::Plugin;
use crate::protocol::{
    InitRequest, InitResponse, RequestMessage, ResponseMessage, RestoreRequest, RestoreResponse,
    SnapshotResponse, put_error, put_response,
};
use crate::router::{Function, Routed};
use crate::sandbox::Sandbox;
use crate::snapshot::{self, Snapshot, SnapshotError, Taken};
use crate::units::Bytes;

/// Longest error text that is sent to Kapacitor, in bytes.
const MAX_ERROR: usize = 4096;

/// Output that takes long to check, in bytes: whoever serves connections goes on meanwhile.
const LONG: usize = 512 * 1024;

/// A piece of work.
#[derive(Debug)]
pub enum Work {
    /// What was waiting in the inbox.
    Item(Item),
    /// The input has ended and all of it was done.
    Finish,
}

/// Whether the session goes on after a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Go,
    /// All is said.
    Close,
}

/// The executor of one session.
pub struct Executor {
    host: Arc<Host>,
    function: Arc<Function>,
    /// Whose log lines these are; complete once a task is known.
    pub who: Arc<Who>,
    task: Option<Task>,
    /// Points that went in.
    pub points_in: u64,
    /// Points that came out.
    pub points_out: u64,
}

/// A task that was started.
struct Task {
    plugin: Arc<Plugin>,
    sandbox: Sandbox,
    guard: Guard,
    /// The InitRequest as the plugin got it.
    request: Vec<u8>,
    options_sha256: [u8; 32],
    points_seen: u64,
}

impl Executor {
    /// The executor of a connection to `function`.
    pub fn new(host: Arc<Host>, function: Arc<Function>) -> Self {
        let who = Who { function: function.name.clone(), ..Who::default() };
        Self { host, function, who: Arc::new(who), task: None, points_in: 0, points_out: 0 }
    }

    /// Does `work` and appends to `out` what Kapacitor gets for it.
    pub async fn run(&mut self, work: Work, out: &mut Vec<u8>) -> Verdict {
        let result = match work {
            Work::Item(Item::Run(run)) => self.process(run, out).await,
            Work::Item(Item::Request(request)) => self.answer(*request, out).await,
            Work::Finish => self.finish(out).await,
        };
        match result {
            Ok(verdict) => verdict,
            Err(error) => {
                let error = self.describe(&error);
                let Who { function, task, node, plugin } = &*self.who;
                error!(function, task, node, plugin, err = error, "task failed");
                put_error(error, out);
                Verdict::Close
            }
        }
    }

    async fn answer(&mut self, request: RequestMessage, out: &mut Vec<u8>) -> Result<Verdict, String> {
        match request {
            RequestMessage::Info(_) => {
                let info = self.function.info(&self.host.plugins());
                put_response(ResponseMessage::Info(info), out);
            }
            RequestMessage::Init(request) => return Ok(self.init(request, out).await),
            RequestMessage::Snapshot(_) => {
                let snapshot = self.snapshot().await?;
                self.log_snapshot(&snapshot);
                put_response(ResponseMessage::Snapshot(SnapshotResponse { snapshot }), out);
            }
            RequestMessage::Restore(request) => return self.restore(&request.snapshot, out).await,
            // The inbox answers keepalives and collects data.
            RequestMessage::Keepalive(_)
            | RequestMessage::Begin(_)
            | RequestMessage::Point(_)
            | RequestMessage::End(_) => {}
        }
        Ok(Verdict::Go)
    }

    /// Starts the task; a failure is answered, and then the session ends.
    async fn init(&mut self, request: InitRequest, out: &mut Vec<u8>) -> Verdict {
        self.who = Arc::new(Who {
            function: self.function.name.clone(),
            task: request.task_id.clone(),
            node: request.node_id.clone(),
            plugin: String::new(),
        });
        let started = self.start(request).await;
        let Who { function, task, node, plugin } = &*self.who;
        let (response, verdict) = match started {
            Ok(()) => {
                info!(function, task, node, plugin, "task started");
                (InitResponse { success: true, error: String::new() }, Verdict::Go)
            }
            Err(mut error) => {
                cut(&mut error, MAX_ERROR);
                error!(function, task, node, plugin, err = error, "task can't start");
                (InitResponse { success: false, error }, Verdict::Close)
            }
        };
        put_response(ResponseMessage::Init(response), out);
        verdict
    }

    async fn start(&mut self, request: InitRequest) -> Result<(), String> {
        if self.task.is_some() {
            return Err("a second init on the same connection".to_owned());
        }
        if let Some(name) = self.function.chosen(&request)
            && !matches!(self.host.plugins().get(&name), Some(Ok(_)))
        {
            self.host.look_for(&name).await;
        }
        let Routed { plugin, request } = self.function.route(request, &self.host.plugins())?;
        self.who = Arc::new(Who { plugin: plugin.name.clone(), ..Who::clone(&self.who) });
        let options = InitRequest { options: request.options.clone(), ..InitRequest::default() };
        let options_sha256 = Sha256::digest(options.encode_to_vec()).into();
        let request = request.encode_to_vec();
        let started = start_sandbox(&plugin, &self.function.limits, Arc::clone(&self.who), &request).await;
        let sandbox = started.map_err(|e| self.describe(&e))?;
        let guard = Guard::new(plugin.info.provides(), self.function.limits.output);
        self.task = Some(Task { plugin, sandbox, guard, request, options_sha256, points_seen: 0 });
        Ok(())
    }

    async fn process(&mut self, run: Run, out: &mut Vec<u8>) -> Result<Verdict, String> {
        let Some(task) = &mut self.task else {
            return Err("a point or batch before init".to_owned());
        };
        self.points_in += run.points;
        task.points_seen += run.points;
        let frames = task.sandbox.process(&run.frames).await;
        let passed = match frames {
            Ok(frames) => {
                if frames.len() > LONG {
                    tokio::task::yield_now().await;
                }
                task.guard.pass(frames, out).map_err(|e| format!("udf_process: {e}"))
            }
            Err(e) => Err(e.to_string()),
        };
        self.pass(passed)
    }

    async fn finish(&mut self, out: &mut Vec<u8>) -> Result<Verdict, String> {
        let Some(task) = &mut self.task else {
            return Ok(Verdict::Close);
        };
        let frames = task.sandbox.finish().await;
        let passed = match frames {
            Ok(frames) => task.guard.pass(frames, out).map_err(|e| format!("udf_finish: {e}")),
            Err(e) => Err(e.to_string()),
        };
        self.pass(passed)?;
        Ok(Verdict::Close)
    }

    fn pass(&mut self, passed: Result<Passed, String>) -> Result<Verdict, String> {
        let result = match passed {
            Ok(passed) => {
                self.points_out += passed.points;
                passed.error.map_or(Ok(Verdict::Go), Err)
            }
            Err(e) => Err(e),
        };
        if result.is_err() {
            self.task = None;
        }
        result
    }

    async fn snapshot(&mut self) -> Result<Vec<u8>, String> {
        // Kapacitor keeps no empty snapshot, which is right for a task that has no state.
        let Some(task) = &mut self.task else {
            return Ok(Vec::new());
        };
        let taken = Taken {
            plugin: &task.plugin,
            options_sha256: task.options_sha256,
            points_seen: task.points_seen,
        };
        let saved = if task.plugin.own_format {
            let response = match task.sandbox.snapshot().await {
                Ok(response) => SnapshotResponse::decode(response)
                    .map_err(|_| "udf_snapshot: returned a malformed SnapshotResponse".to_owned()),
                Err(e) => Err(e.to_string()),
            };
            match response {
                Ok(response) => Ok(snapshot::of_plugin(&response.snapshot, &taken)),
                Err(e) => {
                    self.task = None;
                    return Err(e);
                }
            }
        } else {
            match &task.plugin.image {
                // The guard's part of the batch would be missing.
                _ if task.guard.in_batch() => Err(SnapshotError::InBatch),
                Ok(image) => image.save(&mut task.sandbox, &taken),
                Err(reason) => Err(SnapshotError::NotCapturable(reason.clone())),
            }
        };
        let most = self.host.config.sessions.message;
        let saved = saved.and_then(|snapshot| {
            // It comes back in one message, with a few bytes around it.
            let length = Bytes(snapshot.len() as u64);
            if length.0 + 64 > most.0 { Err(SnapshotError::TooLong { length, most }) } else { Ok(snapshot) }
        });
        saved.or_else(|e| {
            // A task without snapshots is better than none.
            let Who { function, task, node, plugin } = &*self.who;
            warn!(function, task, node, plugin, err = e.to_string(), "no snapshot taken");
            // Not empty: Kapacitor would keep an older one, and give that back.
            Ok(snapshot::none(&taken))
        })
    }

    fn log_snapshot(&self, snapshot: &[u8]) {
        let Some(running) = &self.task else { return };
        let Who { function, task, node, plugin } = &*self.who;
        let (bytes, points_seen) = (snapshot.len().to_string(), running.points_seen.to_string());
        debug!(function, task, node, plugin, bytes, points_seen, "snapshot taken");
    }

    /// Gives the task its state back. A snapshot that does not fit is set aside, and the task starts
    /// clean: to refuse it would keep the task from ever starting again.
    async fn restore(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Verdict, String> {
        let mut response = RestoreResponse { success: true, error: String::new() };
        let mut verdict = Verdict::Go;
        if self.task.is_none() {
            response = RestoreResponse { success: false, error: "restore before init".to_owned() };
            verdict = Verdict::Close;
        } else {
            let restored = self.try_restore(bytes).await;
            let Who { function, task, node, plugin } = &*self.who;
            match restored {
                Ok(Some(points)) => {
                    info!(function, task, node, plugin, points_seen = points.to_string(), "state restored");
                }
                Ok(None) => info!(function, task, node, plugin, "no state to restore, the task starts clean"),
                Err(reason) => {
                    let reason = reason.to_string();
                    match self.set_aside(bytes) {
                        Ok(file) => {
                            let file = file.display().to_string();
                            warn!(
                                function,
                                task,
                                node,
                                plugin,
                                reason,
                                file,
                                "snapshot does not fit and was set aside, the task starts without it"
                            );
                        }
                        Err(e) => error!(
                            function,
                            task,
                            node,
                            plugin,
                            reason,
                            err = e.to_string(),
                            "snapshot does not fit and is lost, since state-dir can't be written to"
                        ),
                    }
                    self.start_clean().await?;
                }
            }
        }
        put_response(ResponseMessage::Restore(response), out);
        Ok(verdict)
    }

    /// Returns how many points the restored state has seen; `None` if the snapshot holds no state.
    /// After an error the sandbox may be in any state.
    async fn try_restore(&mut self, bytes: &[u8]) -> Result<Option<u64>, SnapshotError> {
        let Some(task) = &mut self.task else {
            return Ok(None);
        };
        let snapshot = Snapshot::parse(bytes)?;
        if snapshot.is_none() {
            return Ok(None);
        }
        snapshot.check_fit(&Taken {
            plugin: &task.plugin,
            options_sha256: task.options_sha256,
            points_seen: 0,
        })?;
        let refused = |e: String| SnapshotError::Refused(e);
        if task.plugin.own_format {
            let state = snapshot.payload(self.function.limits.memory)?;
            let request = RestoreRequest { snapshot: state }.encode_to_vec();
            let response = task.sandbox.restore(&request).await.map_err(|e| refused(e.to_string()))?;
            let response = RestoreResponse::decode(response)
                .map_err(|_| refused("udf_restore: returned a malformed RestoreResponse".to_owned()))?;
            if !response.success {
                return Err(refused(response.error));
            }
        } else {
            let limits = &self.function.limits;
            let image = task.plugin.image.as_ref().map_err(|e| SnapshotError::NotCapturable(e.clone()))?;
            let start = task.plugin.start(limits, Arc::clone(&self.who));
            let mut sandbox = start.await.map_err(|e| refused(e.to_string()))?;
            image.load(&mut sandbox, &snapshot, limits.memory).await?;
            task.sandbox = sandbox;
        }
        task.points_seen = snapshot.header.points_seen;
        Ok(Some(task.points_seen))
    }

    async fn start_clean(&mut self) -> Result<(), String> {
        let Some(mut task) = self.task.take() else {
            return Ok(());
        };
        let who = Arc::clone(&self.who);
        task.sandbox = start_sandbox(&task.plugin, &self.function.limits, who, &task.request).await?;
        self.task = Some(task);
        Ok(())
    }

    fn set_aside(&self, snapshot: &[u8]) -> io::Result<PathBuf> {
        let now = humantime::format_rfc3339_millis(std::time::SystemTime::now());
        let name = format!("{}.{}.{now}.snapshot", file_name(&self.who.task), file_name(&self.who.node));
        let folder = self.host.config.state_dir.join("set-aside");
        write_whole(&folder, &name, snapshot)
    }

    /// The error with the name of the plugin, cut, and safe to be shown.
    fn describe(&self, error: &str) -> String {
        let mut error = match self.who.plugin.as_str() {
            "" => format!("function \"{}\": {error}", self.who.function),
            plugin => format!("plugin \"{plugin}\": {error}"),
        };
        cut(&mut error, MAX_ERROR);
        // `kapacitor show` prints it as it is.
        visible(&error)
    }
}

/// A sandbox that has been given its InitRequest.
async fn start_sandbox(
    plugin: &Plugin,
    limits: &Limits,
    who: Arc<Who>,
    request: &[u8],
) -> Result<Sandbox, String> {
    let mut sandbox = plugin.start(limits, who).await.map_err(|e| e.to_string())?;
    let response = sandbox.init(request).await.map_err(|e| e.to_string())?;
    let response = InitResponse::decode(response)
        .map_err(|_| "udf_init: returned a malformed InitResponse".to_owned())?;
    if response.success { Ok(sandbox) } else { Err(response.error) }
}

impl Drop for Executor {
    fn drop(&mut self) {
        let Who { function, task, node, plugin } = &*self.who;
        if task.is_empty() && self.points_in == 0 {
            debug!(function, "connection without a task ended");
        } else {
            let (points_in, points_out) = (self.points_in.to_string(), self.points_out.to_string());
            info!(function, task, node, plugin, points_in, points_out, "task ended");
        }
    }
}

/// An id as part of a file name.
fn file_name(id: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }
    };
    id.chars().take(80).map(plain).collect()
}

/// Writes a file that is there whole or not at all.
fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let path = folder.join(name);
    let partial = folder.join(format!("{name}.partial"));
    let mut file = fs::File::create(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, &path)?;
    Ok(path)
}
