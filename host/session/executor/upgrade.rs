//! A new version of a running task's plugin.
//!
//! The new version takes over with the next points, and has to prove itself with them: until then the old
//! one is there, and goes on as if nothing had happened where the new one fails.

use std::fmt::Display;
use std::sync::Arc;

use thiserror::Error;

use super::Executor;
use super::active_task::StateOwner;
use super::error::WorkError;
use crate::config::OnUpdate;
use crate::logging::log_for;
use crate::plugin::Plugin;
use crate::protocol::Run;
use crate::state::{Snapshot, SnapshotError};
use crate::task::{Failure, Reply, Taken, Task};

/// Why a new version does not take over; the old one goes on.
#[derive(Debug, Error)]
enum UpgradeError {
    /// The operator has changed the choice of the plugin.
    #[error("the task's function chooses another plugin now")]
    OtherPlugin,
    /// The new version can't be started for this task.
    #[error(transparent)]
    Start(#[from] WorkError),
    /// The new version can't go on with the state of the old one.
    #[error(transparent)]
    State(#[from] SnapshotError),
    /// The new version fails at the first points.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl Executor {
    /// Lets the new version of the plugin take over with `run`, if there is one and the policy wants it. True
    /// if `run` is done, but for what [`Executor::take_rest`] gives.
    ///
    /// # Errors
    ///
    /// Why the task must end.
    pub(super) async fn upgrade(&mut self, run: &Run, reply: &mut Reply) -> Result<bool, WorkError> {
        let Some(active) = &mut self.active else { return Ok(false) };
        if active.task.is_in_batch() {
            // The new version would get, or have begun, the rest of a batch only.
            return Ok(false);
        }
        let library = self.source.shared.library();
        active.generation = library.generation();
        let plugins = library.plugins();
        let new = match plugins.get(&active.task.plugin().name) {
            Some(Ok(new)) if new.sha256 != active.task.plugin().sha256 => Arc::clone(new),
            _ => return Ok(false),
        };
        // What the client restores must fit the plugin that its other snapshots were taken from.
        let on_update = match active.owner {
            StateOwner::Host => self.source.function.policy.on_update,
            StateOwner::Client => OnUpdate::Keep,
        };
        let state = match on_update {
            OnUpdate::Keep => {
                log_for!(debug, self.labels, "plugin has a new version, this task stays with its own");
                return Ok(false);
            }
            OnUpdate::Restart => None,
            OnUpdate::Migrate if !new.own_format => {
                self.report_stay(&new, &"it has no state format of its own");
                return Ok(false);
            }
            OnUpdate::Migrate => {
                let state = match active.task.hand_over().await? {
                    Taken::Snapshot(bytes) => Snapshot::parse(&bytes),
                    Taken::Unavailable(error) => Err(error),
                };
                match state {
                    Ok(state) => Some(state),
                    Err(reason) => {
                        self.report_stay(&new, &reason);
                        return Ok(false);
                    }
                }
            }
        };
        let (mut next, done) = match self.try_version(&new, state, run, reply).await {
            Ok(tried) => tried,
            Err(reason) => {
                self.report_stay(&new, &reason);
                return Ok(false);
            }
        };
        let Some(active) = &mut self.active else { return Ok(false) };
        next.take_over(&mut active.task);
        let (from, to) = (active.task.plugin().version(), new.version());
        let points_seen = next.points_seen().to_string();
        self.tap.note(&format!("task goes on with version {to} of its plugin, after {from}"));
        log_for!(info, self.labels, from, to, points_seen, "task goes on with the new version");
        active.task = next;
        active.meter.set_plugin(&new.name, new.sha256);
        // The old version may have failed for good.
        self.source.troubles.set_passes_through(false);
        self.rest = active.task.process_from(run, done, reply).await?;
        Ok(true)
    }

    /// A task with the new version, which has dealt with the beginning of `run`: the length of that in bytes.
    ///
    /// # Errors
    ///
    /// Why the new version can't take over.
    async fn try_version(
        &mut self,
        new: &Plugin,
        state: Option<Snapshot>,
        run: &Run,
        reply: &mut Reply,
    ) -> Result<(Task, usize), UpgradeError> {
        let Some(active) = &self.active else { return Err(WorkError::DataBeforeInit.into()) };
        let routed = self.source.route(active.request.clone())?;
        if routed.plugin.sha256 != new.sha256 {
            return Err(UpgradeError::OtherPlugin);
        }
        let spec = self.source.spec(&self.labels, routed, None, active.owner);
        let mut next = Task::start(spec).await.map_err(WorkError::from)?;
        if let Some(state) = state {
            next.check_fit(&state)?;
            next.restore(&state).await?;
        }
        let done = next.try_first(run, reply).await?;
        Ok((next, done))
    }

    fn report_stay(&self, new: &Plugin, reason: &dyn Display) {
        let version = self.active.as_ref().map(|active| active.task.plugin().version());
        let (version, refused) = (version.unwrap_or_default(), new.version());
        let reason = reason.to_string();
        log_for!(
            warn,
            self.labels,
            version,
            refused,
            reason,
            "task stays with the version of its plugin that it has"
        );
    }
}
