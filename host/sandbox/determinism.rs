//! The clock and the random numbers of a guest, which are the same whenever the same data comes again.
//!
//! Recovery repeats the calls since the state was saved, and they must have the same results. So the clock is
//! the time of the data, the random numbers come from a seed, and both can be set back. The clock moves on within
//! a call only if the guest sleeps: by the length of the sleep, and without any wait.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng, TryRng};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

use crate::state::Determinism as StoredDeterminism;

/// The clock and the random numbers of one session, shared with the guests.
#[derive(Clone, Debug)]
pub struct Determinism(Arc<Mutex<Now>>);

#[derive(Debug)]
struct Now {
    state: DeterminismState,
    /// The generator at its position; made when a guest first asks for random numbers.
    random: Option<Box<ChaCha8Rng>>,
}

/// The state of the clock and the random numbers at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeterminismState {
    /// Time of the data and of the sleep since then, in nanoseconds since 1970; zero before the first.
    now: u64,
    /// The latest time so far, which the monotonic clock shows.
    latest: u64,
    /// Seed of the random numbers, which are not for cryptography.
    seed: u64,
    /// Number of 32-bit words of the random numbers that were used.
    position: u64,
}

impl DeterminismState {
    /// The time that the clock on the wall shows, in nanoseconds since 1970.
    pub(super) fn now(&self) -> u64 {
        self.now
    }

    /// The time that the monotonic clock shows, in nanoseconds.
    pub(super) fn latest(&self) -> u64 {
        self.latest
    }
}

impl Now {
    /// Draws random numbers from a generator that is seeded as `rand` does it.
    fn draw<T>(&mut self, draw: impl FnOnce(&mut ChaCha8Rng) -> T) -> T {
        let DeterminismState { seed, position, .. } = self.state;
        let random = self.random.get_or_insert_with(|| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_word_pos(position.into());
            Box::new(random)
        });
        let drawn = draw(random);
        self.state.position = random.get_word_pos() as u64;
        drawn
    }
}

impl From<&DeterminismState> for StoredDeterminism {
    fn from(state: &DeterminismState) -> Self {
        let DeterminismState { now, latest, seed, position } = *state;
        Self { now, latest, seed, position }
    }
}

impl From<&StoredDeterminism> for DeterminismState {
    fn from(determinism: &StoredDeterminism) -> Self {
        let StoredDeterminism { now, latest, seed, position } = *determinism;
        Self { now, latest, seed, position }
    }
}

impl Determinism {
    /// Random numbers from `seed`, and a clock that shows zero until there is data.
    pub fn new(seed: u64) -> Self {
        let state = DeterminismState { now: 0, latest: 0, seed, position: 0 };
        Self(Arc::new(Mutex::new(Now { state, random: None })))
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The current state.
    pub fn state(&self) -> DeterminismState {
        self.lock().state
    }

    /// Goes back to an earlier state.
    pub fn set_state(&self, state: DeterminismState) {
        *self.lock() = Now { state, random: None };
    }

    /// Sets the clock to `time`, in nanoseconds since 1970; to zero for a time before that.
    pub fn set_time(&self, time: i64) {
        let mut lock = self.lock();
        let state = &mut lock.state;
        state.now = u64::try_from(time).unwrap_or(0);
        state.latest = state.latest.max(state.now);
    }

    /// Lets the guest sleep for `wait` nanoseconds: both clocks move on by it, and nobody waits.
    pub(super) fn sleep(&self, wait: u64) {
        let mut lock = self.lock();
        let state = &mut lock.state;
        state.now = state.now.saturating_add(wait);
        state.latest = state.latest.saturating_add(wait);
    }

    /// Gives these clocks and random numbers to a guest's WASI.
    pub(crate) fn give(&self, wasi: &mut WasiCtxBuilder) {
        // Preview 1 has no call that returns the seed.
        let seed = self.state().seed;
        wasi.wall_clock(self.clone())
            .monotonic_clock(self.clone())
            .secure_random(self.clone().random())
            .insecure_random(self.clone().random())
            .insecure_random_seed(u128::from(seed));
    }

    fn random(self) -> Random {
        Random(self)
    }
}

impl HostWallClock for Determinism {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.state().now)
    }
}

impl HostMonotonicClock for Determinism {
    fn resolution(&self) -> u64 {
        1
    }

    #[expect(clippy::misnamed_getters, reason = "this clock's now is another one")]
    fn now(&self) -> u64 {
        self.state().latest
    }
}

/// The random numbers as WASI takes them.
struct Random(Determinism);

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.lock().draw(Rng::next_u32))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.lock().draw(Rng::next_u64))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.lock().draw(|random| random.fill_bytes(bytes));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_repeat_after_going_back() {
        let determinism = Determinism::new(7);
        determinism.set_time(1000);
        let state = determinism.state();
        let numbers = || -> Vec<u64> { (0..4).map(|_| determinism.clone().random().next_u64()).collect() };
        let first = numbers();
        assert_ne!(first, numbers());
        determinism.set_time(2000);
        determinism.set_state(state);
        assert_eq!(numbers(), first);
        // The same holds for the state in a snapshot, at any position.
        determinism.clone().random().next_u32();
        let stored = StoredDeterminism::from(&determinism.state());
        let next = numbers();
        let other = Determinism::new(0);
        other.set_state(DeterminismState::from(&stored));
        assert_eq!(next, (0..4).map(|_| other.clone().random().next_u64()).collect::<Vec<_>>());
        assert_eq!(HostMonotonicClock::now(&determinism), 1000);
    }

    #[test]
    fn only_the_wall_clock_goes_back() {
        let determinism = Determinism::new(0);
        determinism.set_time(2000);
        determinism.set_time(-5);
        assert_eq!(HostWallClock::now(&determinism), Duration::ZERO);
        assert_eq!(HostMonotonicClock::now(&determinism), 2000);
    }
}
