//! States that their tasks do not go on with. They are kept for an operator who wants them back, within bounds.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::checkpoints::Checkpoints;
use super::files::{make_folder, write_whole};
use super::names::{EXTENSION, checkpoint_stem, snapshots_in};
use super::read::MOST_OF_STATE;
use super::snapshot;
use crate::digest::hex;
use crate::logging::{Labels, log_for};
use crate::udf_node::UdfNode;

/// Maximum number of states that are set aside; beyond it, the oldest are deleted.
const MOST_ASIDE: usize = 1000;

/// Maximum number of states of one UDF node that are set aside, so that one task can't push out the states of
/// others.
const MOST_ASIDE_OF_ONE: usize = 8;

impl Checkpoints {
    /// The files of the states that were set aside, sorted.
    ///
    /// # Errors
    ///
    /// As [`Checkpoints::files`].
    pub fn files_aside(&self) -> io::Result<Vec<PathBuf>> {
        snapshots_in(&self.aside)
    }

    /// Stores a state that a task does not go on with; returns the file. The same state is stored once.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn set_aside(&self, key: &UdfNode, bytes: &[u8]) -> io::Result<PathBuf> {
        let hash = hex(&Sha256::digest(bytes)[..4]);
        let name = format!("{}-{hash}.{EXTENSION}", checkpoint_stem(key));
        let file = write_whole(&self.aside, &name, bytes)?;
        // The state is stored, even if there is one file too many now.
        let _ = self.bound_aside(key);
        Ok(file)
    }

    /// Moves a checkpoint that the task could not read when it began to the states that were set aside.
    pub(super) fn put_aside_unread(&self, key: &UdfNode, path: &Path, labels: &Labels) -> io::Result<()> {
        // A link that leads nowhere is moved away, too.
        if fs::symlink_metadata(path).is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
            return Ok(());
        }
        make_folder(&self.aside)?;
        let file = self.aside.join(format!("{}-{}.{EXTENSION}", checkpoint_stem(key), snapshot::now()));
        fs::rename(path, &file)?;
        // The state is kept, even if there is one file too many now.
        let _ = self.bound_aside(key);
        let file = file.display().to_string();
        log_for!(
            warn,
            labels,
            file,
            "checkpoint that could not be read when the task began was set aside: `kapacitor-wasm state import` brings it back"
        );
        Ok(())
    }

    /// Deletes the oldest states that were set aside, if there are too many: of this UDF node, or of all.
    fn bound_aside(&self, key: &UdfNode) -> io::Result<()> {
        let mut files = Vec::new();
        for path in self.files_aside()? {
            // It may be a link, or gone by now.
            let Ok(data) = fs::symlink_metadata(&path) else { continue };
            files.push((data.modified().unwrap_or(SystemTime::UNIX_EPOCH), data.len(), path));
        }
        // The newest first.
        files.sort_by(|a, b| b.cmp(a));
        let stem = format!("{}-", checkpoint_stem(key));
        let most_bytes = self.retention().set_aside.0;
        let (mut of_one, mut count, mut bytes, mut has_oversized) = (0, 0, 0, false);
        for (_, length, path) in files {
            let own = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&stem));
            // A file that does not fit in by itself, or that no task could read, pushes out no other. The newest of such
            // files stays.
            let oversized = length > most_bytes.min(MOST_OF_STATE.0);
            let too_many = count >= MOST_ASIDE || (own && of_one >= MOST_ASIDE_OF_ONE);
            let too_large = if oversized { has_oversized } else { bytes + length > most_bytes };
            if too_many || too_large {
                // A folder stays.
                let _ = fs::remove_file(path);
                continue;
            }
            of_one += usize::from(own);
            count += 1;
            has_oversized |= oversized;
            bytes += if oversized { 0 } else { length };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::state::retention::Retention;
    use crate::units::{Bytes, Span};

    fn checkpoints(folder: &Path, set_aside: Bytes) -> Checkpoints {
        let retention = Retention { keep: Span(Duration::ZERO), set_aside };
        Checkpoints::new(folder, false, retention, Arc::default())
    }

    fn key(task: &str, node: &str) -> UdfNode {
        UdfNode { task: task.into(), node: node.into(), function: "f".into() }
    }

    #[test]
    fn states_that_are_set_aside_are_bounded_for_one_task_and_for_all() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = checkpoints(folder.path(), Bytes::kib(10));
        let precious = checkpoints.set_aside(&key("other", "n"), b"precious").unwrap();
        for i in 0..50 {
            checkpoints.set_aside(&key("t", "n"), format!("random {i}").as_bytes()).unwrap();
        }
        assert!(precious.exists());
        assert_eq!(checkpoints.files_aside().unwrap().len(), 1 + MOST_ASIDE_OF_ONE);
        for i in 0..20 {
            checkpoints.set_aside(&key(&format!("task {i}"), "n"), &[i; 1024]).unwrap();
        }
        let bytes: u64 =
            checkpoints.files_aside().unwrap().iter().map(|file| fs::metadata(file).unwrap().len()).sum();
        assert!(bytes <= 10 * 1024, "{bytes}");
    }

    #[test]
    fn state_that_is_too_large_pushes_out_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = checkpoints(folder.path(), Bytes::kib(10));
        let precious = checkpoints.set_aside(&key("t", "n"), &[1; 9 * 1024]).unwrap();
        let first = checkpoints.set_aside(&key("large", "n"), &vec![2; 20 * 1024]).unwrap();
        assert!(precious.exists() && first.exists());
        let second = checkpoints.set_aside(&key("larger", "n"), &vec![3; 30 * 1024]).unwrap();
        assert_eq!(checkpoints.files_aside().unwrap(), [second, precious]);

        // No task could read this file, which takes no room on the disk.
        checkpoints
            .set_retention(Retention { set_aside: Bytes(2 * MOST_OF_STATE.0), ..checkpoints.retention() });
        let damaged = checkpoints.set_aside(&key("damaged", "n"), b"").unwrap();
        let file = fs::File::options().write(true).open(damaged).unwrap();
        file.set_len(2 * MOST_OF_STATE.0).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(60)).unwrap();
        let last = checkpoints.set_aside(&key("t", "n"), &[4; 9 * 1024]).unwrap();
        let kept = checkpoints.files_aside().unwrap();
        assert!(kept.len() == 4 && kept.contains(&last), "{kept:?}");
    }
}
