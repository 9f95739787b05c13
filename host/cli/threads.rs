//! Whether the system lets this process have the threads that it needs.
//!
//! What starts threads later can't say in a sentence that there are none: it panics, or waits for ever.

use std::io;
use std::sync::RwLock;
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use crate::sandbox::cores;
use anyhow::{Result, anyhow};

/// Threads for each core: for sessions, for guests, and for the compiler's process.
const FOR_EACH_CORE: usize = 3;

/// Threads beside those: for the disks, the ticks, the limits, the log, and for files that are read or compiled.
const BESIDE: usize = 24;

/// Time for which too few threads are looked at again: others may be about to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// Interval at which they are.
const RETRY: Duration = Duration::from_millis(100);

/// Size of the stack of a thread that does nothing.
const STACK: usize = 64 * 1024;

/// Makes sure that all threads can be started.
///
/// # Errors
///
/// How many can, and what to do.
pub fn ensure_threads() -> Result<()> {
    let (needed, begin) = (FOR_EACH_CORE * cores() + BESIDE, Instant::now());
    loop {
        let (most, error) = match start(needed) {
            Ok(()) => return Ok(()),
            Err(few) => few,
        };
        if begin.elapsed() >= PATIENCE {
            return Err(anyhow!(
                "the system lets this process start {most} threads, and it needs {needed} ({error}): raise `ulimit -u`, TasksMax= of the unit, or pids.max of the control group"
            ));
        }
        thread::sleep(RETRY);
    }
}

/// Starts `count` threads, which end together; or says how many there could be, and why there can't be more.
fn start(count: usize) -> Result<(), (usize, io::Error)> {
    let mut result = Ok(());
    // A thread that has ended makes room for the next one, so all wait until the last one was started.
    let gate = RwLock::new(());
    thread::scope(|scope| {
        let closed = gate.write();
        for started in 0..count {
            let thread = Builder::new().name("spare".to_owned()).stack_size(STACK);
            if let Err(e) = thread.spawn_scoped(scope, || drop(gate.read())) {
                result = Err((started, e));
                break;
            }
        }
        drop(closed);
    });
    result
}
