//! The deadline of one call into a guest.
//!
//! The deadline limits the CPU time of the thread that runs the guest, so that neither other processes on a busy
//! machine nor a pause of the whole machine make a call fail. Each tick of the engine interrupts the guest: past
//! the deadline for good, and before it to let other guests run. The time between two turns does not count.
//!
//! The clock of a thread costs a system call, so that calls which end before their first tick are measured by
//! the clock on the wall.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use tokio::time::Sleep;
use wasmtime::{Store, UpdateDeadline};

use super::call_times::CallTimes;
use super::ticker::{TICK, Ticker};

/// Time after the last resort within which a call ends, unless it is stuck where no tick reaches it.
const GRACE: Duration = Duration::from_millis(500);

/// Multiple of the deadline that a call may take on the wall clock while it has its turn: the last resort where
/// CPU time does not pass, as on a machine that swaps. A thread that shares its core with fifty others stays below.
pub const LAST_RESORT: u32 = 60;

/// Maximum part of a gap between two ticks that counts as time on the wall clock, in nanoseconds: in a longer gap
/// the process did not run, since it or the machine was stopped. A gap also counts no more than the deadline, so that
/// one gap is never the last resort by itself.
const MAX_GAP: u64 = 1_000_000_000;

/// Maximum length of a part of a call that is not measured by the clock of its thread, in nanoseconds. The first
/// tick comes before.
const UNMEASURED: u64 = 2 * TICK.as_nanos() as u64;

/// Number of calls after a long one that are measured by the clock of their thread from their start.
const MEASURED: u32 = 1000;

/// Measures the calls into the sandboxes of one session, one at a time. Shared with their stores.
#[derive(Debug)]
pub struct CallClock {
    zero: Instant,
    /// When the part of the call that is not counted yet began, in nanoseconds since `zero`; [`RESTING`] while the
    /// guest is not running.
    since: AtomicU64,
    /// CPU time of the thread then, in nanoseconds; [`UNREAD`] if it was not read.
    cpu_since: AtomicU64,
    /// CPU time of the call before that, in nanoseconds.
    used: AtomicU64,
    /// The same for all calls together.
    total: AtomicU64,
    /// Time of the call before that on the wall clock, in nanoseconds, with gaps of [`MAX_GAP`] and the deadline at most.
    wall: AtomicU64,
    /// The deadline, in nanoseconds of CPU time.
    deadline: AtomicU64,
    /// Whether the guest is suspended because of a tick.
    ticked: AtomicBool,
    /// Number of calls from now on that are measured from their start.
    measured: AtomicU32,
    times: CallTimes,
}

const RESTING: u64 = u64::MAX;
const UNREAD: u64 = u64::MAX;

/// The deadline has passed while the guest waited for the host.
#[derive(Debug)]
pub struct Expired;

/// CPU time of the current thread, in nanoseconds.
fn thread_time() -> u64 {
    ThreadTime::try_now().map_or(0, |time| time.as_duration().as_nanos() as u64)
}

impl CallClock {
    /// A clock that no call uses yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            zero: Instant::now(),
            since: AtomicU64::new(RESTING),
            cpu_since: AtomicU64::new(UNREAD),
            used: AtomicU64::new(0),
            total: AtomicU64::new(0),
            wall: AtomicU64::new(0),
            deadline: AtomicU64::new(0),
            ticked: AtomicBool::new(false),
            measured: AtomicU32::new(0),
            times: CallTimes::default(),
        })
    }

    /// Lets the engine's ticks interrupt the calls into `store`.
    pub fn install<T: 'static>(self: &Arc<Self>, store: &mut Store<T>) {
        let of_store = Arc::clone(self);
        store.epoch_deadline_callback(move |_| Ok(of_store.tick()));
    }

    fn tick(&self) -> UpdateDeadline {
        let (now, cpu) = (self.now(), thread_time());
        self.count(now, cpu);
        self.since.store(now, Relaxed);
        self.cpu_since.store(cpu, Relaxed);
        if self.used() > self.deadline() || self.is_stalled() {
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

    /// Begins a turn of the guest on the current thread.
    fn resume(&self, measured: bool) {
        self.ticked.store(false, Relaxed);
        self.cpu_since.store(if measured { thread_time() } else { UNREAD }, Relaxed);
        self.since.store(self.now(), Relaxed);
    }

    /// Ends a turn of the guest.
    fn suspend(&self) {
        let cpu = if self.cpu_since.load(Relaxed) == UNREAD { UNREAD } else { thread_time() };
        self.count(self.now(), cpu);
        self.since.store(RESTING, Relaxed);
    }

    /// Counts the part of the call up to `now`, when the CPU time of the thread is `cpu`.
    fn count(&self, now: u64, cpu: u64) {
        let wall = now.saturating_sub(self.since.load(Relaxed));
        let since = self.cpu_since.load(Relaxed);
        let used = if since == UNREAD {
            if wall > UNMEASURED / 2 {
                self.measured.store(MEASURED, Relaxed);
            }
            // A longer part did not run for all of the time.
            wall.min(UNMEASURED)
        } else {
            cpu.saturating_sub(since)
        };
        self.used.store(self.used.load(Relaxed) + used, Relaxed);
        self.total.store(self.total.load(Relaxed) + used, Relaxed);
        let most = self.deadline.load(Relaxed).clamp(TICK.as_nanos() as u64, MAX_GAP);
        self.wall.store(self.wall.load(Relaxed) + wall.min(most), Relaxed);
    }

    /// How long the guest has computed, in the call under way (up to the last tick) or else in the last one.
    pub fn used(&self) -> Duration {
        Duration::from_nanos(self.used.load(Relaxed))
    }

    /// How long the guests have computed in all calls together, up to the last tick.
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.total.load(Relaxed))
    }

    /// How long each of the calls has computed.
    pub fn times(&self) -> &CallTimes {
        &self.times
    }

    fn last_resort(&self) -> Duration {
        self.deadline() * LAST_RESORT
    }

    /// Whether the call has reached the last resort.
    pub fn is_stalled(&self) -> bool {
        Duration::from_nanos(self.wall.load(Relaxed)) > self.last_resort()
    }

    /// Whether a call should have ended by now.
    pub fn is_overdue(&self) -> bool {
        let since = self.since.load(Relaxed);
        let wall = self.wall.load(Relaxed) + self.now().saturating_sub(since);
        since != RESTING && Duration::from_nanos(wall) > self.last_resort() + GRACE
    }

    /// Runs `call`, the future of a call that may compute for `deadline` and is interrupted by `ticker`. The store's
    /// own deadline must be set.
    ///
    /// # Errors
    ///
    /// When the guest slept past the deadline in a call to the host, where no tick reaches it.
    pub async fn run<F: Future>(
        &self,
        ticker: &Ticker,
        deadline: Duration,
        call: F,
    ) -> Result<F::Output, Expired> {
        let mut call = pin!(call);
        // How long the guest may still wait for the host, and the wait under way.
        let mut patience = deadline;
        let mut wait: Option<(Instant, Pin<Box<Sleep>>)> = None;
        self.used.store(0, Relaxed);
        self.wall.store(0, Relaxed);
        self.deadline.store(deadline.as_nanos() as u64, Relaxed);
        let left = self.measured.load(Relaxed);
        let mut measured = left > 0;
        if measured {
            self.measured.store(left - 1, Relaxed);
        }
        poll_fn(|cx| {
            let turn = ticker.begin();
            self.resume(measured);
            measured = true;
            if let Some((since, _)) = &wait {
                patience = patience.saturating_sub(since.elapsed());
            }
            let polled = call.as_mut().poll(cx);
            self.suspend();
            drop(turn);
            if let Poll::Ready(output) = polled {
                self.times.note(self.used.load(Relaxed));
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
    use std::thread;

    use super::*;

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn a_call_that_no_tick_reaches_is_overdue() {
        let clock = CallClock::new();
        // As in a host function that does not come back.
        let seen = Arc::clone(&clock);
        let stuck = async move {
            while !seen.is_overdue() {
                thread::yield_now();
            }
        };
        assert!(block_on(clock.run(&Ticker::default(), Duration::from_millis(1), stuck)).is_ok());
        assert!(!clock.is_overdue());
    }

    #[test]
    fn pause_of_the_process_does_not_fail_a_call() {
        let clock = CallClock::new();
        for deadline in [1, 15, 100] {
            // As a process that was stopped between two ticks.
            let call = async { thread::sleep(Duration::from_millis(1100)) };
            assert!(block_on(clock.run(&Ticker::default(), Duration::from_millis(deadline), call)).is_ok());
            assert!(!clock.is_stalled(), "{deadline} ms");
        }
    }

    #[test]
    fn a_guest_that_waits_for_ever_is_given_up() {
        let clock = CallClock::new();
        let waiting = std::future::pending::<()>();
        assert!(block_on(clock.run(&Ticker::default(), Duration::from_millis(5), waiting)).is_err());
    }

    #[test]
    fn time_without_the_cpu_does_not_count() {
        let clock = CallClock::new();
        let mut measured = Vec::new();
        for _ in 0..2 {
            // As a thread that others keep from running.
            let call = async { thread::sleep(20 * TICK) };
            assert!(block_on(clock.run(&Ticker::default(), Duration::from_secs(1), call)).is_ok());
            measured.push(clock.used());
        }
        // The first call is measured by the wall clock up to where its first tick would be, the second one from
        // its start by the clock of its thread.
        assert_eq!(measured[0], 2 * TICK);
        assert!(measured[1] < TICK, "{measured:?}");
        assert_eq!(clock.total(), measured[0] + measured[1]);
    }

    #[test]
    fn computing_counts_in_every_turn() {
        let clock = CallClock::new();
        let mut turns = 0;
        let call = poll_fn(|cx| {
            let start = thread_time();
            while thread_time() - start < 5 * UNMEASURED {
                std::hint::spin_loop();
            }
            clock.ticked.store(true, Relaxed);
            turns += 1;
            cx.waker().wake_by_ref();
            if turns == 3 { Poll::Ready(()) } else { Poll::Pending }
        });
        assert!(block_on(clock.run(&Ticker::default(), Duration::from_secs(1), call)).is_ok());
        // The first turn has no tick here.
        assert!(clock.used() >= Duration::from_nanos(11 * UNMEASURED), "{:?}", clock.used());
    }
}
