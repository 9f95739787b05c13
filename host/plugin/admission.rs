//! A plugin: one `.wasm` file, admitted, compiled once, shared by all its sandboxes.
//!
//! A file is admitted only if everything that can be known before a task needs it is right. Each
//! refusal is one sentence: the file, what is wrong, what to do.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::InstancePre;

use super::admission_error::{AdmissionErrorKind, invalid};
use super::interface::{ABI, check_info, check_interface};
use super::metrics_text::read_metrics;
use super::plugin_file::PluginFile;
use crate::config::Edges;
use crate::config::Limits;
use crate::digest::hex;
use crate::logging::Labels;
use crate::plugin::compile::{Compiled, Compiler, Place};
use crate::protocol::InfoResponse;
use crate::sandbox::Engine;
use crate::sandbox::MemoryImage;
use crate::sandbox::{CallError, Guest, MetricTable, NotCapturable, Sandbox, SandboxContext, Ticker};
use crate::state::PluginIdentity;
use crate::units::Bytes;

/// Functions of WASI that show a guest the time: the second one by what is due at an absolute time.
const READ_CLOCK: [&str; 2] = ["clock_time_get", "poll_oneoff"];

/// An admitted plugin.
pub struct Plugin {
    /// File name without `.wasm`.
    pub name: String,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// The Info of the plugin, with the options sorted by name.
    pub info: InfoResponse,
    /// Whether it has a snapshot format of its own.
    pub own_format: bool,
    /// Version of that format; zero if the plugin has none.
    pub state_version: u32,
    /// The memory of a fresh instance, or why the plugin's state can't be captured.
    pub memory_image: Result<MemoryImage, NotCapturable>,
    /// The counters and gauges of the plugin's own.
    pub metrics: Arc<MetricTable>,
    /// Whether the plugin reads the clock.
    pub reads_clock: bool,
    /// Time that it took to load it.
    pub loaded_in: Duration,
    /// Memory that an instance begins with.
    pub min_memory: Bytes,
    pre: InstancePre<Guest>,
    /// The clock that interrupts its sandboxes.
    ticker: Arc<Ticker>,
}

impl Plugin {
    /// Checks and compiles `file`, and asks the plugin once for its Info, under `limits`. `None` if the file needs
    /// more than `place` has for it.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub(crate) async fn admit(
        engine: &Arc<Engine>,
        name: &str,
        file: PluginFile,
        limits: &Limits,
        compiler: &Compiler,
        place: Place,
    ) -> Result<Option<Self>, AdmissionErrorKind> {
        let PluginFile { bytes, sha256 } = file;
        let compiled = compiler.compile(engine, bytes, &sha256, place).await?;
        let Some(Compiled { module, captured }) = compiled else { return Ok(None) };
        let _trial = compiler.trial().await;
        let min_memory = check_interface(&module)?;
        if min_memory > limits.memory {
            return Err(AdmissionErrorKind::Memory { needs: min_memory, limit: limits.memory });
        }
        let pre = engine.linker.instantiate_pre(&module).map_err(invalid)?;

        let labels = Labels { plugin: name.to_owned(), ..Labels::default() };
        let context = SandboxContext::without_session(labels, *limits);
        let mut sandbox =
            Sandbox::new(&pre, engine.ticker(), &context).await.map_err(AdmissionErrorKind::Call)?;
        let memory_image = captured.map(|()| MemoryImage::of(&mut sandbox, &module));
        let info = sandbox.info().await.map_err(AdmissionErrorKind::Call)?;
        let info = check_info(info)?;
        let state_version = sandbox.state_version().await.map_err(AdmissionErrorKind::Call)?;
        let memory = sandbox.memory_size();
        let metrics = match sandbox.metrics().await.map_err(AdmissionErrorKind::Call)? {
            Some((address, text)) => read_metrics(text, address, memory)?,
            None => MetricTable::default(),
        };
        Ok(Some(Self {
            name: name.to_owned(),
            sha256,
            info,
            own_format: module.get_export("udf_snapshot").is_some(),
            state_version,
            memory_image,
            metrics: Arc::new(metrics),
            reads_clock: module.imports().any(|import| READ_CLOCK.contains(&import.name())),
            pre,
            ticker: Arc::clone(engine.ticker()),
            loaded_in: Duration::ZERO,
            min_memory,
        }))
    }

    /// Its version as logs show it: the first eight digits of its SHA-256.
    pub fn version(&self) -> String {
        hex(&self.sha256[..4])
    }

    /// The plugin as a snapshot names it.
    pub fn identity(&self) -> PluginIdentity<'_> {
        PluginIdentity {
            name: &self.name,
            sha256: self.sha256,
            abi: ABI,
            own_format: self.own_format,
            state_version: self.state_version,
        }
    }

    /// The edges of the plugin.
    pub fn edges(&self) -> Edges {
        Edges { wants: self.info.wants(), provides: self.info.provides() }
    }

    /// A new instance.
    ///
    /// # Errors
    ///
    /// When the plugin can't start under these limits.
    pub async fn start(&self, context: &SandboxContext) -> Result<Sandbox, CallError> {
        Sandbox::new(&self.pre, &self.ticker, context).await
    }

    /// Whether a sandbox can start under these limits.
    ///
    /// # Errors
    ///
    /// When it can't.
    pub fn check_limits(&self, limits: &Limits) -> Result<(), AdmissionErrorKind> {
        if self.min_memory > limits.memory {
            return Err(AdmissionErrorKind::Memory { needs: self.min_memory, limit: limits.memory });
        }
        Ok(())
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("name", &self.name).finish_non_exhaustive()
    }
}
