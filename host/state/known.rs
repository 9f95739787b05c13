//! Which state a session believes to be in the file of its checkpoint.

use std::sync::{Arc, Mutex, PoisonError};

/// Which state is in the file of a checkpoint, as far as a session knows.
#[derive(Clone, Debug)]
pub struct Known(Arc<Mutex<InFile>>);

#[derive(Clone, Copy, Debug)]
enum InFile {
    /// The file was not read.
    Unread,
    /// A state that began then; `None` for no file, or one that is no snapshot.
    State(Option<i64>),
}

impl Known {
    /// The file was not read.
    pub fn unread() -> Self {
        Self(Arc::new(Mutex::new(InFile::Unread)))
    }

    /// The file holds a state that began at `started_at`.
    pub fn state(started_at: Option<i64>) -> Self {
        Self(Arc::new(Mutex::new(InFile::State(started_at))))
    }

    fn get(&self) -> InFile {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session has written a state that began at `started_at`.
    pub fn set(&self, started_at: Option<i64>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = InFile::State(started_at);
    }

    /// Whether a file whose state began at `there` is one that the session has read, or has written with a state
    /// that began at `mine`. `None` if the file was not read.
    pub fn is_own(&self, there: Option<i64>, mine: Option<i64>) -> Option<bool> {
        match self.get() {
            InFile::Unread => None,
            InFile::State(known) => Some(there.is_none() || there == known || there == mine),
        }
    }
}
