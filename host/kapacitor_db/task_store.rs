//! The snapshots of UDF nodes in a Kapacitor's database, `kapacitor.db`.
//!
//! As of Kapacitor 1.5.9, the bucket `task_store` holds all about tasks (`services/storage/bolt.go`,
//! `services/task_store/service.go`): a task's snapshot under `/snapshots/data/` and its id, beside
//! `/tasks/...` and `/templates/...`. The value is the gob of a struct whose one field `NodeSnapshots`
//! maps the names of all the task's nodes to bytes (`services/task_store/dao.go`), of which only UDF nodes
//! have any (`node.go`, `udf.go`). It is written every `snapshot-interval`, not at a stop (`task.go`), stays
//! when the task is disabled or renamed, and is deleted with the task.

use std::path::{Path, PathBuf};
use std::str;

use thiserror::Error;

use super::bolt::{BoltError, Damage, Database};
use super::gob::{self, GobError};

const BUCKET: &str = "task_store";
const PREFIX: &[u8] = b"/snapshots/data/";
const FIELD: &str = "NodeSnapshots";

/// What Kapacitor stores for one UDF node of one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The task's id, as it is in the file: it may be any text.
    pub task: String,
    /// The name of the node, which is that of the UDF and a number; it may be any text, too.
    pub node: String,
    /// What the UDF gave to Kapacitor; never empty.
    pub snapshot: Vec<u8>,
}

/// Why the snapshots in a database can't be told.
#[derive(Debug, Error)]
#[error("{} {kind}", .path.display())]
pub struct DatabaseError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub kind: DatabaseErrorKind,
}

/// What is wrong with a database.
#[derive(Debug, Error)]
pub enum DatabaseErrorKind {
    /// Kapacitor has it open.
    #[error("is in use: stop Kapacitor first, or read a copy that `kapacitor backup` made")]
    InUse,
    /// It can't be read, or is no BoltDB file that is whole.
    #[error(transparent)]
    File(BoltError),
    /// The id of a task is no text.
    #[error("is damaged: a task's id is not UTF-8")]
    Id,
    /// What is stored for a task is not a snapshot.
    #[error("is damaged: the snapshot of task {task:?} {error}")]
    Snapshot {
        /// The id of the task, or how it begins.
        task: String,
        /// What is wrong with it.
        error: GobError,
    },
    /// The ids of tasks are so long, and the nodes so many, that no Kapacitor has written them.
    #[error("is damaged: it has far more nodes than it has room for")]
    TooMany,
}

impl From<BoltError> for DatabaseErrorKind {
    fn from(error: BoltError) -> Self {
        match error {
            BoltError::InUse => Self::InUse,
            error => Self::File(error),
        }
    }
}

impl From<Damage> for DatabaseErrorKind {
    fn from(damage: Damage) -> Self {
        Self::File(damage.into())
    }
}

/// All snapshots in a `kapacitor.db`, in the order of the tasks' ids and the nodes' names. There are
/// none in a file without Kapacitor's task store.
///
/// # Errors
///
/// When a running Kapacitor has the file open, or when it can't be read or is damaged.
pub fn read(path: &Path) -> Result<Vec<Stored>, DatabaseError> {
    let stored =
        Database::open(path).map_err(DatabaseErrorKind::from).and_then(|database| snapshots(&database));
    stored.map_err(|kind| DatabaseError { path: path.to_owned(), kind })
}

/// All snapshots in a database.
///
/// # Errors
///
/// When it is damaged.
pub fn snapshots(database: &Database) -> Result<Vec<Stored>, DatabaseErrorKind> {
    let mut stored = Vec::new();
    // A task's id is once in the file but is copied for each node. Few nodes are UDFs, so this is far
    // from what a Kapacitor writes, and far from what fills the memory.
    let mut room = database.size().saturating_mul(8);
    for (key, value) in database.entries(&[BUCKET])?.unwrap_or_default() {
        let Some(id) = key.strip_prefix(PREFIX) else { continue };
        let task = str::from_utf8(id).map_err(|_| DatabaseErrorKind::Id)?;
        let nodes = gob::bytes_map(value, FIELD);
        let nodes = nodes.map_err(|error| DatabaseErrorKind::Snapshot { task: shown(task), error })?;
        for (node, snapshot) in nodes.into_iter().filter(|(_, snapshot)| !snapshot.is_empty()) {
            room = room.checked_sub(task.len()).ok_or(DatabaseErrorKind::TooMany)?;
            stored.push(Stored { task: task.into(), node: node.into(), snapshot: snapshot.into() });
        }
    }
    Ok(stored)
}

/// As much of a task's id as an error needs.
fn shown(task: &str) -> String {
    task.chars().take(80).collect()
}

#[cfg(test)]
#[path = "task_store_tests.rs"]
mod tests;
