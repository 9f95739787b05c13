//! What a task runs, as the supervisor sees it.
//!
//! These are traits so that a test can run the supervisor and its recovery with a scripted guest, natively and
//! in microseconds. [`PluginProgram`](super::plugin_program::PluginProgram) is what runs otherwise.

use std::sync::Arc;

use super::error::{StartError, TaskError};
use crate::protocol::EdgeType;
use crate::sandbox::{CallError, MetricTable, SandboxContext};
use crate::state::{PluginIdentity, Provenance, Snapshot, SnapshotError};
use crate::units::Span;

/// One running guest. After a call has failed, it is not called again.
pub trait Guest: Send {
    /// `udf_process`: Request frames in, Response frames out.
    fn process(&mut self, frames: &[u8]) -> impl Future<Output = Result<&[u8], CallError>> + Send;

    /// What the last [`Guest::process`] returned; any bytes once there was another call.
    fn output(&self) -> &[u8];

    /// `udf_finish`: the last Response frames.
    fn finish(&mut self) -> impl Future<Output = Result<&[u8], CallError>> + Send;

    /// `udf_snapshot`: an encoded SnapshotResponse.
    fn snapshot(&mut self) -> impl Future<Output = Result<&[u8], CallError>> + Send;

    /// `udf_restore`: an encoded RestoreRequest in, an encoded RestoreResponse out.
    fn restore(&mut self, request: &[u8]) -> impl Future<Output = Result<&[u8], CallError>> + Send;

    /// Has the guest free its buffers, so that they need not be part of a snapshot.
    fn release_input(&mut self) -> impl Future<Output = Result<(), CallError>> + Send;

    /// From now on a call may compute for this long.
    fn set_deadline(&mut self, deadline: Span);

    /// The values of `metrics`, 8 bytes each; nothing if they are outside of the memory.
    fn metric_values(&self, metrics: &MetricTable) -> &[u8];

    /// Size of the memory that makes up the guest's state, in bytes.
    fn memory_size(&self) -> usize;
}

/// The program that the guests of one task run, with the task's options.
pub trait Program: Send + Sync {
    /// One running guest.
    type Guest: Guest;

    /// The memory of a guest between two calls.
    type Memory: Send + Sync;

    /// The plugin as a snapshot names it.
    fn identity(&self) -> PluginIdentity<'_>;

    /// The edge that the plugin provides.
    fn provides(&self) -> EdgeType;

    /// The counters and gauges of the plugin's own.
    fn metrics(&self) -> &Arc<MetricTable>;

    /// Whether the plugin reads the clock, so that it must be given one frame at a time.
    fn reads_clock(&self) -> bool;

    /// Whether the memory of a guest can be captured.
    fn can_capture(&self) -> bool;

    /// A fresh guest that has been given its InitRequest.
    fn start(&self, context: &SandboxContext)
    -> impl Future<Output = Result<Self::Guest, StartError>> + Send;

    /// The memory of `guest`. An earlier one that is of no more use gives its allocation. `None` if the memory
    /// can't be captured.
    fn capture(
        &self,
        guest: &mut Self::Guest,
        reuse: Option<Self::Memory>,
    ) -> impl Future<Output = Option<Self::Memory>> + Send;

    /// Size of a captured memory in bytes, nearly.
    fn size_of(memory: &Self::Memory) -> usize;

    /// A fresh guest with this memory, which one of the same program had.
    fn revive(
        &self,
        context: &SandboxContext,
        memory: &Self::Memory,
    ) -> impl Future<Output = Result<Self::Guest, TaskError>> + Send;

    /// A snapshot of the memory of `guest`.
    fn save(
        &self,
        guest: &mut Self::Guest,
        provenance: &Provenance<'_>,
    ) -> impl Future<Output = Result<Vec<u8>, SnapshotError>> + Send;

    /// A fresh guest with the memory of `snapshot`, which fits.
    fn load(
        &self,
        context: &SandboxContext,
        snapshot: &Snapshot,
    ) -> impl Future<Output = Result<Self::Guest, SnapshotError>> + Send;
}
