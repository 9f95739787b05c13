//! Writes checkpoints, each in the place of the one before.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;

use super::checkpoints::Checkpoints;
use super::files::{make_folder, prepare, put, sync_folder, write_whole};
use super::format::SnapshotHeader;
use super::known::Known;
use super::names::checkpoint_name;
use super::read::{MOST_OF_STATE, began, read_checkpoint};
use super::snapshot::{self, Snapshot};
use crate::logging::{Labels, log_for};
use crate::udf_node::UdfNode;

impl Checkpoints {
    /// Whether the last checkpoint could not be written.
    pub(super) fn is_failing(&self) -> bool {
        self.warned.load(Relaxed)
    }

    /// Writes the checkpoint of `key` in the place of the one that is `known`. Returns false if there is another
    /// one: it was imported or dropped in the meantime, and stays.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn replace(&self, key: &UdfNode, bytes: &[u8], known: &Known, labels: &Labels) -> io::Result<bool> {
        let name = checkpoint_name(key);
        let prepared = prepare(&self.folder, &name, bytes)?;
        let _lock = self.lock_folder()?;
        let path = self.path(key);
        let (there, mine) = (began(&path)?, Snapshot::peek(bytes).ok().map(|header| header.started_at));
        match known.is_own(there, mine) {
            Some(true) => {}
            Some(false) => return Ok(false),
            // What was imported or dropped since then began later.
            None if there > mine => return Ok(false),
            None if there == mine && there.is_some() => {}
            None => self.put_aside_unread(key, &path, labels)?,
        }
        put(prepared, &self.folder, &name)?;
        known.set(mine);
        // Without this, a loss of power may bring the old contents back.
        sync_folder(&self.folder)?;
        Ok(true)
    }

    /// Writes a checkpoint, and logs how that went. False if it could not be written.
    pub(super) fn write_and_say(&self, key: &UdfNode, bytes: &[u8], known: &Known, labels: &Labels) -> bool {
        let length = bytes.len().to_string();
        let written = self.replace(key, bytes, known, labels);
        match &written {
            Ok(true) => {
                log_for!(debug, labels, bytes = length, "checkpoint written");
                if self.warned.swap(false, Relaxed) {
                    log_for!(info, labels, "checkpoints are written again");
                }
            }
            Ok(false) => log_for!(
                info,
                labels,
                "checkpoint not written: this task's state was imported or dropped, which holds when it starts again"
            ),
            Err(e) => {
                if !self.warned.swap(true, Relaxed) {
                    let folder = self.folder.display().to_string();
                    log_for!(
                        warn,
                        labels,
                        folder,
                        err = e.to_string(),
                        "checkpoints can't be written, tasks go on without: see to it that state-dir has room, rights and no odd files"
                    );
                }
            }
        }
        written.is_ok()
    }

    /// Makes a snapshot the checkpoint of `key`. It is stamped with the current time, so that it wins over the
    /// checkpoint that there was and over any snapshot of Kapacitor. The old checkpoint is set aside; returns its
    /// file.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn impose(&self, key: &UdfNode, snapshot: &Snapshot) -> io::Result<Option<PathBuf>> {
        make_folder(&self.folder)?;
        let _lock = self.lock_folder()?;
        // A clock can go back.
        let there = began(&self.path(key))?;
        let started_at = there.map_or(0, |there| there.saturating_add(1)).max(snapshot::now());
        let header = SnapshotHeader {
            started_at,
            given: false,
            replay: false,
            task: key.task.clone(),
            node: key.node.clone(),
            function: key.function.clone(),
            ..snapshot.header.clone()
        };
        let before = read_checkpoint(&self.path(key), MOST_OF_STATE, |_| Ok(())).ok();
        let before = before.filter(|bytes| Snapshot::parse(bytes).is_ok_and(|before| !before.is_none()));
        let aside = before.map(|bytes| self.set_aside(key, &bytes)).transpose()?;
        write_whole(&self.folder, &checkpoint_name(key), &snapshot.with_header(&header))?;
        Ok(aside)
    }
}
