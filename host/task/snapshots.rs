//! The state of a task: taken for a snapshot, and given back.

use std::time::Instant;

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::Task;
use super::error::{Failure, TaskError};
use super::instance::Instance;
use super::journal::{Call, JournalEntry};
use super::plugin_program::refused;
use super::program::{Guest, Program};
use super::reply::Reply;
use super::setup::Setup;
use crate::logging::log_for;
use crate::protocol::{RestoreRequest, RestoreResponse};
use crate::sandbox::{DeterminismState, MemoryReservation};
use crate::state::{Provenance, Snapshot, SnapshotError, none, of_plugin};
use crate::units::Bytes;

/// Number of the field of a RestoreRequest that tells a plugin the version of its format in which the
/// snapshot is. Kapacitor has no field of this number.
const STATE_VERSION: u32 = 100;

/// Bytes around a snapshot when Kapacitor gives it back in one message.
const MESSAGE_OVERHEAD: u64 = 64;

/// The result of taking the state of a task that goes on.
#[derive(Debug)]
pub enum Taken {
    /// The bytes of a snapshot.
    Snapshot(Vec<u8>),
    /// There is no snapshot now.
    Unavailable(SnapshotError),
}

impl<P: Program> Task<P> {
    /// A snapshot for Kapacitor of at most `most` bytes, and the state as it is now, if that could be taken.
    /// Where there is no such snapshot it is the last one, or says that there is none, and is not empty:
    /// Kapacitor keeps no empty one, and would give an older one back.
    ///
    /// # Errors
    ///
    /// Why the task must end.
    pub async fn snapshot(&mut self, most: Bytes) -> Result<(Vec<u8>, Option<Vec<u8>>), TaskError> {
        self.supervisor.snapshots.offer();
        let (state, error) = match self.take().await? {
            Taken::Snapshot(snapshot) if fits(&snapshot, most) => {
                return Ok((snapshot.clone(), Some(snapshot)));
            }
            Taken::Snapshot(snapshot) => {
                let length = Bytes(snapshot.len() as u64);
                (Some(snapshot), SnapshotError::TooLong { length, most })
            }
            Taken::Unavailable(error) => (None, error),
        };
        self.supervisor.setup().trial.observe(|observer| observer.no_snapshot(&error.to_string()));
        // A task without snapshots is better than none.
        let labels = self.supervisor.setup().labels();
        if let Some(last) = self.supervisor.snapshots.last().filter(|last| fits(last, most)) {
            log_for!(warn, labels, err = error.to_string(), "no snapshot taken, the last one is given again");
            return Ok((last.to_vec(), state));
        }
        log_for!(warn, labels, err = error.to_string(), "no snapshot taken");
        Ok((none(&self.provenance(self.points_seen())), state))
    }

    /// The state behind all points so far, in at most `most` bytes: never another one in its place.
    ///
    /// # Errors
    ///
    /// Why the task must end.
    pub async fn exact_snapshot(&mut self, most: Bytes) -> Result<Taken, TaskError> {
        if self.is_in_batch() {
            return Ok(Taken::Unavailable(SnapshotError::OpenBatch));
        }
        Ok(match self.take().await? {
            Taken::Snapshot(snapshot) if !fits(&snapshot, most) => {
                let length = Bytes(snapshot.len() as u64);
                Taken::Unavailable(SnapshotError::TooLong { length, most })
            }
            taken => taken,
        })
    }

    /// Maximum size of a state that the plugin could have. Most are smaller than its memory, since they are compressed.
    pub fn most_of_state(&self) -> Bytes {
        let memory = self.supervisor.setup().context.limits.memory.0;
        Bytes(memory.saturating_add(memory / 8).saturating_add(1 << 20))
    }

    /// An empty reservation of memory.
    pub fn reservation(&self) -> MemoryReservation {
        self.supervisor.setup().context.budget.reservation()
    }

    /// Notes that Kapacitor has the last snapshot, for the checkpoints from now on.
    pub fn note_snapshot_received(&mut self) {
        self.supervisor.snapshots.note_received();
    }

    /// Notes that Kapacitor has a snapshot of the state that the task goes on with.
    pub fn note_given(&mut self) {
        self.supervisor.snapshots.flags.given = true;
    }

    /// Counts a copy of a snapshot that is about to be taken, as large as the memory; nothing if `host.memory` has no
    /// room for it.
    pub fn room_for_snapshot(&mut self) -> MemoryReservation {
        let mut room = self.supervisor.setup().context.budget.reservation();
        let memory = self.supervisor.instance().map_or(0, |instance| instance.guest.memory_size());
        // Without room, there is none for taking the snapshot either, which says so.
        let _ = room.try_set(memory as u64);
        room
    }

    /// A snapshot for the host itself; `None` if the plugin has no state that can be taken.
    ///
    /// # Errors
    ///
    /// Why the task must end.
    pub async fn checkpoint(&mut self) -> Result<Option<Taken>, TaskError> {
        let program = &self.supervisor.setup().program;
        let has_state = program.identity().own_format || program.can_capture();
        if !has_state || !self.supervisor.is_running() {
            return Ok(None);
        }
        self.take().await.map(Some)
    }

    /// Brings a plugin that has failed back to its last good state. False if that is not known: only with
    /// `on-trap = "recover"` is it kept.
    pub async fn go_back_to_good_state(&mut self) -> bool {
        self.supervisor.bring_back_lost().await
    }

    /// The state of a task that starts clean begins later than one that began at `started_at`, also if the clock has
    /// gone back.
    pub fn begin_after(&mut self, started_at: i64) {
        self.supervisor.snapshots.begin_after(started_at);
    }

    /// Whether the state has changed since it was last taken.
    pub fn has_changed(&self) -> bool {
        self.supervisor.snapshots.has_changed()
    }

    /// Says whether the snapshots that are taken from now on are of a replay.
    pub fn mark_replay(&mut self, replay: bool) {
        self.supervisor.snapshots.flags.replay = replay;
    }

    /// The state in the plugin's own format, for its next version. Whatever fails, the task goes on.
    ///
    /// # Errors
    ///
    /// Why the task must end.
    pub async fn hand_over(&mut self) -> Result<Taken, TaskError> {
        if !self.has_own_format() {
            return Ok(Taken::Unavailable(SnapshotError::NoOwnFormat));
        }
        self.take_now().await
    }

    /// Whether `snapshot` can be given to [`Task::restore`]. Of another version of its own format, the plugin itself
    /// says whether it reads it.
    ///
    /// # Errors
    ///
    /// Why it does not fit.
    pub fn check_fit(&self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        match snapshot.check_fit(&self.provenance(0)) {
            Err(SnapshotError::StateVersion { .. }) => Ok(()),
            other => other,
        }
    }

    /// Gives the task a state, one that fits or is in another version of the plugin's own format. After
    /// an error the task must be started clean.
    ///
    /// # Errors
    ///
    /// Why the task can't have this state.
    pub async fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let header = &snapshot.header;
        // The request of an own format, which recovery repeats, and the length of the answer.
        let mut restored = None;
        let mut instance = if self.has_own_format() {
            let limit = self.supervisor.setup().context.limits.memory;
            let request = restore_request(snapshot.payload(limit)?, header.state_version);
            let mut instance = self.supervisor.take_instance().ok_or_else(lost)?;
            let response = instance.guest.restore(&request).await;
            let response = response.map_err(refused)?;
            let length = response.len();
            let response = RestoreResponse::decode(response).map_err(|_| {
                SnapshotError::Refused("udf_restore: returned a malformed RestoreResponse".to_owned())
            })?;
            if !response.success {
                return Err(SnapshotError::Refused(response.error));
            }
            restored = Some((request, length));
            instance
        } else {
            let Setup { program, context, policy, .. } = self.supervisor.setup();
            let guest = program.load(context, snapshot).await?;
            let setup = self.supervisor.setup();
            setup.instance(guest, setup.guard(policy), 0)
        };
        if let Some(determinism) = &header.determinism {
            let context = &self.supervisor.setup().context;
            context.determinism.set_state(DeterminismState::from(determinism));
        }
        instance.points_seen = header.points_seen;
        self.supervisor.counts_before = header.counts.unwrap_or_default();
        self.supervisor.snapshots.restored(header.started_at, header.given);
        let entry = restored.as_ref().map(|(request, length)| JournalEntry {
            call: Call::Restore,
            input: request,
            returned: Some(*length),
        });
        self.supervisor.go_on_with(instance, entry).await;
        Ok(())
    }

    /// Starts without any state.
    ///
    /// # Errors
    ///
    /// Why the plugin can't be started.
    pub async fn start_clean(&mut self) -> Result<(), TaskError> {
        self.supervisor.start_clean().await
    }

    fn has_own_format(&self) -> bool {
        self.supervisor.setup().program.identity().own_format
    }

    /// Where a state comes from that is taken now and has seen this many points.
    fn provenance(&self, points_seen: u64) -> Provenance<'_> {
        let Setup { program, context, .. } = self.supervisor.setup();
        let snapshots = &self.supervisor.snapshots;
        Provenance {
            plugin: program.identity(),
            options_sha256: self.options_sha256,
            points_seen,
            counts: Some(self.supervisor.stored_counts()),
            udf: Some(&context.labels.udf),
            started_at: snapshots.started_at,
            flags: snapshots.flags,
            determinism: Some((&context.determinism.state()).into()),
        }
    }

    /// The state as it is now; inside a batch, the state of before it.
    async fn take(&mut self) -> Result<Taken, TaskError> {
        if let Some(current) = self.supervisor.snapshots.current() {
            return Ok(Taken::Snapshot(current.to_vec()));
        }
        let start = Instant::now();
        let in_batch = self.supervisor.is_inside_batch();
        // Until the snapshot is counted where it goes to.
        let mut room = self.supervisor.setup().context.budget.reservation();
        let memory = self.supervisor.instance().map_or(0, |instance| instance.guest.memory_size());
        if let Err(full) = room.try_set(memory as u64) {
            return Ok(Taken::Unavailable(SnapshotError::NoMemory(full.to_string())));
        }
        let taken = if in_batch { self.take_from_before_batch().await } else { self.take_now().await? };
        if let Taken::Snapshot(snapshot) = &taken {
            self.supervisor.snapshots.store(snapshot, !in_batch);
            let (bytes, points_seen) = (snapshot.len().to_string(), self.points_seen().to_string());
            let took = humantime::format_duration(start.elapsed()).to_string();
            log_for!(debug, self.supervisor.setup().labels(), bytes, points_seen, took, "snapshot taken");
        }
        Ok(taken)
    }

    async fn take_now(&mut self) -> Result<Taken, TaskError> {
        if !self.has_own_format() {
            if self.supervisor.setup().program.can_capture() {
                self.release_input().await?;
            }
            return Ok(self.memory_snapshot().await);
        }
        let Some(instance) = self.supervisor.instance() else { return Ok(Taken::Unavailable(lost())) };
        match instance.snapshot().await {
            Ok((state, returned)) => {
                // Taking it may change the guest.
                self.remember(Call::Snapshot, Some(returned)).await;
                let snapshot = of_plugin(&state, &self.provenance(self.points_seen()));
                Ok(Taken::Snapshot(snapshot))
            }
            Err(failure) => {
                let error = SnapshotError::Failed(failure.to_string());
                self.supervisor.overcome(&[], failure, &mut Reply::default()).await?;
                Ok(Taken::Unavailable(error))
            }
        }
    }

    /// Has the plugin free its buffers, which are most of the memory that a few groups take.
    async fn release_input(&mut self) -> Result<(), TaskError> {
        let Some(instance) = self.supervisor.instance() else { return Ok(()) };
        match instance.guest.release_input().await {
            Ok(()) => {
                self.remember(Call::ReleaseInput, None).await;
                Ok(())
            }
            Err(e) => {
                self.supervisor.overcome(&[], Failure::Call(e), &mut Reply::default()).await?;
                Ok(())
            }
        }
    }

    async fn remember(&mut self, call: Call, returned: Option<usize>) {
        let computed = self.supervisor.setup().context.clock.used();
        self.supervisor.remember(JournalEntry { call, input: &[], returned }, 0, computed).await;
    }

    async fn memory_snapshot(&mut self) -> Taken {
        // The instance is taken out, since the header of the snapshot is made of the rest of the task.
        let Some(mut instance) = self.supervisor.take_instance() else { return Taken::Unavailable(lost()) };
        let taken = self.save(&mut instance).await;
        self.supervisor.put_instance(instance);
        taken
    }

    /// A snapshot of the memory of `instance`.
    async fn save(&mut self, instance: &mut Instance<P::Guest>) -> Taken {
        if instance.guard.in_batch() {
            // The guard's part of the batch would be missing.
            return Taken::Unavailable(SnapshotError::InBatch);
        }
        let provenance = self.provenance(instance.points_seen);
        match self.supervisor.setup().program.save(&mut instance.guest, &provenance).await {
            Ok(snapshot) => Taken::Snapshot(snapshot),
            Err(error) => Taken::Unavailable(error),
        }
    }

    /// The state of before the batch that is open. A task that gets a state back begins with another batch, so
    /// that a state from the middle of one would be of no use.
    async fn take_from_before_batch(&mut self) -> Taken {
        let determinism = self.supervisor.setup().context.determinism.clone();
        let running = determinism.state();
        let taken = match self.supervisor.before_open_batch().await {
            Ok(None) => Taken::Unavailable(SnapshotError::InBatch),
            Ok(Some(mut instance)) if self.has_own_format() => match instance.snapshot().await {
                Ok((state, _)) => Taken::Snapshot(of_plugin(&state, &self.provenance(instance.points_seen))),
                Err(failure) => Taken::Unavailable(SnapshotError::Failed(failure.to_string())),
            },
            Ok(Some(mut instance)) => self.save(&mut instance).await,
            Err(e) => Taken::Unavailable(SnapshotError::Failed(e.to_string())),
        };
        // The guest that goes on is the one that was there.
        determinism.set_state(running);
        taken
    }
}

/// Whether a message of at most `most` bytes can give `snapshot` back.
fn fits(snapshot: &[u8], most: Bytes) -> bool {
    snapshot.len() as u64 + MESSAGE_OVERHEAD <= most.0
}

/// A RestoreRequest with the version of the plugin's format in it.
fn restore_request(snapshot: Vec<u8>, version: u32) -> Vec<u8> {
    let mut request = RestoreRequest { snapshot }.encode_to_vec();
    encode_key(STATE_VERSION, WireType::Varint, &mut request);
    encode_varint(version.into(), &mut request);
    request
}

fn lost() -> SnapshotError {
    SnapshotError::Failed("it is gone".to_owned())
}
