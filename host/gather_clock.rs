//! Wakes the sessions that gather Kapacitor's messages, all of them at once.

use std::future::pending;
use std::io;
use std::mem;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::faults::keep_task;

/// Number of ticks after which the clock stops if no session waits for one.
const UNUSED: u32 = 32;

/// Minimum time between two ticks.
const SHORTEST: Duration = Duration::from_micros(50);

/// Time between two ticks to which it may be halved: a socket that is emptied so often holds up no client.
const FASTEST: Duration = Duration::from_micros(250);

/// Number of ticks after which the time between two of them doubles again, if nobody has halved it since then.
const CALM: u32 = 16;

/// A clock that ticks while sessions wait for it. A tick is one wake-up for all of them together.
#[derive(Debug)]
pub struct GatherClock {
    /// Maximum time between two ticks in nanoseconds. Zero: sessions do not gather.
    interval: AtomicU64,
    /// Whether a session has asked for a shorter time between ticks since the last one.
    hurried: AtomicBool,
    /// Number of ticks so far.
    ticks: AtomicU64,
    ticked: Notify,
    /// Number of sessions that wait for the next tick.
    waiting: AtomicUsize,
    /// Whether a task of the runtime makes the ticks.
    running: AtomicBool,
}

/// A session that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl GatherClock {
    /// A clock with this time between two ticks at most.
    pub fn new(interval: Duration) -> Self {
        let clock = Self {
            interval: AtomicU64::default(),
            hurried: AtomicBool::default(),
            ticks: AtomicU64::default(),
            ticked: Notify::new(),
            waiting: AtomicUsize::default(),
            running: AtomicBool::default(),
        };
        clock.set_interval(interval);
        clock
    }

    /// Sets the maximum time between two ticks. Zero: sessions do not gather.
    pub fn set_interval(&self, interval: Duration) {
        self.interval.store(u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Halves the time between two ticks from the next tick on, since a connection may have been full; not if that tick was
    /// late, as on a busy machine. The time doubles again after some ticks for which nobody asks that.
    pub fn hurry(&self) {
        self.hurried.store(true, Ordering::Relaxed);
    }

    /// Maximum time between two ticks. Zero: sessions do not gather.
    pub fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval.load(Ordering::Relaxed))
    }

    /// Number of ticks so far.
    pub fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::SeqCst)
    }

    /// Waits for a tick after the first `seen` ones. To be called within a runtime.
    pub async fn tick_after(self: &Arc<Self>, seen: u64) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiting = Waiting(&self.waiting);
        if !self.running.swap(true, Ordering::SeqCst) {
            tokio::spawn(Arc::clone(self).run());
        }
        loop {
            let ticked = self.ticked.notified();
            if self.ticks() > seen {
                return;
            }
            ticked.await;
        }
    }

    async fn run(self: Arc<Self>) {
        loop {
            keep_task(|| self.tick_while_used()).await;
            self.running.store(false, Ordering::SeqCst);
            // A session may have begun to wait before that.
            if self.waiting.load(Ordering::SeqCst) == 0 || self.running.swap(true, Ordering::SeqCst) {
                return;
            }
        }
    }

    /// Wakes all sessions that wait.
    pub fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::SeqCst);
        self.ticked.notify_waiters();
    }

    /// Number of sessions that wait for the next tick.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    async fn tick_while_used(&self) {
        let mut pace = Pace::new(self.interval());
        let mut timer = Timer::new(pace.interval);
        let mut unused = 0;
        let mut last = Instant::now();
        let mut late = false;
        while unused < UNUSED {
            let hurried = self.hurried.swap(false, Ordering::Relaxed) && !late;
            if pace.adapt(self.interval(), hurried) {
                timer = Timer::new(pace.interval);
            }
            timer.expired().await;
            let now = Instant::now();
            late = now - mem::replace(&mut last, now) > pace.interval * 3 / 2;
            self.tick();
            unused = if self.waiting.load(Ordering::SeqCst) > 0 { 0 } else { unused + 1 };
        }
    }
}

/// The time between two ticks.
struct Pace {
    /// The maximum of it.
    longest: Duration,
    interval: Duration,
    /// Number of ticks since it was changed.
    calm: u32,
}

impl Pace {
    fn new(longest: Duration) -> Self {
        Self { longest, interval: longest, calm: 0 }
    }

    /// Adapts it for the next tick. True if it has changed.
    fn adapt(&mut self, longest: Duration, hurried: bool) -> bool {
        let before = self.interval;
        self.calm += 1;
        if longest != self.longest {
            *self = Self::new(longest);
        } else if hurried {
            (self.interval, self.calm) = ((before / 2).max(FASTEST.min(longest)), 0);
        } else if self.calm >= CALM {
            (self.interval, self.calm) = ((before * 2).min(longest), 0);
        }
        self.interval != before
    }
}

/// Expires again and again. The system's timer is exact; that of the runtime, which knows only whole milliseconds and
/// rounds up, takes its place where there are no descriptors left.
enum Timer {
    System(AsyncFd<OwnedFd>),
    Runtime(Duration),
}

impl Timer {
    fn new(interval: Duration) -> Self {
        let interval = interval.max(SHORTEST);
        Self::system(interval).map_or(Self::Runtime(interval), Self::System)
    }

    fn system(interval: Duration) -> io::Result<AsyncFd<OwnedFd>> {
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let interval = Timespec {
            tv_sec: i64::try_from(interval.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: interval.subsec_nanos().into(),
        };
        let times = Itimerspec { it_interval: interval, it_value: interval };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &times)?;
        #[expect(
            deprecated,
            reason = "the other one is unsafe; an `OwnedFd` stays the same as long as it lives"
        )]
        AsyncFd::new(timer)
    }

    async fn expired(&self) {
        match self {
            Self::System(timer) => {
                let Ok(mut ready) = timer.readable().await else { return pending().await };
                // How many times it has expired does not matter. It is read once in a tick.
                let _ = rustix::io::read(timer, &mut [0; 8]);
                ready.clear_ready();
            }
            Self::Runtime(interval) => sleep(*interval).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn clock_runs_only_while_sessions_wait() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let clock = Arc::new(GatherClock::new(Duration::from_micros(100)));
            for _ in 0..3 {
                assert!(!clock.running.load(Ordering::SeqCst));
                let before = clock.ticks();
                for seen in before..before + 10 {
                    clock.tick_after(seen).await;
                }
                // A tick that was before needs no wait.
                clock.tick_after(before).await;
                assert!(clock.running.load(Ordering::SeqCst));
                while clock.running.load(Ordering::SeqCst) {
                    sleep(Duration::from_millis(1)).await;
                }
                assert!(clock.ticks() >= before + 10 + u64::from(UNUSED));
            }
        });
    }

    #[test]
    fn ticks_are_as_seldom_as_sessions_allow() {
        let longest = Duration::from_millis(1);
        let mut pace = Pace::new(longest);
        assert!((0..1000).all(|_| !pace.adapt(longest, false)));
        assert_eq!((0..20).filter(|_| pace.adapt(longest, true)).count(), 2);
        assert_eq!(pace.interval, FASTEST);
        assert_eq!((0..1000).filter(|_| pace.adapt(longest, false)).count(), 2);
        assert_eq!(pace.interval, longest);
        // What an operator sets holds at once.
        assert!(pace.adapt(longest, true) && pace.adapt(longest / 100, true));
        assert_eq!(pace.interval, longest / 100);
        assert!(!pace.adapt(longest / 100, true));
    }

    #[test]
    fn a_tick_wakes_all_sessions() {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let clock = Arc::new(GatherClock::new(Duration::from_millis(1)));
            let sessions: Vec<_> = (0..100)
                .map(|_| {
                    let clock = Arc::clone(&clock);
                    tokio::spawn(async move { clock.tick_after(5).await })
                })
                .collect();
            for session in sessions {
                session.await.unwrap();
            }
            assert!(clock.ticks() > 5);
        });
    }
}
