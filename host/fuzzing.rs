//! What the fuzz targets in `fuzz/` need of the host's private parts. Built for them only.

use std::path::PathBuf;
use std::sync::Arc;

use crate::compile::Compiler;
use crate::engine::Engine;
use crate::limits::{HostLimits, Limits};
use crate::plugin::{Plugin, Problem};
use crate::sandbox::Sandbox;

/// Admits the bytes of a module, as [`Plugin::admit`] does with those of a file. They are compiled in
/// this process.
///
/// # Errors
///
/// At the first thing that is wrong.
pub async fn admit(
    engine: &Arc<Engine>,
    name: &str,
    bytes: &[u8],
    limits: &Limits,
) -> Result<Plugin, Problem> {
    let compiler = Compiler {
        program: None,
        limits: HostLimits::default(),
        stack: limits.stack,
        folder: PathBuf::new(),
    };
    Plugin::from_bytes(engine, name, bytes.to_vec(), limits, &compiler).await
}

/// The linear memory of a sandbox.
pub fn memory(sandbox: &Sandbox) -> &[u8] {
    sandbox.memory()
}
