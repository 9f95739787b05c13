//! A running guest, its guard, and the number of points that its state has seen: three things that are
//! started, saved and brought back as one.

use prost::Message;

use super::error::Failure;
use super::plugin_metrics::PluginMetrics;
use super::program::Guest;
use super::reply::Reply;
use super::trial::ForcedFailures;
use crate::guard::{Guard, Verdict};
use crate::protocol::{SnapshotResponse, frame};
use crate::sandbox::{CallError, CallErrorKind, Determinism, MemoryReservation, long_work};

/// Size of a call's output above which it is checked after a yield, in bytes: whatever serves connections on
/// the same thread goes on before it.
const LONG_OUTPUT: usize = 512 * 1024;

/// Size in bytes up to which an output is copied before it is counted.
const SMALL_OUTPUT: usize = 64 * 1024;

/// A running guest and what belongs to it.
pub struct Instance<G> {
    /// The guest.
    pub guest: G,
    /// Checks what the guest returns.
    pub guard: Guard,
    /// Number of points that the guest's state has seen.
    pub points_seen: u64,
    /// The clock that the guest reads; `None` if it does not read one.
    pub clock: Option<Determinism>,
    /// Counts the batch that is open in the guard.
    pub open_batch: MemoryReservation,
    /// The values of the guest's metrics as they were read last; empty before its first call.
    pub metric_values: Vec<u64>,
    /// Calls that fail on purpose.
    pub failures: Option<ForcedFailures>,
}

/// The result of a call that has passed the guard.
#[derive(Debug)]
pub struct Processed {
    /// What the guard says.
    pub verdict: Verdict,
    /// Number of bytes that the guest returned.
    pub returned: usize,
}

impl<G: Guest> Instance<G> {
    /// Gives the memory of the guest back.
    pub async fn discard(self) {
        long_work(self.guest.memory_size(), || drop(self)).await;
    }

    /// Gives `frames`, whole data frames, to the guest, and adds to `reply` what may go to Kapacitor.
    ///
    /// # Errors
    ///
    /// How the guest failed. It must not be called again then.
    pub async fn process(&mut self, frames: &[u8], reply: &mut Reply) -> Result<Processed, Failure> {
        reply.begin_call(self.guest.output());
        if let Some(clock) = &self.clock {
            set_time(clock, frames);
        }
        let returned = self.guest.process(frames).await?;
        if returned.len() > LONG_OUTPUT {
            tokio::task::yield_now().await;
        }
        reserve(&mut self.open_batch, &self.guard, "udf_process", returned.len(), reply)?;
        let verdict = self.guard.pass_in_place(returned, reply.buffer());
        count_open_batch(&mut self.open_batch, &self.guard);
        if self.failures.is_some_and(|failures| failures.choose_any(frames)) {
            return Err(Failure::Forced);
        }
        let verdict = verdict.map_err(|violation| Failure::Violation { call: "udf_process", violation })?;
        if verdict.in_place {
            reply.put_in_place();
        }
        Ok(Processed { verdict: or_failure(verdict)?, returned: returned.len() })
    }

    /// Adds to `reply` the last responses of the guest, at the end of its input.
    ///
    /// # Errors
    ///
    /// As [`Instance::process`].
    pub async fn finish(&mut self, reply: &mut Reply) -> Result<Verdict, Failure> {
        reply.begin_call(self.guest.output());
        let returned = self.guest.finish().await?;
        reserve(&mut self.open_batch, &self.guard, "udf_finish", returned.len(), reply)?;
        let verdict = self.guard.pass(returned, reply.buffer());
        or_failure(verdict.map_err(|violation| Failure::Violation { call: "udf_finish", violation })?)
    }

    /// Reads the metrics of a guest that may have had no call yet.
    #[inline]
    pub fn begin_metrics(&mut self, metrics: &mut PluginMetrics) {
        if self.metric_values.len() != metrics.table().metrics.len() {
            let values = self.guest.metric_values(metrics.table());
            metrics.begin(&mut self.metric_values, values);
        }
    }

    /// Reads the metrics of a guest after a call that has succeeded.
    #[inline]
    pub fn read_metrics(&mut self, metrics: &mut PluginMetrics) {
        if !self.metric_values.is_empty() {
            metrics.read(&mut self.metric_values, self.guest.metric_values(metrics.table()));
        }
    }

    /// The state in the plugin's own format, and the number of bytes that the guest returned.
    ///
    /// # Errors
    ///
    /// As [`Instance::process`].
    pub async fn snapshot(&mut self) -> Result<(Vec<u8>, usize), Failure> {
        let returned = self.guest.snapshot().await?;
        let length = returned.len();
        let response = SnapshotResponse::decode(returned).map_err(|_| CallError {
            call: "udf_snapshot",
            kind: CallErrorKind::Response("SnapshotResponse"),
        })?;
        Ok((response.snapshot, length))
    }
}

/// Makes sure that there is memory for the `returned` bytes of `call`: for a copy in `reply` and, inside a batch, for
/// one in the guard.
///
/// # Errors
///
/// When `host.memory` has no room for them.
#[inline]
fn reserve(
    open_batch: &mut MemoryReservation,
    guard: &Guard,
    call: &'static str,
    returned: usize,
    reply: &mut Reply,
) -> Result<(), CallError> {
    let mut reserved = Ok(());
    if guard.in_batch() {
        reserved = open_batch.try_set((guard.size() + returned) as u64);
    }
    if returned > SMALL_OUTPUT && reserved.is_ok() {
        // A batch that begins and ends in one call is copied twice.
        reserved = reply.reserve(2 * returned + guard.size(), open_batch);
    }
    reserved.map_err(|full| {
        let then = ", to send what it returned".to_owned();
        CallError { call, kind: CallErrorKind::HostMemory { full, then } }
    })
}

#[inline]
fn count_open_batch(open_batch: &mut MemoryReservation, guard: &Guard) {
    let size = guard.size() as u64;
    if size != open_batch.bytes() {
        open_batch.set(size);
    }
}

/// An Error response ends a call as a trap does.
fn or_failure(verdict: Verdict) -> Result<Verdict, Failure> {
    match verdict.error {
        Some(error) => Err(Failure::Returned(error)),
        None => Ok(verdict),
    }
}

/// Makes the time of one data frame the guest's.
fn set_time(clock: &Determinism, frame: &[u8]) {
    // Only this field is read: a point of many tags would take many times its size.
    if let Some(time) = frame::time(frame, false) {
        clock.set_time(time);
    }
}
