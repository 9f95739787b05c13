//! From where a sandbox can be brought back.

use crate::guard::Guard;
use crate::sandbox::{Determinism, DeterminismState, InputBuffer, MemoryDelta};

/// From where a sandbox can be brought back.
pub(crate) struct Base {
    pub(super) determinism: DeterminismState,
    /// `None`: from its start.
    pub(super) saved: Option<Saved>,
    /// Points and world of a state that was given back and that can't be saved: the journal begins with
    /// giving it back.
    pub(super) restored: Option<(u64, DeterminismState)>,
}

/// A sandbox between two calls, and what belongs to it.
pub(super) struct Saved {
    pub(super) state: MemoryDelta,
    pub(super) input: Option<InputBuffer>,
    pub(super) guard: Guard,
    pub(super) points_seen: u64,
}

impl Base {
    /// The start of a sandbox in this world.
    pub fn start(determinism: &Determinism) -> Self {
        Self { determinism: determinism.state(), saved: None, restored: None }
    }

    /// Bytes that it takes, nearly.
    pub fn size(&self) -> usize {
        self.saved.as_ref().map_or(0, |saved| saved.state.size())
    }
}
