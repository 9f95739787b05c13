//! Makes the tasks of one session.

use std::sync::Arc;

use prost::Message;
use sha2::{Digest, Sha256};

use super::active_task::StateOwner;
use super::error::WorkError;
use crate::config::Config;
use crate::logging::Labels;
use crate::protocol::InitRequest;
use crate::routing::{Function, Routed};
use crate::sandbox::{CallClock, Determinism, GuestLog, SandboxContext, SandboxPermit};
use crate::shared::Shared;
use crate::task::{TaskSpec, Trial, Troubles};

/// What the tasks of one session are made from.
pub struct TaskSource {
    /// What all sessions share.
    pub shared: Arc<Shared>,
    /// `udf.toml` as it was when the session began.
    pub config: Arc<Config>,
    /// The function that Kapacitor has connected to.
    pub function: Arc<Function>,
    /// Measures the calls into the guest.
    pub clock: Arc<CallClock>,
    /// What went wrong last.
    pub troubles: Arc<Troubles>,
    /// What the workbench asks of the task.
    pub trial: Trial,
}

impl TaskSource {
    /// Chooses the plugin of a task, and makes the request fit it.
    ///
    /// # Errors
    ///
    /// [`WorkError::Route`].
    pub fn route(&self, request: InitRequest) -> Result<Routed, WorkError> {
        let announced = self.shared.announced().get(&self.function.name);
        Ok(self.function.route(request, &self.shared.plugins(), announced.as_ref())?)
    }

    /// All that the task of `routed` is started with.
    pub fn spec(
        &self,
        labels: &Arc<Labels>,
        routed: Routed,
        permit: Option<SandboxPermit>,
        owner: StateOwner,
    ) -> TaskSpec {
        let Routed { plugin, request } = routed;
        let options = InitRequest { options: request.options.clone(), ..InitRequest::default() };
        let request = request.encode_to_vec();
        let context = SandboxContext {
            labels: Arc::clone(labels),
            log: GuestLog::new(Arc::clone(labels), self.function.limits.log_per_second),
            limits: self.function.limits,
            clock: Arc::clone(&self.clock),
            determinism: Determinism::new(seed_of(&request)),
            budget: Arc::clone(self.shared.budget()),
        };
        TaskSpec {
            plugin,
            context,
            policy: self.function.policy,
            recovers_always: owner == StateOwner::Client,
            request,
            options_sha256: Sha256::digest(options.encode_to_vec()).into(),
            skipped: Arc::clone(self.shared.skipped()),
            troubles: Arc::clone(&self.troubles),
            permit,
            trial: self.trial.clone(),
        }
    }
}

/// Seed of the random numbers of a task. It is a function of what the plugin is started with, so that a task gets the
/// same numbers each time, and another task, node or options get others.
fn seed_of(request: &[u8]) -> u64 {
    let digest: [u8; 32] = Sha256::digest(request).into();
    u64::from_le_bytes(std::array::from_fn(|i| digest[i]))
}
