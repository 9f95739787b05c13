//! Brings a guest back to the state of before a failure.
//!
//! Recovery is exact. The state of the guest is saved from time to time, and the calls since then are
//! kept in a journal. After a failure a fresh guest gets the saved state and the journal again; the output of
//! the journal is thrown away, since it went out before.

use std::time::{Duration, Instant};

use super::error::{Failure, TaskError};
use super::instance::Instance;
use super::journal::{Call, Journal, JournalEntry, OpenBatch};
use super::program::{Guest, Program};
use super::reply::Reply;
use super::savepoint::Savepoint;
use super::setup::Setup;
use crate::logging::log_for;
use crate::sandbox::{DeterminismState, GuestLog, MemoryFull, MemoryReservation, Turn};
use crate::units::Span;

/// Deadline multiplier for a replay: the machine may be busier than the first time.
const REPLAY_PATIENCE: u32 = 4;

/// Size of a savepoint and a journal in bytes up to which they may take the last of `host.memory`.
const ESSENTIAL: usize = 256 * 1024;

/// A savepoint, and all calls since then.
pub struct Recovery<P: Program> {
    savepoint: Savepoint<P::Memory>,
    journal: Journal,
    /// Points seen and determinism of a restored state that could not be saved. The first entry of the journal
    /// restores it.
    restored: Option<(u64, DeterminismState)>,
    /// Counts the memory of the savepoint and the journal.
    reserved: MemoryReservation,
    /// Why `host.memory` had no room for them, since that happened first.
    no_room: Option<MemoryFull>,
}

/// An instance that was brought back.
pub struct Revived<G> {
    /// The instance.
    pub instance: Instance<G>,
    /// Whether its state is older than the last call that succeeded: the batch that is open has to be skipped.
    pub lost_batch: bool,
}

impl<P: Program> Recovery<P> {
    /// From the start of the program.
    pub fn new(setup: &Setup<P>) -> Self {
        Self {
            savepoint: Savepoint::start(setup.context.determinism.state()),
            journal: Journal::new(setup.policy.journal.as_usize()),
            restored: None,
            reserved: setup.context.budget.reservation(),
            no_room: None,
        }
    }

    /// Counts `bytes` for the savepoint and the journal together, before they have as much. False if `host.memory` has
    /// no room for them, which the log says once.
    fn reserve(&mut self, setup: &Setup<P>, bytes: usize) -> bool {
        // A little is as essential as the guest itself, or a few large tasks could take recovery from all others.
        let reserved = if bytes <= ESSENTIAL {
            self.reserved.try_set(bytes as u64)
        } else {
            self.reserved.try_set_optional(bytes as u64)
        };
        if let Err(full) = reserved
            && self.no_room.replace(full).is_none()
        {
            log_for!(
                warn,
                setup.labels(),
                err = format!("recovery needs {full}"),
                "the state is not kept for recovery: after a failure, the plugin goes back to an older one"
            );
        }
        reserved.is_ok()
    }

    /// Counts what the savepoint and the journal have.
    fn recount(&mut self) {
        let size = self.size() as u64;
        if size != self.reserved.bytes() {
            self.reserved.set(size);
        }
    }

    /// Remembers a successful call, which has computed for `computed`: appends it to the journal, or saves the state
    /// after it. `in_batch`: the guest is inside a batch, where no state is saved.
    pub async fn remember(
        &mut self,
        setup: &Setup<P>,
        instance: &mut Instance<P::Guest>,
        entry: JournalEntry<'_>,
        points: u64,
        computed: Duration,
        in_batch: bool,
    ) {
        let due = self.journal.is_due(entry.input.len(), instance.guest.memory_size());
        if !(due && !in_batch && Box::pin(self.save(setup, instance)).await) {
            let size = self.savepoint.size::<P>() + self.journal.size_with(entry.input.len());
            if size as u64 > self.reserved.bytes() && !self.reserve(setup, size) {
                self.journal.give_up();
                self.recount();
            }
            self.journal.push(entry, points, computed, in_batch);
        }
    }

    /// Whether the state should be saved as soon as the guest is outside of a batch.
    pub fn is_due(&self, more: usize, memory: usize) -> bool {
        self.journal.is_due(more, memory)
    }

    /// The Begin of the open batch, if the batch is larger than the journal.
    pub fn large_batch(&self) -> Option<&[u8]> {
        self.journal.large_batch()
    }

    /// Saves the state, which begins the journal anew. False if it can't be saved.
    pub async fn save(&mut self, setup: &Setup<P>, instance: &mut Instance<P::Guest>) -> bool {
        // The state is as large as the memory at most, and takes the place of the one before.
        let most = instance.guest.memory_size() + instance.guard.size();
        let size = self.savepoint.size::<P>().max(most) + self.journal.size();
        if !(setup.program.can_capture() && self.reserve(setup, size)) {
            return false;
        }
        let saved = self.savepoint.replace(setup, instance).await;
        if saved {
            self.journal.clear();
        }
        self.recount();
        saved
    }

    /// Remembers that `instance` was given a state by the call `entry`, which recovery repeats.
    pub async fn remember_restored(
        &mut self,
        setup: &Setup<P>,
        instance: &mut Instance<P::Guest>,
        entry: JournalEntry<'_>,
    ) {
        self.restored = Some((instance.points_seen, setup.context.determinism.state()));
        let computed = setup.context.clock.used();
        self.remember(setup, instance, entry, 0, computed, false).await;
    }

    /// Forgets everything since the program began: another state begins.
    pub fn forget(&mut self, setup: &Setup<P>) {
        self.savepoint.forget(setup);
        self.restored = None;
        self.journal.clear();
        self.recount();
    }

    /// Takes the batch that is open out of the journal, and returns it.
    pub fn forget_open_batch(&mut self) -> Option<OpenBatch> {
        self.journal.cut_open_batch()
    }

    /// An instance as it was before the call that failed with `failure`. If the open batch is larger than the
    /// journal, as it was before the batch; and if the journal can't be replayed, as it was saved last.
    ///
    /// # Errors
    ///
    /// Why the task must end.
    pub async fn bring_back(
        &mut self,
        setup: &Setup<P>,
        failure: &str,
    ) -> Result<Revived<P::Guest>, TaskError> {
        let start = Instant::now();
        let mut instance = self.savepoint.revive(setup).await?;
        let mut reason = match self.no_room {
            Some(full) => format!("its journal needs {full}: raise host.memory"),
            None => "its journal was full: raise policy.journal".to_owned(),
        };
        if self.journal.lost().is_none()
            && let Err(e) = self.replay(setup, &self.journal, &mut instance).await
        {
            // The same input succeeded the first time: the plugin is not deterministic, or the machine is busier.
            reason = format!("its journal can't be done again: {e}");
            self.journal.give_up();
            instance.discard().await;
            instance = self.savepoint.revive(setup).await?;
        }
        let mut lost_batch = self.journal.large_batch().is_some();
        if lost_batch {
            self.journal.cut_open_batch();
        }
        if let Some(points) = self.journal.lost() {
            lost_batch = true;
            self.journal.clear();
            self.recount();
            log_for!(
                warn,
                setup.labels(),
                err = failure,
                reason,
                points = points.to_string(),
                journal = setup.policy.journal.to_string(),
                "plugin goes back to its last saved state, and these points are missing in it"
            );
        }
        let took = humantime::format_duration(start.elapsed()).to_string();
        log_for!(debug, setup.labels(), took, "plugin brought back");
        Ok(Revived { instance, lost_batch })
    }

    /// Another instance, in the state before the open batch; `None` if the journal was too full to
    /// know that state. The determinism is left in that state too.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub async fn before_open_batch(&self, setup: &Setup<P>) -> Result<Option<Instance<P::Guest>>, TaskError> {
        if self.journal.lost().is_some() {
            return Ok(None);
        }
        let mut journal = self.journal.clone();
        journal.cut_open_batch();
        let mut instance = self.savepoint.revive(setup).await?;
        self.replay(setup, &journal, &mut instance).await?;
        Ok(Some(instance))
    }

    /// Gives `journal` to `instance`, which is as it was when the journal began. Neither its output nor its log
    /// lines go out again.
    async fn replay(
        &self,
        setup: &Setup<P>,
        journal: &Journal,
        instance: &mut Instance<P::Guest>,
    ) -> Result<(), Failure> {
        let _muted = GuestLog::mute(&setup.context.log);
        let deadline = setup.context.limits.call_deadline;
        instance.guest.set_deadline(Span(deadline.0 * REPLAY_PATIENCE));
        let (mut discarded, mut differs) = (Reply::default(), false);
        let mut turn = Turn::new();
        for entry in journal.entries() {
            turn.end().await;
            let returned = match entry.call {
                Call::Process => {
                    discarded = Reply::with_buffer(discarded.into_buffer());
                    instance.process(entry.input, &mut discarded).await?.returned
                }
                Call::Snapshot => instance.guest.snapshot().await?.len(),
                Call::ReleaseInput => {
                    instance.guest.release_input().await?;
                    0
                }
                Call::Restore => {
                    let returned = instance.guest.restore(entry.input).await?.len();
                    if let Some((points_seen, determinism)) = self.restored {
                        instance.points_seen = points_seen;
                        setup.context.determinism.set_state(determinism);
                    }
                    returned
                }
            };
            differs |= entry.returned.is_some_and(|before| before != returned);
        }
        instance.guest.set_deadline(deadline);
        instance.points_seen += journal.points();
        if differs {
            log_for!(info, setup.labels(), "plugin returned something else for the same input");
        }
        Ok(())
    }

    /// Bytes that are counted in `host.memory`.
    pub fn reserved(&self) -> u64 {
        self.reserved.bytes()
    }

    /// Approximate memory use in bytes.
    fn size(&self) -> usize {
        self.savepoint.size::<P>() + self.journal.size()
    }
}
