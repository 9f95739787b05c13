//! The world as a guest sees it, which is the same whenever the same data comes again.
//!
//! To recover a sandbox, what it has done since its state was saved is done once more, and must have
//! the same results. So the clock is the time of the data, random numbers come from a seed, and both
//! can be put back.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng, TryRng};
use sha2::{Digest, Sha256};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

use crate::snapshot::format;

/// The world of one session.
#[derive(Clone, Debug)]
pub struct World(Arc<Mutex<State>>);

/// All that a guest can learn of the world, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Time of the data, in nanoseconds since 1970; zero before the first.
    now: u64,
    /// The latest that it has been.
    latest: u64,
    /// What the random numbers are made of.
    seed: u64,
    /// How often random numbers were asked for.
    draws: u64,
}

impl State {
    /// A generator for the next random numbers. Not for cryptography.
    fn draw(&mut self) -> Xoshiro256PlusPlus {
        let mut seed = Sha256::new();
        seed.update(self.seed.to_le_bytes());
        seed.update(self.draws.to_le_bytes());
        self.draws = self.draws.wrapping_add(1);
        Xoshiro256PlusPlus::from_seed(seed.finalize().into())
    }
}

impl From<&State> for format::World {
    fn from(state: &State) -> Self {
        let State { now, latest, seed, draws } = *state;
        Self { now, latest, seed, draws }
    }
}

impl From<&format::World> for State {
    fn from(world: &format::World) -> Self {
        let format::World { now, latest, seed, draws } = *world;
        Self { now, latest, seed, draws }
    }
}

impl World {
    /// A world with random numbers of its own, before any data.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State { now: 0, latest: 0, seed, draws: 0 })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it is now.
    pub fn state(&self) -> State {
        self.lock().clone()
    }

    /// Puts it back to what it was.
    pub fn set_state(&self, state: State) {
        *self.lock() = state;
    }

    /// It is `time` now, in nanoseconds since 1970. There is no time before that.
    pub fn set_time(&self, time: i64) {
        let mut state = self.lock();
        state.now = u64::try_from(time).unwrap_or(0);
        state.latest = state.latest.max(state.now);
    }

    /// Gives a guest's WASI this world's clocks and random numbers.
    pub(crate) fn give(&self, wasi: &mut WasiCtxBuilder) {
        // Preview 1 has no call that tells it.
        let seed = self.lock().seed;
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

impl HostWallClock for World {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.lock().now)
    }
}

impl HostMonotonicClock for World {
    fn resolution(&self) -> u64 {
        1
    }

    #[allow(clippy::misnamed_getters, reason = "this clock's now is another one")]
    fn now(&self) -> u64 {
        self.lock().latest
    }
}

/// The world's random numbers.
struct Random(World);

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.lock().draw().next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.lock().draw().next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.lock().draw().fill_bytes(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_that_is_put_back_goes_on_the_same() {
        let world = World::new(7);
        world.set_time(1000);
        let state = world.state();
        let numbers = || -> Vec<u64> { (0..4).map(|_| world.clone().random().next_u64()).collect() };
        let first = numbers();
        assert_ne!(first, numbers());
        world.set_time(2000);
        world.set_state(state);
        assert_eq!(numbers(), first);
        assert_eq!(HostMonotonicClock::now(&world), 1000);
    }

    #[test]
    fn only_the_wall_clock_goes_back() {
        let world = World::new(0);
        world.set_time(2000);
        world.set_time(-5);
        assert_eq!(HostWallClock::now(&world), Duration::ZERO);
        assert_eq!(HostMonotonicClock::now(&world), 2000);
    }
}
