//! A plugin as the program of a task: its guests are sandboxes.

use std::sync::Arc;

use prost::Message;

use super::error::{StartError, TaskError};
use super::program::{Guest, Program};
use crate::plugin::Plugin;
use crate::protocol::{EdgeType, InitResponse};
use crate::sandbox::{CallError, CallErrorKind, MemoryDelta, MetricTable, Sandbox, SandboxContext};
use crate::state::{PluginIdentity, Provenance, Snapshot, SnapshotError};
use crate::units::Span;

/// A plugin, and the InitRequest that each of its guests is given.
#[derive(Debug)]
pub struct PluginProgram {
    /// The plugin.
    pub plugin: Arc<Plugin>,
    /// The encoded InitRequest.
    pub request: Vec<u8>,
}

impl Guest for Sandbox {
    async fn process(&mut self, frames: &[u8]) -> Result<&[u8], CallError> {
        Self::process(self, frames).await
    }

    fn output(&self) -> &[u8] {
        Self::output(self)
    }

    async fn finish(&mut self) -> Result<&[u8], CallError> {
        Self::finish(self).await
    }

    async fn snapshot(&mut self) -> Result<&[u8], CallError> {
        Self::snapshot(self).await
    }

    async fn restore(&mut self, request: &[u8]) -> Result<&[u8], CallError> {
        Self::restore(self, request).await
    }

    async fn release_input(&mut self) -> Result<(), CallError> {
        Self::release_input(self).await
    }

    fn set_deadline(&mut self, deadline: Span) {
        Self::set_deadline(self, deadline);
    }

    fn metric_values(&self, metrics: &MetricTable) -> &[u8] {
        Self::metric_values(self, metrics)
    }

    fn memory_size(&self) -> usize {
        Self::memory_size(self)
    }
}

/// Why a plugin does not take a state: because of what it does, or for want of memory of the host, which may be there
/// another time.
pub(super) fn refused(error: CallError) -> SnapshotError {
    match error.kind {
        CallErrorKind::HostMemory { full, .. } => SnapshotError::NoMemory(full.to_string()),
        _ => SnapshotError::Refused(error.to_string()),
    }
}

impl Program for PluginProgram {
    type Guest = Sandbox;
    type Memory = MemoryDelta;

    fn identity(&self) -> PluginIdentity<'_> {
        self.plugin.identity()
    }

    fn provides(&self) -> EdgeType {
        self.plugin.info.provides()
    }

    fn metrics(&self) -> &Arc<MetricTable> {
        &self.plugin.metrics
    }

    fn reads_clock(&self) -> bool {
        self.plugin.reads_clock
    }

    fn can_capture(&self) -> bool {
        self.plugin.memory_image.is_ok()
    }

    async fn start(&self, context: &SandboxContext) -> Result<Sandbox, StartError> {
        let mut sandbox = self.plugin.start(context).await?;
        let response = InitResponse::decode(sandbox.init(&self.request).await?)
            .map_err(|_| CallError { call: "udf_init", kind: CallErrorKind::Response("InitResponse") })?;
        if response.success { Ok(sandbox) } else { Err(StartError::Options(response.error)) }
    }

    async fn capture(&self, guest: &mut Sandbox, reuse: Option<MemoryDelta>) -> Option<MemoryDelta> {
        self.plugin.memory_image.as_ref().ok()?.capture(guest, reuse).await.ok()
    }

    fn size_of(memory: &MemoryDelta) -> usize {
        memory.size()
    }

    async fn revive(&self, context: &SandboxContext, memory: &MemoryDelta) -> Result<Sandbox, TaskError> {
        let started = self.plugin.start(context).await;
        let mut sandbox = started.map_err(|e| TaskError::Restart(e.into()))?;
        if let Ok(image) = &self.plugin.memory_image {
            image.apply(&mut sandbox, memory).await.map_err(TaskError::Savepoint)?;
        }
        Ok(sandbox)
    }

    async fn save(&self, guest: &mut Sandbox, provenance: &Provenance<'_>) -> Result<Vec<u8>, SnapshotError> {
        match &self.plugin.memory_image {
            Ok(image) => image.save(guest, provenance).await,
            Err(reason) => Err(SnapshotError::NotCapturable(reason.to_string())),
        }
    }

    async fn load(&self, context: &SandboxContext, snapshot: &Snapshot) -> Result<Sandbox, SnapshotError> {
        let image = self.plugin.memory_image.as_ref();
        let image = image.map_err(|reason| SnapshotError::NotCapturable(reason.to_string()))?;
        let started = self.plugin.start(context).await;
        let mut sandbox = started.map_err(refused)?;
        image.load(&mut sandbox, snapshot, context.limits.memory).await?;
        Ok(sandbox)
    }
}
