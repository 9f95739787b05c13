//! The deadline of one call into a guest.
//!
//! The deadline limits the time that the guest computes. Each tick of the engine interrupts the guest: past
//! the deadline for good, and before it to let other guests run. The wait for the next turn does not count.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::Sleep;
use wasmtime::{Store, UpdateDeadline};

/// Time after the deadline within which a call ends, unless it is stuck where no tick reaches it.
const GRACE: Duration = Duration::from_millis(500);

/// Measures the calls into the sandboxes of one session, one at a time. Shared with their stores.
#[derive(Debug)]
pub struct CallClock {
    zero: Instant,
    /// When the guest was last resumed, in nanoseconds since `zero`; [`RESTING`] while it is not
    /// running.
    resumed: AtomicU64,
    /// Computing time of the call before that, in nanoseconds.
    used: AtomicU64,
    /// The deadline, in nanoseconds of computing time.
    deadline: AtomicU64,
    /// Whether the guest is suspended because of a tick.
    ticked: AtomicBool,
}

const RESTING: u64 = u64::MAX;

/// The deadline has passed while the guest waited for the host.
#[derive(Debug)]
pub struct Expired;

impl CallClock {
    /// A clock that no call uses yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            zero: Instant::now(),
            resumed: AtomicU64::new(RESTING),
            used: AtomicU64::new(0),
            deadline: AtomicU64::new(0),
            ticked: AtomicBool::new(false),
        })
    }

    /// Lets the engine's ticks interrupt the calls into `store`.
    pub fn install<T: 'static>(self: &Arc<Self>, store: &mut Store<T>) {
        let of_store = Arc::clone(self);
        store.epoch_deadline_callback(move |_| Ok(of_store.tick()));
    }

    fn tick(&self) -> UpdateDeadline {
        if self.used() > self.deadline() {
            UpdateDeadline::Interrupt
        } else {
            self.ticked.store(true, Relaxed);
            UpdateDeadline::Yield(1)
        }
    }

    fn now(&self) -> u64 {
        self.zero.elapsed().as_nanos() as u64
    }

    fn deadline(&self) -> Duration {
        Duration::from_nanos(self.deadline.load(Relaxed))
    }

    /// How long the guest has computed, in the call under way or else in the last one.
    pub fn used(&self) -> Duration {
        // Zero while the guest rests.
        let current = self.now().saturating_sub(self.resumed.load(Relaxed));
        Duration::from_nanos(self.used.load(Relaxed) + current)
    }

    /// Whether a call should have ended by now.
    pub fn is_overdue(&self) -> bool {
        self.resumed.load(Relaxed) != RESTING && self.used() > self.deadline() + GRACE
    }

    /// Runs `call`, the future of a call that may compute for `deadline`. The store's own deadline
    /// must be set.
    ///
    /// # Errors
    ///
    /// When the guest slept past the deadline in a call to the host, where no tick reaches it.
    pub async fn run<F: Future>(&self, deadline: Duration, call: F) -> Result<F::Output, Expired> {
        let mut call = pin!(call);
        // How long the guest may still wait for the host, and the wait under way.
        let mut patience = deadline;
        let mut wait: Option<(Instant, Pin<Box<Sleep>>)> = None;
        self.used.store(0, Relaxed);
        self.deadline.store(deadline.as_nanos() as u64, Relaxed);
        poll_fn(|cx| {
            self.ticked.store(false, Relaxed);
            self.resumed.store(self.now(), Relaxed);
            if let Some((since, _)) = &wait {
                patience = patience.saturating_sub(since.elapsed());
            }
            let polled = call.as_mut().poll(cx);
            self.used.store(self.used().as_nanos() as u64, Relaxed);
            self.resumed.store(RESTING, Relaxed);
            if let Poll::Ready(output) = polled {
                return Poll::Ready(Ok(output));
            }
            wait = None;
            if !self.ticked.load(Relaxed) {
                let mut sleep = Box::pin(tokio::time::sleep(patience));
                if patience.is_zero() || sleep.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Err(Expired));
                }
                wait = Some((Instant::now(), sleep));
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_no_tick_reaches_is_overdue() {
        let clock = CallClock::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        // As in a host function that does not come back.
        let seen = Arc::clone(&clock);
        let stuck = async move {
            while !seen.is_overdue() {
                std::thread::yield_now();
            }
        };
        assert!(runtime.block_on(clock.run(Duration::from_millis(1), stuck)).is_ok());
        assert!(!clock.is_overdue() && clock.used() > GRACE);
    }

    #[test]
    fn a_guest_that_waits_for_ever_is_given_up() {
        let clock = CallClock::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let waiting = std::future::pending::<()>();
        assert!(runtime.block_on(clock.run(Duration::from_millis(5), waiting)).is_err());
    }
}
