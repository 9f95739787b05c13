//! The bytes of a snapshot, and the files in `state-dir`.
//!
//! It knows no type of wasmtime and no message of Kapacitor.

mod checkpointer;
mod checkpoints;
mod claims;
mod disk;
mod files;
mod folder_lock;
mod format;
mod keep;
mod known;
mod lock;
mod names;
mod pages;
mod pending;
mod read;
mod retention;
mod running;
mod save;
mod set_aside;
mod skipped;
mod snapshot;
mod write;

pub use checkpointer::Checkpointer;
pub use checkpoints::Checkpoints;
pub use claims::Ending;
pub use disk::{Disk, DiskError};
pub(crate) use files::write_whole;
pub use folder_lock::{FolderLock, FolderLockError};
pub use format::Determinism;
pub use format::{PayloadKind, PointCounts, SnapshotHeader};
pub use pages::{PAGE, PAGES_OUTSIDE, page_runs};
pub use read::StateFileError;
pub use retention::Retention;
pub use running::{FunctionOrigin, RunningFlags, RunningHost, start_of};
#[cfg(test)]
pub(crate) use skipped::MAX_RECORDS;
pub use skipped::{Record, SkippedRecords};
pub use snapshot::{
    PluginIdentity, Provenance, Snapshot, SnapshotError, SnapshotFlags, dropped, none, now, of_plugin,
};
