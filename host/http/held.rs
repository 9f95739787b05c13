//! The bytes of answers that clients have not read yet.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Maximum size of all answers together that clients have not read, in KiB. One that is larger is given while there is no
/// other one.
const MOST: u32 = 64 * 1024;

/// The answers that clients have not read yet: many clients that read slowly must not fill the memory.
pub struct HeldAnswers(Arc<Semaphore>);

impl Default for HeldAnswers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST as usize)))
    }
}

impl HeldAnswers {
    /// Counts `text` until it was sent, or given up; `None` if there is too much already.
    pub fn hold(&self, text: impl Into<Vec<u8>>) -> Option<Bytes> {
        let bytes: Vec<u8> = text.into();
        let kib = u32::try_from(bytes.len().div_ceil(1024)).unwrap_or(MOST).min(MOST);
        let permit = Arc::clone(&self.0).try_acquire_many_owned(kib).ok()?;
        Some(Bytes::from_owner(Held { bytes, _permit: permit }))
    }
}

struct Held {
    bytes: Vec<u8>,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_held_up_to_a_size_together() {
        let answers = HeldAnswers::default();
        let half = || vec![0; MOST as usize * 512];
        let (first, second) = (answers.hold(half()).unwrap(), answers.hold(half()));
        assert!(second.is_some() && answers.hold(vec![0]).is_none());
        let part = first.slice(..1);
        drop(first);
        assert!(answers.hold(vec![0]).is_none(), "a part of it is still there");
        drop((part, second));
        // One that is larger than the bound is given alone.
        let large = answers.hold(vec![0; MOST as usize * 1024 + 1]).unwrap();
        assert!(answers.hold(vec![0]).is_none());
        drop(large);
        assert!(answers.hold(Vec::new()).is_some());
    }
}
