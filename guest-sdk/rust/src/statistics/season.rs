//! What is usual at a time of the day or of the week.

use std::num::NonZeroUsize;
use std::time::Duration;

/// A period that repeats, divided into slots of equal length: a day of 24 hours, or a week of 168.
///
/// Periods have no leap seconds and no daylight saving time.
///
/// ```
/// use std::num::NonZeroUsize;
/// use kapacitor_guest::statistics::Season;
///
/// const HOUR: i64 = 3_600_000_000_000;
/// let day = Season::day(NonZeroUsize::new(24).unwrap());
/// // 1970 began at midnight UTC, when it was one o'clock in Berlin.
/// assert_eq!((day.slot(0), day.slot(25 * HOUR), day.shifted(HOUR).slot(0)), (0, 1, 1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Season {
    /// The length in nanoseconds.
    period: i64,
    slots: usize,
    /// The nanoseconds by which the begin of a period is before 1970.
    shift: i64,
}

const DAY: i64 = 24 * 60 * 60 * 1_000_000_000;

impl Season {
    /// A period of any length, the first of which began with 1970. A length of zero counts as a nanosecond, and one
    /// above 292 years as that.
    pub fn new(period: Duration, slots: NonZeroUsize) -> Self {
        let period = i64::try_from(period.as_nanos()).unwrap_or(i64::MAX).max(1);
        Self { period, slots: slots.get(), shift: 0 }
    }

    /// A day, from midnight UTC.
    pub const fn day(slots: NonZeroUsize) -> Self {
        Self { period: DAY, slots: slots.get(), shift: 0 }
    }

    /// A week, from midnight UTC before Monday.
    pub const fn week(slots: NonZeroUsize) -> Self {
        // 1970 began on a Thursday.
        Self { period: 7 * DAY, slots: slots.get(), shift: 3 * DAY }
    }

    /// The same, by a clock that is this number of nanoseconds ahead of UTC, or behind it if the number is negative.
    #[must_use]
    pub const fn shifted(self, nanoseconds: i64) -> Self {
        Self { shift: self.shift.saturating_add(nanoseconds), ..self }
    }

    /// The number of slots.
    pub const fn slots(&self) -> usize {
        self.slots
    }

    /// The slot of a time, which is in nanoseconds since 1970: from 0 to the number of slots less 1.
    pub fn slot(&self, time: i64) -> usize {
        let place = (i128::from(time) + i128::from(self.shift)).rem_euclid(i128::from(self.period));
        (place * self.slots as i128 / i128::from(self.period)) as usize
    }
}

/// A value for each slot of a [`Season`]: what is usual at that time of the day or of the week.
///
/// The value is often one of this module, such as [`Moments`](crate::statistics::Moments) or
/// [`ExponentialMoments`](crate::statistics::ExponentialMoments). It takes the size of the value for each slot, also of those that
/// no point came for.
///
/// ```
/// use std::num::NonZeroUsize;
/// use kapacitor_guest::statistics::{Moments, Profile, Season};
///
/// const DAY: i64 = 24 * 3_600_000_000_000;
/// let season = Season::day(NonZeroUsize::new(24).unwrap());
/// let mut usual = Profile::<Moments>::default();
/// for day in 0..7 {
///     usual.slot(season, day * DAY).push(day as f64);
/// }
/// assert_eq!(usual.slot(season, 7 * DAY).mean(), Some(3.0));
/// assert_eq!(usual.slot(season, 7 * DAY + DAY / 2).mean(), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Profile<T> {
    slots: Vec<T>,
}

impl<T: Default> Profile<T> {
    /// The value of the slot of a time, which is in nanoseconds since 1970. If the season has another number of slots than
    /// before, all values begin anew.
    pub fn slot(&mut self, season: Season, time: i64) -> &mut T {
        if self.slots.len() != season.slots() {
            self.slots = std::iter::repeat_with(T::default).take(season.slots()).collect();
        }
        &mut self.slots[season.slot(time)]
    }
}

impl<T> Profile<T> {
    /// The values of all slots, in order; none before the first call of [`Profile::slot`].
    pub fn slots(&self) -> &[T] {
        &self.slots
    }
}
