//! The last time that `udf.toml` was read again.

use std::sync::Arc;
use std::time::SystemTime;

use crate::config::Change;

/// One time that `udf.toml` was read again.
#[derive(Debug)]
pub struct Reload {
    /// When.
    pub at: SystemTime,
    /// The keys that have changed, or why the file was refused.
    pub outcome: Result<Vec<Change>, String>,
}

impl Reload {
    /// One of this moment.
    pub fn now(outcome: Result<Vec<Change>, String>) -> Arc<Self> {
        Arc::new(Self { at: SystemTime::now(), outcome })
    }
}
