//! Decides which groups are given up: those that are idle, and those that are too many.
//!
//! Nothing here reads a clock. The time is that of the data, and a group's age is counted in calls, so the same
//! points lead to the same groups, however they are divided into runs.

use std::time::Duration;

/// See [`Stream::IDLE`](crate::Stream::IDLE).
pub const IDLE: Duration = Duration::from_secs(24 * 60 * 60);

/// See [`Stream::MAX_GROUPS`](crate::Stream::MAX_GROUPS).
pub const MAX_GROUPS: usize = 100_000;

/// Number of steps into which [`IDLE`] is divided.
const STEPS: usize = 8;

/// Number of calls from one look at the time to the next, because reading it costs more than all the rest here. It is
/// prime, so that groups that take turns are all looked at.
const LOOK: u64 = 17;

/// Number of looks in a row that must find a time far in the future before it is believed.
const BELIEVED: u32 = 8;

/// The age of groups.
#[derive(Debug)]
pub struct Aging {
    /// The number of calls so far. A group holds the number of its last one, which orders groups by their silence even
    /// if the time of the data stands still.
    calls: u64,
    /// The call with which the time is looked at again.
    next_look: u64,
    /// The time of the data in nanoseconds. It never goes backwards, so that old data, which is loaded beside live
    /// data, ages nothing.
    now: i64,
    idle: i64,
    /// Number of looks in a row that found a time beyond `now + idle`, and the least of these times.
    far: (u32, i64),
    /// The time of the last step, which is an eighth of `idle` or more behind the one before it.
    stepped: i64,
    /// The numbers of the calls at the last steps. The oldest is at `next_step`.
    steps: [u64; STEPS],
    next_step: usize,
    most: usize,
    crowded: Crowded,
}

/// What was given up because there were too many groups.
#[derive(Clone, Copy, Debug, Default)]
pub struct Crowded {
    /// The most groups that are kept.
    pub most: usize,
    /// Number of sweeps.
    pub sweeps: u64,
    /// Number of groups.
    pub groups: u64,
}

impl Aging {
    pub(crate) fn new(idle: Duration, most: usize) -> Self {
        Self {
            calls: 0,
            next_look: 0,
            // Any time is far from this one. So the first time is believed like one after a gap.
            now: i64::MIN,
            idle: i64::try_from(idle.as_nanos()).unwrap_or(i64::MAX),
            far: (0, i64::MAX),
            stepped: i64::MIN,
            steps: [0; STEPS],
            next_step: 0,
            most: most.max(1),
            crowded: Crowded::default(),
        }
    }

    /// Counts a call for a group, and returns its number.
    #[inline(always)]
    pub(crate) fn count(&mut self) -> u64 {
        self.calls += 1;
        self.calls
    }

    /// Whether [`Aging::look`] should be called.
    #[inline(always)]
    pub(crate) fn is_due(&self) -> bool {
        self.calls >= self.next_look
    }

    /// Looks at the time of a point. Returns a number if a sweep is due: groups whose last call was before the one
    /// with this number are idle.
    ///
    /// A look makes one step at most, however far the time leaps. So a wrong time that is believed makes groups go
    /// an eighth of `idle` too early, and a group that comes regularly has come again before the next steps.
    pub(crate) fn look(&mut self, time: i64) -> Option<u64> {
        self.next_look = self.calls + LOOK;
        if time.saturating_sub(self.now) > self.idle || self.now == i64::MIN {
            let (looks, least) = self.far;
            self.far = (looks + 1, least.min(time));
            if self.far.0 < BELIEVED {
                return None;
            }
            self.now = self.far.1;
        }
        self.far = (0, i64::MAX);
        self.now = self.now.max(time);
        let step = (self.idle / STEPS as i64).max(1);
        if self.now.saturating_sub(self.stepped) < step {
            return None;
        }
        self.stepped = self.now;
        let oldest = std::mem::replace(&mut self.steps[self.next_step], self.calls);
        self.next_step = (self.next_step + 1) % STEPS;
        Some(oldest)
    }

    /// Sets the most groups that are kept: at least one.
    pub(crate) fn set_most(&mut self, most: usize) {
        self.most = most.max(1);
    }

    /// The most groups that are kept.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Begins a sweep because a group beyond the most would come. Returns a number: groups whose last call was before
    /// the one with this number are too many. They are an eighth of all, so that a new group costs a sweep of eight.
    pub(crate) fn crowd_out(&mut self, mut seen: Vec<u64>) -> u64 {
        let drop = seen.len().div_ceil(8);
        self.crowded.sweeps += 1;
        self.crowded.groups += drop as u64;
        if drop == seen.len() {
            return u64::MAX;
        }
        // Each call has a number of its own, so exactly `drop` numbers are smaller.
        *seen.select_nth_unstable(drop).1
    }

    pub(crate) fn crowded(&self) -> Crowded {
        Crowded { most: self.most, ..self.crowded }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const IDLE_SECONDS: i64 = 24 * 60 * 60;
    const START: i64 = 1_700_000_000 * SECOND;

    /// Looks at these times, one for each call. Returns the number of calls for which the groups that go had been
    /// silent, for each sweep in which some could.
    fn sweeps(times: impl IntoIterator<Item = i64>) -> Vec<u64> {
        let mut aging = Aging::new(IDLE, MAX_GROUPS);
        let sweeps = times.into_iter().filter_map(|time| {
            let call = aging.count();
            aging.look(time).filter(|oldest| *oldest > 0).map(|oldest| call - oldest)
        });
        sweeps.collect()
    }

    /// A point each minute, for this number of days.
    fn minutes(days: i64) -> impl Iterator<Item = i64> {
        (0..days * 24 * 60).map(|minute| START + minute * 60 * SECOND)
    }

    #[test]
    fn sweeps_find_what_was_idle() {
        let sweeps = sweeps(minutes(10));
        assert!((9 * 8 - 1..=9 * 8).contains(&sweeps.len()), "{sweeps:?}");
        assert!(sweeps.iter().all(|calls| *calls == 24 * 60), "{sweeps:?}");
    }

    #[test]
    fn wrong_times_do_no_harm() {
        let wrong = [0, i64::MIN, i64::MAX, START - 1, START + 400 * IDLE_SECONDS * SECOND];
        let right = sweeps(minutes(10));
        // Also if every second point has a wrong time, from the first one on.
        for (wrong, every) in wrong.into_iter().flat_map(|wrong| [2, 3, 1000].map(|every| (wrong, every))) {
            let times = minutes(10).enumerate().map(|(i, time)| if i % every == 0 { wrong } else { time });
            let found = sweeps(times);
            assert!(found.len().abs_diff(right.len()) <= 1, "{wrong}: {found:?}");
            assert!(found.iter().all(|calls| *calls >= 24 * 60 - 1), "{wrong}: {found:?}");
        }
    }

    #[test]
    fn leap_is_one_step() {
        let after = |gap: i64, points: usize| {
            let later = START + gap * IDLE_SECONDS * SECOND;
            sweeps(minutes(1).chain(std::iter::repeat_n(later, points)))
        };
        // A day ends 8 steps after its begin, so one more step finds what came in the first 3 hours.
        assert_eq!(after(5, BELIEVED as usize - 1), []);
        assert_eq!(after(5, 1000).len(), 1);
        assert_eq!(after(1000, 1000), after(5, 1000));
        assert!(after(1000, 1000)[0] >= 21 * 60);
    }

    #[test]
    fn old_data_beside_live_data_ages_nothing() {
        // A year of old data, a minute for each point, comes in bursts between points that are live.
        let old = minutes(365).map(|time| time - 1000 * IDLE_SECONDS * SECOND);
        let live = (0..).map(|second| START + second * SECOND);
        let times =
            live.zip(old).enumerate().map(|(i, (live, old))| if i / 200 % 2 == 0 { live } else { old });
        let found = sweeps(times);
        assert!(found.iter().all(|calls| *calls as i64 >= IDLE_SECONDS), "{found:?}");
    }

    #[test]
    fn extreme_limits_work() {
        let mut never = Aging::new(Duration::MAX, 0);
        let mut always = Aging::new(Duration::ZERO, 0);
        assert_eq!((never.most(), always.most()), (1, 1));
        for time in 0..1_000_000 {
            never.count();
            assert!(never.look(START + time * SECOND).is_none_or(|oldest| oldest == 0));
            always.count();
            always.look(time);
        }
        let mut last = (0..BELIEVED).filter_map(|_| always.look(i64::MAX));
        assert!(last.any(|oldest| oldest > 900_000));
    }
}
