//! A new version of a running task's plugin.
//!
//! The new version takes over with the next points, and has to prove itself with them: until then the old
//! one is there, and goes on as if nothing had been where the new one fails.

use std::sync::Arc;

use crate::config::OnUpdate;
use crate::logging::log_for;
use crate::plugin::Plugin;
use crate::protocol::Run;
use crate::session::executor::Executor;
use crate::state::Snapshot;
use crate::task::Task;

impl Executor {
    /// Lets the new version of the plugin take over with `run`, if there is one and the policy wants it. True
    /// if `run` is done.
    ///
    /// # Errors
    ///
    /// Why the task must end.
    pub(crate) async fn update(&mut self, run: &Run, out: &mut Vec<u8>) -> Result<bool, String> {
        let Some(task) = &mut self.task else { return Ok(false) };
        if task.in_batch || task.skipping || task.guard.in_batch() {
            // The new version would get, or have begun, the rest of a batch only.
            return Ok(false);
        }
        self.generation = self.shared.library().generation();
        let plugins = self.shared.plugins();
        let new = match plugins.get(&task.plugin.name) {
            Some(Ok(new)) if new.sha256 != task.plugin.sha256 => Arc::clone(new),
            _ => return Ok(false),
        };
        let policy = self.function.policy.on_update;
        let state = match policy {
            OnUpdate::Keep => {
                log_for!(debug, self.labels, "plugin has a new version, this task stays with its own");
                return Ok(false);
            }
            OnUpdate::Restart => None,
            OnUpdate::Migrate if !new.own_format => {
                self.say_stays(&new, "it has no state format of its own");
                return Ok(false);
            }
            OnUpdate::Migrate => match task.hand_over().await? {
                Ok(state) => Some(state),
                Err(reason) => {
                    self.say_stays(&new, &reason);
                    return Ok(false);
                }
            },
        };
        match self.take_over(&new, state, run, out).await {
            Ok((mut next, done)) => {
                let Some(mut before) = self.task.take() else { return Ok(false) };
                next.counts.points_in += run.points;
                next.succeed(&mut before);
                let (from, to) = (before.plugin.version(), new.version());
                let points_seen = next.points_seen.to_string();
                log_for!(info, self.labels, from, to, points_seen, "task goes on with the new version");
                drop(before);
                let next = self.task.insert(next);
                next.process_frames(run, done, out).await?;
                Ok(true)
            }
            Err(reason) => {
                self.say_stays(&new, &reason);
                Ok(false)
            }
        }
    }

    /// A task with the new version, which has dealt with the beginning of `run`: how many bytes of it.
    async fn take_over(
        &mut self,
        new: &Arc<Plugin>,
        state: Option<Snapshot>,
        run: &Run,
        out: &mut Vec<u8>,
    ) -> Result<(Task, usize), String> {
        let routed = self.route(self.request.clone())?;
        if routed.plugin.sha256 != new.sha256 {
            return Err("the task's function chooses another plugin now".to_owned());
        }
        let mut next = Task::start(self.task_spec(routed, None)).await?;
        if let Some(state) = state {
            next.check_fit(&state, true).map_err(|e| e.to_string())?;
            next.restore(&state).await.map_err(|e| e.to_string())?;
        }
        let done = next.try_first(&run.frames, out).await?;
        Ok((next, done))
    }

    fn say_stays(&self, new: &Plugin, reason: &str) {
        let version = new.version();
        log_for!(warn, self.labels, version, reason, "task stays with the version of its plugin that it has");
    }
}
