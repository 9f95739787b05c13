//! Points in time.

use std::time::SystemTime;

/// Seconds since 1970.
pub fn since_1970(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
