//! Locks among processes: of the folder of the checkpoints, and of one checkpoint.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tokio::sync::oneshot;

use super::checkpoints::Checkpoints;
use super::disk::{DiskError, PATIENCE};
use super::files::{make_folder, open_lock};
use super::names::checkpoint_stem;
use crate::regular_file::is_at;
use crate::udf_node::UdfNode;

/// Interval at which a thread looks whether another process still locks the folder.
const LOOK_AT_FOLDER: Duration = Duration::from_millis(10);

impl Checkpoints {
    /// Locks the folder while the host or an operator reads a checkpoint and replaces it. Waits for the lock, but not
    /// for ever: a process that has it may have been stopped.
    pub(super) fn lock_folder(&self) -> io::Result<File> {
        let path = self.folder.join(".lock");
        let lock = open_lock(&self.folder, &path)?;
        let since = Instant::now();
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(lock),
                Err(Errno::WOULDBLOCK) if since.elapsed() < PATIENCE => thread::sleep(LOOK_AT_FOLDER),
                Err(Errno::WOULDBLOCK) => {
                    return Err(io::Error::other(format!(
                        "{}: another process has had the lock for {}s",
                        path.display(),
                        PATIENCE.as_secs()
                    )));
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Has a thread lock the checkpoint among processes, until the file is closed. `None` if another process has the
    /// lock.
    pub(super) fn submit_lock(
        self: &Arc<Self>,
        key: &UdfNode,
    ) -> Result<oneshot::Receiver<io::Result<Option<File>>>, DiskError> {
        let (this, of) = (Arc::clone(self), key.clone());
        self.disk.reads.submit(format!("lock of {}/{}", key.task, key.node), move || this.lock(&of))
    }

    fn lock(&self, key: &UdfNode) -> io::Result<Option<File>> {
        make_folder(&self.folder)?;
        let path = self.folder.join(format!("{}.lock", checkpoint_stem(key)));
        loop {
            let file = open_lock(&self.folder, &path)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                // Another process may have given up the checkpoint meanwhile, with this file.
                Ok(()) if !is_at(&file, &path) => {}
                Ok(()) => return Ok(Some(file)),
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(e) => return Err(e.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::retention::Retention;
    use crate::units::{Bytes, Span};

    #[test]
    fn one_process_at_a_time_has_the_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let key = UdfNode { task: "t".into(), node: "n".into(), function: "f".into() };
        let [one, other] = [(); 2].map(|()| {
            let retention = Retention { keep: Span(Duration::ZERO), set_aside: Bytes::mib(1) };
            Checkpoints::new(folder.path(), true, retention, Arc::default())
        });
        let first = one.lock(&key).unwrap().unwrap();
        assert!(other.lock(&key).unwrap().is_none());
        drop(first);
        assert!(other.lock(&key).unwrap().is_some());
    }
}
