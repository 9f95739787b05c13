//! The state from which a guest can be brought back.

use super::error::TaskError;
use super::instance::Instance;
use super::program::Program;
use super::setup::Setup;
use crate::guard::Guard;
use crate::sandbox::{DeterminismState, GuestLog};

/// The state of an instance at one moment.
pub struct Savepoint<M> {
    /// The guest's clock and random numbers then.
    determinism: DeterminismState,
    /// The rest of the state; `None` for the start of the program.
    saved: Option<Saved<M>>,
}

struct Saved<M> {
    memory: M,
    guard: Guard,
    points_seen: u64,
}

impl<M> Savepoint<M> {
    /// The start of the program.
    pub fn start(determinism: DeterminismState) -> Self {
        Self { determinism, saved: None }
    }

    /// Saves the state of `instance` in the place of this one. False if it can't be captured: then this is as
    /// it was.
    pub async fn replace<P: Program<Memory = M>>(
        &mut self,
        setup: &Setup<P>,
        instance: &mut Instance<P::Guest>,
    ) -> bool {
        if !setup.program.can_capture() {
            return false;
        }
        // The allocation of the old memory is used again. A program whose memory was captured once can always
        // be captured: what prevents it is the type of a global.
        let reuse = self.saved.take().map(|saved| saved.memory);
        let Some(memory) = setup.program.capture(&mut instance.guest, reuse).await else { return false };
        self.determinism = setup.context.determinism.state();
        self.saved = Some(Saved { memory, guard: instance.guard.clone(), points_seen: instance.points_seen });
        true
    }

    /// Goes back to the start of the program.
    pub fn forget(&mut self, setup: &Setup<impl Program>) {
        setup.context.determinism.set_state(self.determinism);
        self.saved = None;
    }

    /// A fresh instance with this state. What it logs until then is not logged again.
    ///
    /// # Errors
    ///
    /// Why it can't be made.
    pub async fn revive<P: Program<Memory = M>>(
        &self,
        setup: &Setup<P>,
    ) -> Result<Instance<P::Guest>, TaskError> {
        let _muted = GuestLog::mute(&setup.context.log);
        let determinism = &setup.context.determinism;
        determinism.set_state(self.determinism);
        let Some(Saved { memory, guard, points_seen }) = &self.saved else {
            return setup.start().await.map_err(TaskError::Restart);
        };
        let guest = setup.program.revive(&setup.context, memory).await?;
        // Starting may have asked for random numbers.
        determinism.set_state(self.determinism);
        Ok(setup.instance(guest, guard.clone(), *points_seen))
    }

    /// Bytes that it holds, nearly.
    pub fn size<P: Program<Memory = M>>(&self) -> usize {
        self.saved.as_ref().map_or(0, |saved| P::size_of(&saved.memory) + saved.guard.size())
    }
}
