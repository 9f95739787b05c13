//! How long, and how much, the state folder keeps.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::units::{Bytes, Span};

/// Bounds of the interval at which old files are looked for. The first look comes so long after the start of the
/// host that the clock is right by then.
const INTERVAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));

/// How long, and how much, the state folder keeps.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Maximum time for which a file is kept that no task uses; zero for ever.
    pub keep: Span,
    /// Maximum size of all states that are set aside.
    pub set_aside: Bytes,
}

impl Retention {
    /// Interval at which old files are looked for.
    pub fn interval(&self) -> Duration {
        (self.keep.0 / 10).clamp(INTERVAL.0, INTERVAL.1)
    }

    /// When the file at `path` was used last, and when it is given up if that is all; no time without end.
    pub fn times(&self, path: &Path) -> io::Result<(SystemTime, Option<SystemTime>)> {
        let used = fs::metadata(path)?.modified()?;
        Ok((used, (!self.keep.0.is_zero()).then(|| used + self.keep.0)))
    }

    /// Whether the file at `path` is to be given up.
    pub fn is_over(&self, path: &Path) -> bool {
        self.times(path).is_ok_and(|(_, over)| over.is_some_and(|over| over < SystemTime::now()))
    }
}
