//! The state of a task, given to Kapacitor and taken back.

use std::io;
use std::path::{Path, PathBuf};

use prost::Message;
use tracing::{debug, warn};

use crate::file::{file_name, write_whole};
use crate::guest_log::Who;
use crate::journal::{Call, Step};
use crate::policy::OnTrap;
use crate::protocol::{RestoreRequest, RestoreResponse, SnapshotResponse};
use crate::snapshot::{self, Snapshot, SnapshotError, Taken};
use crate::task::{Task, start_sandbox};
use crate::units::Bytes;

impl Task {
    /// A snapshot of at most `most` bytes. Where none can be taken it says so, and is not empty:
    /// Kapacitor keeps no empty one, and would give an older one back.
    ///
    /// # Errors
    ///
    /// Why the task must end.
    pub async fn snapshot(&mut self, most: Bytes) -> Result<Vec<u8>, String> {
        let saved = if self.sandbox.is_none() {
            Err(SnapshotError::Failed("it failed, and points go on unchanged".to_owned()))
        } else if self.plugin.own_format {
            self.own_snapshot().await?
        } else {
            self.memory_snapshot()
        };
        let saved = saved.and_then(|snapshot| {
            // It comes back in one message, with a few bytes around it.
            let length = Bytes(snapshot.len() as u64);
            if length.0 + 64 > most.0 { Err(SnapshotError::TooLong { length, most }) } else { Ok(snapshot) }
        });
        let Who { function, task, node, plugin } = self.who();
        Ok(match saved {
            Ok(snapshot) => {
                let (bytes, points_seen) = (snapshot.len().to_string(), self.points_seen.to_string());
                debug!(function, task, node, plugin, bytes, points_seen, "snapshot taken");
                snapshot
            }
            Err(e) => {
                // A task without snapshots is better than none.
                warn!(function, task, node, plugin, err = e.to_string(), "no snapshot taken");
                snapshot::none(&self.taken())
            }
        })
    }

    fn taken(&self) -> Taken<'_> {
        Taken { plugin: &self.plugin, options_sha256: self.options_sha256, points_seen: self.points_seen }
    }

    fn memory_snapshot(&mut self) -> Result<Vec<u8>, SnapshotError> {
        if self.guard.in_batch() {
            // The guard's part of the batch would be missing.
            return Err(SnapshotError::InBatch);
        }
        let taken = Taken {
            plugin: &self.plugin,
            options_sha256: self.options_sha256,
            points_seen: self.points_seen,
        };
        match (&self.plugin.image, &mut self.sandbox) {
            (Ok(image), Some(sandbox)) => image.save(sandbox, &taken),
            (Err(reason), _) => Err(SnapshotError::NotCapturable(reason.clone())),
            (_, None) => Err(SnapshotError::Failed("it is gone".to_owned())),
        }
    }

    /// A snapshot in the plugin's own format. The outer error ends the task.
    async fn own_snapshot(&mut self) -> Result<Result<Vec<u8>, SnapshotError>, String> {
        let Some(sandbox) = &mut self.sandbox else {
            return Ok(Err(SnapshotError::Failed("it is gone".to_owned())));
        };
        let response = match sandbox.snapshot().await {
            Ok(response) => match SnapshotResponse::decode(response) {
                Ok(decoded) => Ok((decoded, response.len())),
                Err(_) => Err("udf_snapshot: returned a malformed SnapshotResponse".to_owned()),
            },
            Err(e) => Err(e.to_string()),
        };
        match response {
            Ok((response, returned)) => {
                // Taking it may change the guest.
                let step = Step { call: Call::Snapshot, input: &[], returned: Some(returned) };
                self.remember(step, 0, self.surroundings.clock.used());
                Ok(Ok(snapshot::of_plugin(&response.snapshot, &self.taken())))
            }
            Err(failure) => {
                self.overcome(&[], failure.clone(), &mut Vec::new()).await?;
                Ok(Err(SnapshotError::Failed(failure)))
            }
        }
    }

    /// Gives the task its state back; returns how many points that state has seen, or `None` if the
    /// snapshot holds no state. After an error the task must be started clean.
    ///
    /// # Errors
    ///
    /// Why the snapshot does not fit.
    pub async fn restore(&mut self, bytes: &[u8]) -> Result<Option<u64>, SnapshotError> {
        let snapshot = Snapshot::parse(bytes)?;
        if snapshot.is_none() {
            return Ok(None);
        }
        snapshot.check_fit(&self.taken())?;
        let memory = self.surroundings.limits.memory;
        let refused = |e: String| SnapshotError::Refused(e);
        if self.plugin.own_format {
            let state = snapshot.payload(memory)?;
            let request = RestoreRequest { snapshot: state }.encode_to_vec();
            let sandbox = self.sandbox.as_mut().ok_or_else(|| refused("it failed".to_owned()))?;
            let response = sandbox.restore(&request).await.map_err(|e| refused(e.to_string()))?;
            let returned = Some(response.len());
            let response = RestoreResponse::decode(response)
                .map_err(|_| refused("udf_restore: returned a malformed RestoreResponse".to_owned()))?;
            if !response.success {
                return Err(refused(response.error));
            }
            self.points_seen = snapshot.header.points_seen;
            if !self.keep_base() {
                let step = Step { call: Call::Restore, input: &request, returned };
                self.remember(step, 0, self.surroundings.clock.used());
            }
        } else {
            let image = self.plugin.image.as_ref().map_err(|e| SnapshotError::NotCapturable(e.clone()))?;
            let started = self.plugin.start(&self.surroundings).await;
            let mut sandbox = started.map_err(|e| refused(e.to_string()))?;
            image.load(&mut sandbox, &snapshot, memory).await?;
            self.sandbox = Some(sandbox);
            self.points_seen = snapshot.header.points_seen;
            self.keep_base();
        }
        Ok(Some(self.points_seen))
    }

    /// The state as it is now is where a recovery begins. False if it can't be saved.
    fn keep_base(&mut self) -> bool {
        self.policy.on_trap != OnTrap::Recover || self.save()
    }

    /// Starts without any state.
    ///
    /// # Errors
    ///
    /// Why the plugin can't be started.
    pub async fn start_clean(&mut self) -> Result<(), String> {
        self.sandbox = None;
        self.go_to_start();
        self.sandbox = Some(start_sandbox(&self.plugin, &self.surroundings, &self.request).await?);
        self.points_seen = 0;
        Ok(())
    }

    /// Keeps a snapshot that does not fit, in `folder`; returns the file.
    ///
    /// # Errors
    ///
    /// When the folder can't be written to.
    pub fn set_aside(&self, state_dir: &Path, snapshot: &[u8]) -> io::Result<PathBuf> {
        let now = humantime::format_rfc3339_millis(std::time::SystemTime::now());
        let Who { task, node, .. } = self.who();
        let name = format!("{}.{}.{now}.snapshot", file_name(task), file_name(node));
        write_whole(&state_dir.join("set-aside"), &name, snapshot)
    }
}
