//! Work of the host that is long because the memory of a guest is large: to copy it, compare it, pack it or give it
//! back.
//!
//! Such work never runs on a thread that serves connections, and keeps no guest from its turn.

use std::sync::LazyLock;
use std::time::Instant;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;
use tokio::task::{block_in_place, yield_now};

use super::system_limits::cores;
use super::ticker::TICK;

/// Minimum size of the memory for which work is long, in bytes. For less it takes a millisecond or two.
const LARGE: usize = 4 * 1024 * 1024;

/// Permits for long work: as many at a time as there are cores, so that it takes no more of the machine than the
/// guests do.
static PERMITS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(cores()));

/// Does `work` on `bytes` of memory.
pub async fn long_work<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    if bytes < LARGE {
        return work();
    }
    // Work that was begun on a session's thread moves to the threads for guests at its first wait.
    yield_now().await;
    // The semaphore is never closed.
    let _permit = PERMITS.acquire().await;
    aside(bytes, work)
}

/// Does `work` on `bytes` of memory at once. If they are many, another thread takes the place of this one meanwhile, and
/// sessions and guests go on.
pub fn aside<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    if bytes < LARGE {
        return work();
    }
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => block_in_place(work),
        _ => work(),
    }
}

/// The turn of work that consists of many short calls, none of which is interrupted by a tick.
pub struct Turn(Instant);

impl Turn {
    /// A turn that begins now.
    pub fn new() -> Self {
        Self(Instant::now())
    }

    /// Lets other work go on if the turn has taken longer than a tick.
    pub async fn end(&mut self) {
        if self.0.elapsed() > TICK {
            yield_now().await;
            self.0 = Instant::now();
        }
    }
}
