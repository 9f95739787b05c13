//! The snapshots in Kapacitor's own database, `kapacitor.db`, which is only read.
//!
//! The file is not trusted.

mod bolt;
mod gob;
mod task_store;

pub use bolt::Database;
pub use task_store::{read, snapshots};
