//! What went wrong last in the tasks of one session, for whoever asks.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::logging::cut;

/// Maximum length of an error and of a point, in bytes: they are kept for each UDF node.
const MAX_TEXT: usize = 512;

/// What went wrong last in the tasks of one session. It is written where something is logged, so it costs nothing
/// otherwise.
#[derive(Debug, Default)]
pub struct Troubles {
    passes_through: AtomicBool,
    last: Mutex<LastTroubles>,
}

/// What went wrong last.
#[derive(Clone, Debug, Default)]
pub struct LastTroubles {
    /// The last error.
    pub error: Option<Arc<LastError>>,
    /// What was skipped last.
    pub skipped: Option<Arc<LastSkipped>>,
}

/// An error of a plugin or a task.
#[derive(Debug)]
pub struct LastError {
    /// When.
    pub at: SystemTime,
    /// What went wrong, as the log says; cut if it is long.
    pub error: String,
}

/// Points that were skipped, because the plugin failed at them.
#[derive(Debug)]
pub struct LastSkipped {
    /// When.
    pub at: SystemTime,
    /// How the plugin failed; cut if it is long.
    pub reason: String,
    /// Number of points: one, or all points of a batch.
    pub points: u64,
    /// The first of them in line protocol, or in words; cut if it is long.
    pub point: String,
}

impl LastError {
    /// An error of this moment.
    pub fn now(error: &str) -> Self {
        Self { at: SystemTime::now(), error: short(error) }
    }
}

impl LastTroubles {
    /// Of each kind, the later one of these and of `other`.
    pub fn take_in(&mut self, other: Self) {
        let Self { error, skipped } = other;
        if error.as_ref().map(|error| error.at) > self.error.as_ref().map(|error| error.at) {
            self.error = error;
        }
        if skipped.as_ref().map(|skipped| skipped.at) > self.skipped.as_ref().map(|skipped| skipped.at) {
            self.skipped = skipped;
        }
    }
}

impl Troubles {
    fn lock(&self) -> MutexGuard<'_, LastTroubles> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an error.
    pub fn note_error(&self, error: &str) {
        self.lock().error = Some(Arc::new(LastError::now(error)));
    }

    /// Notes that the plugin has failed at `point` because of `reason`, and that this number of points was skipped.
    pub fn note_skipped(&self, reason: &str, points: u64, point: &str) {
        let skipped =
            LastSkipped { at: SystemTime::now(), reason: short(reason), points, point: short(point) };
        self.lock().skipped = Some(Arc::new(skipped));
        self.note_error(reason);
    }

    /// Notes whether the input goes on unchanged from now on.
    pub fn set_passes_through(&self, passes_through: bool) {
        self.passes_through.store(passes_through, Relaxed);
    }

    /// Whether the input goes on unchanged.
    pub fn passes_through(&self) -> bool {
        self.passes_through.load(Relaxed)
    }

    /// What went wrong last.
    pub fn last(&self) -> LastTroubles {
        self.lock().clone()
    }
}

fn short(text: &str) -> String {
    let mut text = text.to_owned();
    cut(&mut text, MAX_TEXT);
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_last_of_each_kind_is_kept_and_cut() {
        let troubles = Troubles::default();
        troubles.note_skipped(&"x".repeat(10_000), 3, &"y".repeat(10_000));
        troubles.note_error("later");
        let last = troubles.last();
        assert_eq!(last.error.as_ref().unwrap().error, "later");
        let skipped = last.skipped.as_ref().unwrap();
        assert!(skipped.reason.len() < 600 && skipped.point.len() < 600 && skipped.points == 3);
        let before = LastError { at: SystemTime::now() - Duration::from_secs(9), error: "before".to_owned() };
        let mut merged = LastTroubles { error: Some(Arc::new(before)), skipped: None };
        merged.take_in(last.clone());
        assert_eq!(merged.error.as_ref().unwrap().error, "later");
        assert!(merged.skipped.is_some());
        merged.take_in(LastTroubles::default());
        assert!(merged.error.is_some() && merged.skipped.is_some());
    }
}
