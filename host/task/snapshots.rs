//! The state of a task: taken for a snapshot, and given back.

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::snapshot_cache::Taking;
use crate::config::OnTrap;
use crate::logging::log_for;
use crate::protocol::{RestoreRequest, RestoreResponse, SnapshotResponse};
use crate::sandbox::{DeterminismState, GuestLog};
use crate::state::{Provenance, Snapshot, SnapshotError, none, of_plugin};
use crate::task::journal::{Call, JournalEntry};
use crate::task::running::{Task, start_sandbox};
use crate::units::Bytes;

/// Number of the field of a RestoreRequest that tells a plugin in which version of its format the
/// snapshot is. Kapacitor has none of this number.
pub const STATE_VERSION: u32 = 100;

/// Bytes around a snapshot when Kapacitor gives it back in one message.
const AROUND: u64 = 64;

impl Task {
    /// A snapshot for Kapacitor, of at most `most` bytes, and the state as it is now, if that could be taken.
    /// Where there is no such snapshot it is the last one, or says that there is none, and is not empty:
    /// Kapacitor keeps no empty one, and would give an older one back.
    ///
    /// # Errors
    ///
    /// Why the task must end.
    pub async fn snapshot(&mut self, most: Bytes) -> Result<(Vec<u8>, Option<Vec<u8>>), String> {
        self.taking.flags.given = true;
        let (state, error) = match self.take().await? {
            Ok(snapshot) => {
                let length = Bytes(snapshot.len() as u64);
                if length.0 + AROUND <= most.0 {
                    return Ok((snapshot.clone(), Some(snapshot)));
                }
                (Some(snapshot), SnapshotError::TooLong { length, most }.to_string())
            }
            Err(error) => (None, error.to_string()),
        };
        // A task without snapshots is better than none.
        match &self.taking.last {
            Some((_, last)) if last.len() as u64 + AROUND <= most.0 => {
                log_for!(warn, self.labels(), err = error, "no snapshot taken, the last one is given again");
                Ok((last.clone(), state))
            }
            _ => {
                log_for!(warn, self.labels(), err = error, "no snapshot taken");
                Ok((none(&self.provenance()), state))
            }
        }
    }

    /// A snapshot for the host itself; `None` if the plugin has no state that can be captured. The inner error
    /// says why there is none.
    ///
    /// # Errors
    ///
    /// Why the task must end.
    pub async fn checkpoint(&mut self) -> Result<Option<Result<Vec<u8>, SnapshotError>>, String> {
        let captured = self.plugin.own_format || self.plugin.memory_image.is_ok();
        if !captured || self.sandbox.is_none() {
            return Ok(None);
        }
        self.take().await.map(Some)
    }

    /// Whether its state has changed since it was last taken.
    pub fn has_changed(&self) -> bool {
        self.taking.changed
    }

    /// Whether most of the data of late was of now; `None` before the first.
    pub fn is_live(&self) -> Option<bool> {
        let Taking { live, other, .. } = self.taking;
        (live + other > 0).then_some(live >= other)
    }

    /// Whether what is taken from now on is marked as of a replay.
    pub fn mark_replay(&mut self, replay: bool) {
        self.taking.flags.replay = replay;
    }

    pub(crate) fn provenance(&self) -> Provenance<'_> {
        Provenance {
            plugin: self.plugin.identity(),
            options_sha256: self.options_sha256,
            points_seen: self.points_seen,
            udf: Some(&self.labels().udf),
            started_at: self.taking.started_at,
            flags: self.taking.flags,
            determinism: Some((&self.context.determinism.state()).into()),
        }
    }

    async fn take(&mut self) -> Result<Result<Vec<u8>, SnapshotError>, String> {
        if let (false, Some((flags, bytes))) = (self.taking.changed, &self.taking.last)
            && *flags == self.taking.flags
        {
            return Ok(Ok(bytes.clone()));
        }
        let start = std::time::Instant::now();
        let taken = if self.in_batch { self.take_from_before_batch().await } else { self.take_now().await? };
        if let Ok(bytes) = &taken {
            self.taking.changed = self.in_batch;
            self.taking.last = Some((self.taking.flags, bytes.clone()));
            self.recount();
            let (bytes, points_seen) = (bytes.len().to_string(), self.points_seen.to_string());
            let took = humantime::format_duration(start.elapsed()).to_string();
            log_for!(debug, self.labels(), bytes, points_seen, took, "snapshot taken");
        }
        Ok(taken)
    }

    /// The outer error ends the task.
    async fn take_now(&mut self) -> Result<Result<Vec<u8>, SnapshotError>, String> {
        if !self.plugin.own_format {
            if self.plugin.memory_image.is_ok() {
                self.release_input().await?;
            }
            return Ok(self.memory_snapshot());
        }
        match self.own_snapshot().await {
            Ok((snapshot, returned)) => {
                // Taking it may change the guest.
                let entry = JournalEntry { call: Call::Snapshot, input: &[], returned: Some(returned) };
                self.remember(entry, 0, self.context.clock.used());
                Ok(Ok(snapshot))
            }
            Err(failure) => {
                if self.sandbox.is_some() {
                    self.overcome(&[], failure.clone(), &mut Vec::new()).await?;
                }
                Ok(Err(SnapshotError::Failed(failure)))
            }
        }
    }

    /// The state in the plugin's own format, for its next version. Whatever fails, the task goes on.
    ///
    /// # Errors
    ///
    /// The outer one: why the task must end. The inner one: why there is no such state.
    pub(crate) async fn hand_over(&mut self) -> Result<Result<Snapshot, String>, String> {
        if !self.plugin.own_format {
            return Ok(Err("the version that runs has no state format of its own".to_owned()));
        }
        let taken = match self.take_now().await? {
            Ok(bytes) => Snapshot::parse(&bytes),
            Err(e) => Err(e),
        };
        Ok(taken.map_err(|e| e.to_string()))
    }

    /// Has the plugin give up its buffers, which are most of the memory that a few groups take.
    async fn release_input(&mut self) -> Result<(), String> {
        let Some(sandbox) = &mut self.sandbox else { return Ok(()) };
        match sandbox.release_input().await {
            Ok(()) => {
                let entry = JournalEntry { call: Call::ReleaseInput, input: &[], returned: None };
                self.remember(entry, 0, self.context.clock.used());
                Ok(())
            }
            Err(e) => self.overcome(&[], e.to_string(), &mut Vec::new()).await,
        }
    }

    /// The state of before the batch that is under way. Whoever gets a state back begins with another
    /// batch, so that one from the middle would be of no use.
    ///
    /// It is made anew from what is kept for recovery, in another instance.
    async fn take_from_before_batch(&mut self) -> Result<Vec<u8>, SnapshotError> {
        if self.policy.on_trap != OnTrap::Recover || self.journal.lost().is_some() {
            return Err(SnapshotError::InBatch);
        }
        let determinism = self.context.determinism.state();
        let running = (self.sandbox.take(), self.guard.clone(), self.points_seen, self.journal.clone());
        self.journal.cut_open_batch();
        let made = match self.go_to_base().await {
            Ok(()) => self.replay_quietly().await,
            Err(e) => Err(e),
        };
        let taken = match made {
            Ok(()) if self.plugin.own_format => {
                self.own_snapshot().await.map(|(snapshot, _)| snapshot).map_err(SnapshotError::Failed)
            }
            Ok(()) => self.memory_snapshot(),
            Err(e) => Err(SnapshotError::Failed(e)),
        };
        // The instance that goes on is the one that was there.
        (self.sandbox, self.guard, self.points_seen, self.journal) = running;
        self.context.determinism.set_state(determinism);
        taken
    }

    fn memory_snapshot(&mut self) -> Result<Vec<u8>, SnapshotError> {
        if self.guard.in_batch() {
            // The guard's part of the batch would be missing.
            return Err(SnapshotError::InBatch);
        }
        let Some(mut sandbox) = self.sandbox.take() else { return Err(gone()) };
        let saved = match &self.plugin.memory_image {
            Ok(image) => image.save(&mut sandbox, &self.provenance()),
            Err(reason) => Err(SnapshotError::NotCapturable(reason.clone())),
        };
        self.sandbox = Some(sandbox);
        saved
    }

    /// A snapshot in the plugin's own format, and how many bytes the plugin returned.
    async fn own_snapshot(&mut self) -> Result<(Vec<u8>, usize), String> {
        let sandbox = self.sandbox.as_mut().ok_or_else(|| gone().to_string())?;
        let response = sandbox.snapshot().await.map_err(|e| e.to_string())?;
        let returned = response.len();
        let response = SnapshotResponse::decode(response)
            .map_err(|_| "udf_snapshot: returned a malformed SnapshotResponse".to_owned())?;
        Ok((of_plugin(&response.snapshot, &self.provenance()), returned))
    }

    /// Does the journal once more, with nothing of it in the log.
    pub(crate) async fn replay_quietly(&mut self) -> Result<(), String> {
        GuestLog::set_again(&self.context.log, true);
        let replayed = self.replay().await;
        GuestLog::set_again(&self.context.log, false);
        replayed
    }

    /// Gives the task a state, one that fits or is in another version of the plugin's own format. After
    /// an error the task must be started clean.
    ///
    /// # Errors
    ///
    /// Why it can't have it.
    pub async fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let memory = self.context.limits.memory;
        let header = &snapshot.header;
        let refused = |e: String| SnapshotError::Refused(e);
        let mut entry = None;
        if self.plugin.own_format {
            let request = restore_request(snapshot.payload(memory)?, header.state_version);
            let sandbox = self.sandbox.as_mut().ok_or_else(gone)?;
            let response = sandbox.restore(&request).await.map_err(|e| refused(e.to_string()))?;
            let returned = Some(response.len());
            let response = RestoreResponse::decode(response)
                .map_err(|_| refused("udf_restore: returned a malformed RestoreResponse".to_owned()))?;
            if !response.success {
                return Err(refused(response.error));
            }
            entry = Some((request, returned));
        } else {
            let image =
                self.plugin.memory_image.as_ref().map_err(|e| SnapshotError::NotCapturable(e.clone()))?;
            let started = self.plugin.start(&self.context).await;
            let mut sandbox = started.map_err(|e| refused(e.to_string()))?;
            image.load(&mut sandbox, snapshot, memory).await?;
            self.sandbox = Some(sandbox);
        }
        if let Some(determinism) = &header.determinism {
            self.context.determinism.set_state(DeterminismState::from(determinism));
        }
        self.points_seen = header.points_seen;
        self.taking.started_at = header.started_at;
        self.taking.flags.given |= header.given;
        (self.taking.changed, self.taking.last) = (false, None);
        if self.policy.on_trap == OnTrap::Recover
            && !self.save()
            && let Some((input, returned)) = &entry
        {
            // A recovery does it again.
            self.base.restored = Some((self.points_seen, self.context.determinism.state()));
            let entry = JournalEntry { call: Call::Restore, input, returned: *returned };
            self.remember(entry, 0, self.context.clock.used());
        }
        Ok(())
    }

    /// Starts without any state.
    ///
    /// # Errors
    ///
    /// Why the plugin can't be started.
    pub async fn start_clean(&mut self) -> Result<(), String> {
        self.sandbox = None;
        self.go_to_start();
        self.sandbox = Some(start_sandbox(&self.plugin, &self.context, &self.request).await?);
        self.points_seen = 0;
        self.taking.begin();
        Ok(())
    }

    /// Whether `snapshot` can be given to [`Task::restore`]. `migrate`: also in another version of the
    /// plugin's own format.
    ///
    /// # Errors
    ///
    /// Why it does not fit.
    pub fn check_fit(&self, snapshot: &Snapshot, migrate: bool) -> Result<(), SnapshotError> {
        match snapshot.check_fit(&self.provenance()) {
            Err(SnapshotError::StateVersion { .. }) if migrate => Ok(()),
            other => other,
        }
    }
}

/// A RestoreRequest with the version of the plugin's format in it.
fn restore_request(snapshot: Vec<u8>, version: u32) -> Vec<u8> {
    let mut request = RestoreRequest { snapshot }.encode_to_vec();
    encode_key(STATE_VERSION, WireType::Varint, &mut request);
    encode_varint(version.into(), &mut request);
    request
}

fn gone() -> SnapshotError {
    SnapshotError::Failed("it is gone".to_owned())
}
