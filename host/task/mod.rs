//! One UDF node of one task: the calls into its sandbox, and what happens when one of them fails.
//!
//! Uses `plugin`, `sandbox`, `guard` and `state`. It never uses `session`, `routing` or `shared`: a task gets
//! all that it needs when it is started.

mod journal;
mod recovery;
mod reporter;
mod running;
mod savepoint;
mod snapshot_cache;
mod snapshots;
mod throttle;

pub use running::{Counts, Task, TaskSpec};
