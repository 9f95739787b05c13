//! What the fuzz targets in `fuzz/` need of the host's private parts. Built for them only.

use crate::config::Limits;
use crate::engine::Engine;
use crate::plugin::{Plugin, Problem};
use crate::sandbox::Sandbox;

/// Admits the bytes of a module, as [`Plugin::admit`] does with those of a file.
///
/// # Errors
///
/// At the first thing that is wrong.
pub async fn admit(engine: &Engine, name: &str, bytes: &[u8], limits: &Limits) -> Result<Plugin, Problem> {
    Plugin::from_bytes(engine, name, bytes, limits).await
}

/// The linear memory of a sandbox.
pub fn memory(sandbox: &Sandbox) -> &[u8] {
    sandbox.memory()
}
