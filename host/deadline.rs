//! The deadline of one call into a guest.
//!
//! What counts is the time that the guest computes. Each tick of the engine interrupts it: past the
//! deadline for good, before it to let others run, and the wait for its next turn is not held
//! against it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::time::{Duration, Instant};

use wasmtime::{Store, UpdateDeadline};

/// Measures the calls into one sandbox, one at a time. Shared with the store's callback.
pub struct CallClock {
    zero: Instant,
    /// When the guest was last resumed, in nanoseconds since `zero`.
    resumed: AtomicU64,
    /// What the call has used before that.
    used: AtomicU64,
    deadline: Duration,
    /// Whether the guest is suspended because of a tick.
    ticked: AtomicBool,
}

/// The deadline has passed while the guest waited for something outside of it.
#[derive(Debug)]
pub struct Expired;

impl CallClock {
    /// A clock for calls that may take `deadline` each, installed in `store`.
    pub fn install<T: 'static>(store: &mut Store<T>, deadline: Duration) -> Arc<Self> {
        let clock = Arc::new(Self {
            zero: Instant::now(),
            resumed: AtomicU64::new(0),
            used: AtomicU64::new(0),
            deadline,
            ticked: AtomicBool::new(false),
        });
        let of_store = Arc::clone(&clock);
        store.epoch_deadline_callback(move |_| Ok(of_store.tick()));
        clock
    }

    fn tick(&self) -> UpdateDeadline {
        if self.used() > self.deadline {
            UpdateDeadline::Interrupt
        } else {
            self.ticked.store(true, Relaxed);
            UpdateDeadline::Yield(1)
        }
    }

    fn now(&self) -> u64 {
        self.zero.elapsed().as_nanos() as u64
    }

    fn used(&self) -> Duration {
        let current = self.now().saturating_sub(self.resumed.load(Relaxed));
        Duration::from_nanos(self.used.load(Relaxed) + current)
    }

    /// Runs `call`, the future of a call into the store. The store's own deadline must be set.
    ///
    /// # Errors
    ///
    /// When the guest slept past the deadline in a call to the host, where no tick reaches it.
    pub async fn run<F: Future>(&self, call: F) -> Result<F::Output, Expired> {
        let mut call = pin!(call);
        let mut sleep = None;
        self.used.store(0, Relaxed);
        poll_fn(|cx| {
            self.ticked.store(false, Relaxed);
            self.resumed.store(self.now(), Relaxed);
            if let Poll::Ready(output) = call.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            self.used.store(self.used().as_nanos() as u64, Relaxed);
            self.resumed.store(u64::MAX, Relaxed);
            if !self.ticked.load(Relaxed) {
                let sleep = sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.deadline)));
                if sleep.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Err(Expired));
                }
            }
            Poll::Pending
        })
        .await
    }
}
