//! Checkpoints: the states of tasks that the host stores itself, in `<state-dir>/checkpoints`.
//!
//! Each is a snapshot of one node of one task. Kapacitor takes no snapshot when a task ends, and its last one may
//! be a minute old. Other files read them (`read.rs`), write them (`write.rs`), set states aside (`set_aside.rs`), and
//! lock them (`lock.rs`).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use super::claims::Claims;
use super::disk::{Disk, Reservation};
use super::format::SnapshotHeader;
use super::names::{checkpoint_name, snapshots_in};
use super::pending::PendingStates;
use super::retention::Retention;
use crate::udf_node::UdfNode;

impl From<&SnapshotHeader> for UdfNode {
    fn from(header: &SnapshotHeader) -> Self {
        Self { task: header.task.clone(), node: header.node.clone(), function: header.function.clone() }
    }
}

/// The folder of the checkpoints, and the sessions that have one.
#[derive(Debug)]
pub struct Checkpoints {
    pub(super) folder: PathBuf,
    pub(super) aside: PathBuf,
    /// Whether other processes may have sessions of the same tasks.
    pub(crate) shared: bool,
    retention: Mutex<Retention>,
    pub(crate) disk: Arc<Disk>,
    /// The sessions that have a checkpoint, or wait for it.
    pub(super) claims: Claims,
    /// The states that are not written yet.
    pub(super) pending: PendingStates,
    /// Whether the log says already that writing fails.
    pub(super) warned: AtomicBool,
}

impl Checkpoints {
    /// The checkpoints in `state_dir`. `shared`: other processes use it too, for the same functions.
    pub fn new(state_dir: &Path, shared: bool, retention: Retention, disk: Arc<Disk>) -> Self {
        Self {
            folder: state_dir.join("checkpoints"),
            aside: state_dir.join("set-aside"),
            shared,
            retention: Mutex::new(retention),
            disk,
            claims: Claims::default(),
            pending: PendingStates::default(),
            warned: AtomicBool::new(false),
        }
    }

    /// The path of the checkpoint of `key`, which need not exist.
    pub fn path(&self, key: &UdfNode) -> PathBuf {
        self.folder.join(checkpoint_name(key))
    }

    /// The files of all checkpoints, sorted.
    ///
    /// # Errors
    ///
    /// When the folder can't be read; without one there are none.
    pub fn files(&self) -> io::Result<Vec<PathBuf>> {
        snapshots_in(&self.folder)
    }

    /// How long, and how much, the folder keeps.
    pub fn retention(&self) -> Retention {
        *self.retention.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets how long, and how much, the folder keeps.
    pub fn set_retention(&self, retention: Retention) {
        *self.retention.lock().unwrap_or_else(PoisonError::into_inner) = retention;
    }

    /// The states that are not on the disk yet, as task and node.
    pub fn unwritten(&self) -> Vec<String> {
        self.pending.names()
    }

    /// Room for a state of `length` bytes that waits for the disk. States that can't be written, and whose sessions
    /// have ended, make room.
    pub(super) fn room_for(&self, length: usize) -> Option<Reservation> {
        loop {
            let room = self.disk.reserve(length);
            if room.is_some() || !self.pending.give_up_one() {
                return room;
            }
        }
    }
}
