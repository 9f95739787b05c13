//! The process, and what all tasks together may take.

use serde::{Deserialize, Serialize};

/// The process.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Host {
    /// Its version, such as `0.1.0`.
    pub version: String,
    /// Which build of the version it is.
    pub build: String,
    /// When this was told.
    pub now_timestamp_seconds: f64,
    /// When the process started; `None` where the system does not say.
    pub started_timestamp_seconds: Option<f64>,
    /// Why Kapacitor can't use all functions, one sentence each; empty if it can.
    pub not_ready: Vec<String>,
    /// The `udf.toml` that was read last.
    pub config_file: Option<String>,
    /// Folder of the plugins.
    pub plugins_dir: String,
    /// Folder of stored states.
    pub state_dir: String,
    /// The last time that `udf.toml` was read again; `None` if it was not since the host has started.
    pub last_reload: Option<Reload>,
    /// CPU time of the process; `None` where the system does not say.
    pub cpu_seconds: Option<f64>,
    /// Memory of the process in bytes; `None` where the system does not say.
    pub resident_memory_bytes: Option<u64>,
}

/// One time that `udf.toml` was read again.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Reload {
    /// When.
    pub timestamp_seconds: f64,
    /// Why the file was refused, so that everything stayed as it was; `None` if the file is in force.
    pub error: Option<String>,
    /// The keys that have changed, with their values and from when on they apply; empty if it was refused.
    pub changes: Vec<String>,
}

/// What all tasks together may take, and take.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Limits {
    /// Sandboxes.
    pub sandboxes: Limit,
    /// Memory in bytes that counts in `host.memory`.
    pub memory_bytes: Limit,
    /// Connections of Kapacitor.
    pub connections: Limit,
    /// File descriptors of the process.
    pub open_files: Limit,
}

/// What there is of something, and what there may be.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Limit {
    /// What there is now; `None` where the system does not say.
    pub used: Option<u64>,
    /// What there may be; `None` if there is no limit.
    pub limit: Option<u64>,
    /// Which limit that is, and what to do about it.
    pub set_by: String,
}

impl Limit {
    /// The part of the limit that is used, from 0 to 1; `None` if there is no limit or the use is not known.
    pub fn share(&self) -> Option<f64> {
        let (used, limit) = (self.used?, self.limit?);
        (limit > 0).then(|| (used as f64 / limit as f64).min(1.0))
    }
}
