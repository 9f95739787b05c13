//! One running guest: its instance, its memory, its limits, and the calls into it.
//!
//! The only room that touches guest memory or a wasmtime `Store`. The output of a guest leaves this room
//! as a bounds-checked slice; the guard checks its contents. It knows nothing of Kapacitor.

mod budget;
mod call_times;
mod calls;
mod context;
mod deadline;
mod determinism;
mod engine;
mod engine_settings;
mod error;
mod guest;
mod guest_log;
mod guest_metrics;
mod imports;
mod instance;
mod long_work;
mod machine_code;
mod memory_image;
mod poll;
mod system_limits;
mod ticker;

pub use budget::{Budget, BudgetError, MemoryFull, MemoryReservation, SandboxPermit};
pub use call_times::{CALL_TIME_BOUNDS, CALL_TIME_BUCKETS};
pub use context::SandboxContext;
pub use deadline::CallClock;
pub use determinism::{Determinism, DeterminismState};
pub use engine::Engine;
pub use error::{CallError, CallErrorKind};
pub(crate) use guest::{Guest, sandbox_overhead};
#[cfg(test)]
pub(crate) use guest_log::SharedLog;
pub use guest_log::{GuestLog, RepetitionGuard};
pub use guest_metrics::{MetricDescription, MetricKind, MetricTable, MetricValue};
pub use instance::Sandbox;
pub use long_work::{Turn, aside, long_work};
pub use machine_code::{CodeCompiler, LoadError};
pub use memory_image::{MemoryDelta, MemoryImage, NotCapturable};
pub use system_limits::{SystemLimits, check_data, cores, raise_descriptors};
pub use ticker::{TICK, Ticker};
