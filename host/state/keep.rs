//! What the state folder keeps for a time only: states that no task uses are given up.
//!
//! The host does not know which tasks Kapacitor has. A checkpoint counts as used when its task starts and when it is
//! written, which the time of its file says.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};
use tracing::{info, warn};

use super::checkpoints::Checkpoints;
use super::files::remove_stale;
use super::snapshot::Snapshot;
use crate::regular_file;
use crate::udf_node::UdfNode;

impl Checkpoints {
    /// Has a thread remove the partial files that a crash has left behind.
    pub fn clean(self: &Arc<Self>) {
        let this = Arc::clone(self);
        // Without a thread they stay until the next start.
        let _ = self.disk.writes.submit("partial files", move || {
            [&this.folder, &this.aside].into_iter().for_each(|folder| remove_stale(folder));
        });
    }

    /// Has a thread delete the states that no task has used for long.
    pub fn give_up_old(self: &Arc<Self>) {
        let this = Arc::clone(self);
        let _ = self.disk.writes.submit("old states", move || {
            let retention = this.retention();
            for files in [this.files(), this.files_aside()] {
                let old = files.unwrap_or_default().into_iter().filter(|file| retention.is_over(file));
                old.for_each(|file| this.give_up(&file));
            }
        });
    }

    fn give_up(&self, path: &PathBuf) {
        let header =
            regular_file::open(path).ok().and_then(|file| Snapshot::peek(file).ok()).unwrap_or_default();
        let key = UdfNode::from(&header);
        if self.claims.has(&key) || self.pending.contains(&key) {
            return;
        }
        // A session in another process.
        let locked = path.with_extension("lock");
        let lock = regular_file::open(&locked).ok();
        if lock.as_ref().is_some_and(|lock| flock(lock, FlockOperation::NonBlockingLockExclusive).is_err()) {
            return;
        }
        let (file, keep) = (path.display().to_string(), self.retention().keep.to_string());
        match fs::remove_file(path) {
            Ok(()) => info!(
                file,
                task = key.task,
                node = key.node,
                keep,
                "state given up, since no task has used it for longer than state.keep"
            ),
            Err(e) => warn!(file, err = e.to_string(), "state can't be given up"),
        }
        if lock.is_some() {
            // Whoever opens it now finds that it is gone, once it has the lock.
            let _ = fs::remove_file(locked);
        }
    }
}
