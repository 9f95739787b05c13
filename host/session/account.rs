//! The memory of one session's buffers, as it counts in `host.memory`.

use std::time::{Duration, Instant};

use crate::sandbox::{MemoryFull, MemoryReservation};

/// Steps in bytes in which the memory of a session is counted. The first one is there from the start, for all that a
/// session needs while it is idle.
const STEP: u64 = 64 * 1024;

/// Bytes that a session which was larger before keeps counted, so that one with changing needs does not change the
/// count each time.
const SLACK: u64 = 4 * STEP;

/// Minimum time for which a session that can't go on waits for memory. Each waits for a random time between this and
/// twice as much, so that not all give up although one that does makes room for the others.
const PATIENCE: Duration = Duration::from_secs(5);

/// Minimum and maximum interval at which a session looks for memory.
const RETRY: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(500)];

/// Counts the memory of one session's buffers.
#[derive(Debug)]
pub struct Account {
    reservation: MemoryReservation,
    /// Since when there is too little memory to read more.
    short: Option<Shortage>,
}

#[derive(Clone, Copy, Debug)]
struct Shortage {
    since: Instant,
    /// When the session gives up.
    until: Instant,
    /// What there was no room for.
    full: MemoryFull,
}

impl Account {
    /// Counts with `reservation`, which is empty.
    pub fn new(mut reservation: MemoryReservation) -> Self {
        reservation.set(STEP);
        Self { reservation, short: None }
    }

    /// Counts `bytes`, which the session has.
    #[inline]
    pub fn hold(&mut self, bytes: usize) {
        let (counted, bytes) = (self.reservation.bytes(), bytes as u64);
        if bytes > counted || bytes + SLACK + STEP < counted {
            self.reservation.set(in_steps(bytes));
        }
    }

    /// Counts exactly `bytes`, which the session has for a while.
    pub fn settle(&mut self, bytes: usize) {
        self.reservation.set(in_steps(bytes as u64));
    }

    /// Counts `bytes`, which the session is about to have. False if there is too little memory for them.
    #[inline]
    pub fn may_hold(&mut self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        if bytes > self.reservation.bytes() {
            return self.extend(bytes);
        }
        self.short = None;
        true
    }

    #[cold]
    fn extend(&mut self, bytes: u64) -> bool {
        match self.reservation.try_set(in_steps(bytes)) {
            Ok(()) => self.short = None,
            Err(full) => {
                let patience = PATIENCE.mul_f64(1.0 + rand::random::<f64>());
                let (since, until) = match self.short {
                    Some(Shortage { since, until, .. }) => (since, until),
                    None => (Instant::now(), Instant::now() + patience),
                };
                self.short = Some(Shortage { since, until, full });
            }
        }
        self.short.is_none()
    }

    /// Time until the session looks for memory again; `None` unless it waits for some.
    pub fn retry(&self) -> Option<Duration> {
        Some((self.short?.since.elapsed() / 4).clamp(RETRY[0], RETRY[1]))
    }

    /// What there was no room for, once the session has waited for too long.
    pub fn exhausted(&self) -> Option<MemoryFull> {
        self.short.filter(|short| short.until < Instant::now()).map(|short| short.full)
    }
}

/// `bytes` in whole steps, one at least.
fn in_steps(bytes: u64) -> u64 {
    bytes.max(1).next_multiple_of(STEP)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HostLimits;
    use crate::sandbox::Budget;
    use crate::units::Bytes;

    #[test]
    fn session_counts_in_steps_and_waits_for_room() {
        let limits = HostLimits { memory: Bytes(16 * STEP), ..HostLimits::default() };
        let budget = Budget::new(limits);
        let (mut one, mut two) = (Account::new(budget.reservation()), Account::new(budget.reservation()));
        let step = STEP as usize;
        assert!(one.may_hold(step) && one.may_hold(10 * step - 1));
        assert_eq!(one.reservation.bytes(), 10 * STEP);
        assert!(two.may_hold(6 * step));
        assert!(!two.may_hold(6 * step + 1));
        assert!(two.retry().is_some() && two.exhausted().is_none());
        // A little less counts as much as before.
        one.hold(7 * step);
        assert_eq!(one.reservation.bytes(), 10 * STEP);
        one.settle(7 * step);
        assert!(two.may_hold(6 * step + 1));
        assert_eq!(two.retry(), None);
        // What is there counts in any case.
        one.hold(20 * step);
        assert_eq!(one.reservation.bytes(), 20 * STEP);
        one.hold(0);
        assert_eq!(one.reservation.bytes(), STEP);
    }
}
