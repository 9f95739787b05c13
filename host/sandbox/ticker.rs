//! The clock that interrupts guests. It ticks while guests run, and stands still while none does.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::EngineWeak;

use crate::faults;

/// Interval at which a running guest is interrupted, to compare its time with its deadline and to let other
/// guests run.
pub const TICK: Duration = Duration::from_millis(10);

/// Number of ticks without a guest after which the clock stands still. While calls follow each other more quickly,
/// none of them has to wake its thread.
const UNUSED: u32 = 100;

/// Parts of a ticker's state: turns that are under way, whether the clock stands still, and turns that have begun. The
/// last one begins anew after two thousand million turns.
const TURN: u64 = 1;
const STANDING: u64 = 1 << 32;
const BEGUN: u64 = 1 << 33;

/// Which turns the clock's thread has seen.
#[derive(Debug, Default)]
struct Seen {
    /// The state at the last tick.
    state: u64,
    /// Number of ticks since a guest ran.
    unused: u32,
}

/// The clock of one engine. All of its state is one number, so that nothing comes between the last look at the turns
/// and the decision to stand still.
#[derive(Debug, Default)]
pub struct Ticker {
    state: AtomicU64,
    /// The thread that ticks.
    thread: OnceLock<Thread>,
}

/// The turn of a guest. The clock ticks until it is dropped.
#[derive(Debug)]
pub struct GuestTurn<'a>(&'a Ticker);

impl Drop for GuestTurn<'_> {
    fn drop(&mut self) {
        self.0.state.fetch_sub(TURN, Relaxed);
    }
}

impl Ticker {
    /// Starts the clock of the engine, a thread that ends with it once it is woken. One clock serves all sandboxes, and
    /// each has a deadline of its own: a faster tick to stop one guest would interrupt all others as well.
    ///
    /// # Errors
    ///
    /// When the thread can't start.
    pub fn start(engine: EngineWeak) -> std::io::Result<Arc<Self>> {
        let ticker = Arc::new(Self::default());
        let of_thread = Arc::clone(&ticker);
        let work = move || faults::keep(|| of_thread.tick(&engine));
        let thread = thread::Builder::new().name("epoch".to_owned()).spawn(work)?;
        // It was not set before.
        let _ = ticker.thread.set(thread.thread().clone());
        Ok(ticker)
    }

    /// Begins the turn of a guest.
    #[inline]
    pub fn begin(&self) -> GuestTurn<'_> {
        if self.state.fetch_add(BEGUN + TURN, Relaxed) & STANDING != 0 {
            self.wake();
        }
        GuestTurn(self)
    }

    /// Makes a clock that stands still tick again.
    #[cold]
    pub fn wake(&self) {
        self.state.fetch_and(!STANDING, Relaxed);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn tick(&self, engine: &EngineWeak) {
        let mut seen = Seen::default();
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            if self.stands_after(&mut seen) {
                while self.stands() {
                    thread::park();
                }
                // The guest that has woken it is interrupted at the second tick, so the first one comes at once.
                continue;
            }
            thread::sleep(TICK);
        }
    }

    fn stands(&self) -> bool {
        self.state.load(Relaxed) & STANDING != 0
    }

    /// Whether the clock stands still from this tick on.
    fn stands_after(&self, seen: &mut Seen) -> bool {
        let state = self.state.load(Relaxed);
        let running = state & (STANDING - TURN) != 0;
        seen.unused = if running || state != seen.state { 0 } else { seen.unused + 1 };
        seen.state = state;
        if seen.unused < UNUSED {
            return false;
        }
        seen.unused = 0;
        // Not if a turn has begun meanwhile.
        self.state.compare_exchange(state, state | STANDING, Relaxed, Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number of ticks after which the clock stands still, of ten times as many as it takes without guests.
    fn ticks_until_it_stands(ticker: &Ticker, seen: &mut Seen) -> Option<u32> {
        (1..=10 * UNUSED).find(|_| ticker.stands_after(seen))
    }

    #[test]
    fn clock_stands_still_while_no_guest_runs() {
        let (ticker, mut seen) = (Ticker::default(), Seen::default());
        assert_eq!(ticks_until_it_stands(&ticker, &mut seen), Some(UNUSED));
        assert!(ticker.stands());
        let turn = ticker.begin();
        assert!(!ticker.stands());
        assert_eq!(ticks_until_it_stands(&ticker, &mut seen), None);
        let other = ticker.begin();
        drop(turn);
        assert_eq!(ticks_until_it_stands(&ticker, &mut seen), None);
        drop(other);
        // The first tick sees the end of the turn.
        assert_eq!(ticks_until_it_stands(&ticker, &mut seen), Some(UNUSED + 1));
    }

    #[test]
    fn clock_ticks_on_while_short_turns_follow_each_other() {
        let (ticker, mut seen) = (Ticker::default(), Seen::default());
        for _ in 0..10 {
            for _ in 1..UNUSED {
                assert!(!ticker.stands_after(&mut seen));
            }
            drop(ticker.begin());
        }
    }

    #[test]
    fn thread_ends_with_its_engine_and_ticks_again_when_a_turn_begins() {
        let engine = wasmtime::Engine::default();
        let ticker = Ticker::start(engine.weak()).unwrap();
        for _ in 0..2 {
            while !ticker.stands() {
                thread::sleep(TICK);
            }
            drop(ticker.begin());
            assert!(!ticker.stands());
        }
        drop(engine);
        ticker.wake();
        // The thread has the other reference.
        while Arc::strong_count(&ticker) > 1 {
            thread::sleep(TICK);
        }
    }
}
