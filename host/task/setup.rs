//! What stays the same for as long as a task runs.

use super::error::StartError;
use super::instance::Instance;
use super::program::Program;
use super::trial::Trial;
use crate::config::Policy;
use crate::guard::Guard;
use crate::logging::Labels;
use crate::sandbox::SandboxContext;

/// The program of a task, what its guests share, and its policies.
pub struct Setup<P> {
    /// The program.
    pub program: P,
    /// What the guests share: one follows the other when that has failed.
    pub context: SandboxContext,
    /// What happens when a guest fails. A guest that fails again and again changes `on-trap`.
    pub policy: Policy,
    /// Whether `on-trap = "recover"` goes on for ever. The failures in a row are no part of a snapshot, so a client that
    /// goes back to one would get other results where they decide about the state.
    pub recovers_always: bool,
    /// What the workbench asks of it.
    pub trial: Trial,
}

impl<P: Program> Setup<P> {
    /// A fresh guest that has been given its InitRequest.
    ///
    /// # Errors
    ///
    /// What the plugin says, or how it failed.
    pub async fn start(&self) -> Result<Instance<P::Guest>, StartError> {
        let guest = self.program.start(&self.context).await?;
        Ok(self.instance(guest, self.guard(&self.policy), 0))
    }

    /// A guest with what belongs to it.
    pub fn instance(&self, guest: P::Guest, guard: Guard, points_seen: u64) -> Instance<P::Guest> {
        let clock = self.program.reads_clock().then(|| self.context.determinism.clone());
        let mut open_batch = self.context.budget.reservation();
        open_batch.set(guard.size() as u64);
        Instance {
            guest,
            guard,
            points_seen,
            clock,
            open_batch,
            metric_values: Vec::new(),
            failures: self.trial.failures,
        }
    }

    /// A guard for a fresh guest.
    pub fn guard(&self, policy: &Policy) -> Guard {
        Guard::new(self.program.provides(), &self.context.limits, policy)
    }

    /// A guard for input that goes on without the guest.
    pub fn guard_of_input(&self, policy: &Policy) -> Guard {
        Guard::of_input(self.program.provides(), &self.context.limits, policy)
    }

    /// The labels of the task's log lines.
    pub fn labels(&self) -> &Labels {
        &self.context.labels
    }
}
