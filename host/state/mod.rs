//! The bytes of a snapshot, and the files in `state-dir`.
//!
//! It knows no type of wasmtime and no message of Kapacitor.

mod checkpointer;
mod checkpoints;
mod files;
mod format;
mod pages;
mod skipped;
mod snapshot;

pub use checkpointer::Checkpointer;
pub use checkpoints::{Checkpoints, Ending};
pub(crate) use files::write_whole;
pub use format::Determinism;
pub use format::{PayloadKind, SnapshotHeader};
pub use pages::{PAGE, PAGES_OUTSIDE, page_runs};
#[cfg(test)]
pub(crate) use skipped::MAX_RECORDS;
pub use skipped::{Record, SkippedRecords};
pub use snapshot::{
    PluginIdentity, Provenance, Snapshot, SnapshotError, SnapshotFlags, dropped, none, now, of_plugin,
};
