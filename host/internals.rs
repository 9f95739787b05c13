//! Hidden exports: what the tests, the benches and the fuzz targets of this repository use of the private rooms.
//!
//! Not part of the public API: it changes without notice. What only they use is listed here, so that the
//! compiler still finds code that nobody uses.

use std::sync::Arc;

pub use crate::config::{Config, EdgeCheck, HostLimits, Limits, OnFull, Policy, Unwanted};
pub use crate::endpoint::socket_path;
pub use crate::guard::{Guard, Verdict, Violation};
pub use crate::kapacitor_db::{Database, snapshots};
pub use crate::logging::Labels;
pub use crate::plugin::{ABI, AdmissionErrorKind, CodeStore, Plugin, Plugins, WASI};
use crate::plugin::{Compiler, Stage};
pub use crate::protocol::frame::{Control, MAX_WAITING};
pub use crate::protocol::wire;
pub use crate::routing::Function;
pub use crate::sandbox::{Engine, Sandbox, SandboxContext};
pub use crate::session::{Inbox, InboxItem, InboxLimits, Link, Session};
pub use crate::shared::{Mode, Shared};
pub use crate::state::{Provenance, Snapshot, SnapshotHeader, now};
pub use crate::units::{Bytes, Span};
pub use crate::workbench::{Call, Case, Figures, HostSpec, Message, Pipeline, PluginHost, Purpose};
pub use crate::workbench::{find_cases, measure_together};

/// Admits the bytes of a module, as the host does with those of a file. They are compiled in this process.
///
/// # Errors
///
/// At the first thing that is wrong.
pub async fn admit(
    engine: &Arc<Engine>,
    name: &str,
    bytes: &[u8],
    limits: &Limits,
) -> Result<Plugin, AdmissionErrorKind> {
    admit_stored(engine, CodeStore::default(), name, bytes, limits).await
}

/// The same with machine code from `store`, if it is there.
///
/// # Errors
///
/// At the first thing that is wrong.
pub async fn admit_stored(
    engine: &Arc<Engine>,
    store: CodeStore,
    name: &str,
    bytes: &[u8],
    limits: &Limits,
) -> Result<Plugin, AdmissionErrorKind> {
    let compiler = Compiler::new(None, HostLimits::default(), limits.stack, store);
    let compiler = compiler.map_err(|e| AdmissionErrorKind::Invalid(e.to_string()))?;
    let place = compiler.enter(Stage::Last, 0).await;
    let plugin = Plugin::admit(engine, name, bytes.to_vec().into(), limits, &compiler, place).await?;
    plugin.ok_or(AdmissionErrorKind::Compile(compiler.limits.compile_deadline))
}
