//! Plugins: the files that tasks run.

use serde::{Deserialize, Serialize};

use crate::function::Info;

/// A plugin file.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Plugin {
    /// Its name: that of the file, without `.wasm`.
    pub name: String,
    /// Whether tasks can run it.
    pub status: PluginStatus,
    /// SHA-256 of the file in hex; `None` if it was refused.
    pub sha256: Option<String>,
    /// Why it was refused; `None` if it was not.
    pub error: Option<String>,
    /// Time that it took to load it; `None` if it was refused.
    pub load_seconds: Option<f64>,
    /// Its edges and options; `None` if it was refused.
    pub info: Option<Info>,
    /// Whether it has a snapshot format of its own, so that a new version can go on with the state.
    pub own_state_format: bool,
    /// Number of UDF nodes that run it now, in any version.
    pub tasks: u64,
}

/// Whether tasks can run a plugin.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PluginStatus {
    /// They can.
    Loaded,
    /// They can't.
    Refused,
}
