//! How far back a window reaches, and which values it takes.

use std::num::NonZeroUsize;
use std::time::Duration;

/// How far back a window reaches: a number of values, or a time and a largest number of values.
///
/// # Times
///
/// A window of five minutes holds the values that are less than five minutes older than the newest one. The time is that
/// of the points, in nanoseconds since 1970:
///
/// - A value whose time is before that of the newest value, and within the window, counts as if it had the time of the
///   newest one: it stays a little longer than it should.
/// - A value that is older than the window is left out. After eight of them in a row the window begins anew with the
///   eighth, since then a wrong time in the future came before them.
///
/// A window of a number of values ignores times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Extent {
    /// The largest number of values.
    most: usize,
    /// The age in nanoseconds at which a value leaves; `None` if it may have any age.
    span: Option<i64>,
}

/// The largest number of values within a time, unless [`Extent::at_most`] sets another one.
const MOST: usize = 10_000;

/// Number of values in a row that must be older than the window before it begins anew.
const BELIEVED: u32 = 8;

impl Extent {
    /// The last `count` values.
    pub const fn last(count: NonZeroUsize) -> Self {
        Self { most: count.get(), span: None }
    }

    /// The values that are less than `span` older than the newest one, and no more than the newest 10,000 of them, so that
    /// a burst does not exceed the plugin's memory. A span of zero counts as a nanosecond, and one that is longer than
    /// 292 years as that.
    pub fn within(span: Duration) -> Self {
        let span = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX).max(1);
        Self { most: MOST, span: Some(span) }
    }

    /// The same, and no more than the newest `count` values.
    #[must_use]
    pub const fn at_most(self, count: NonZeroUsize) -> Self {
        Self { most: count.get(), ..self }
    }
}

/// Decides which values a window takes, and which ones leave it.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Gate {
    /// The time of the newest value.
    newest: i64,
    /// Number of values in a row that were older than the window.
    late: u32,
}

/// What becomes of a value that comes.
pub(super) enum Entry {
    /// It is taken, with this time.
    Taken(i64),
    /// It is taken, and all others leave.
    Anew(i64),
    LeftOut,
}

impl Gate {
    /// What becomes of a value with this time, in a window that has values or is empty.
    pub fn admit(&mut self, time: i64, extent: Extent, is_empty: bool) -> Entry {
        let is_late = extent.span.is_some_and(|span| self.newest.saturating_sub(time) >= span);
        if is_empty || !is_late {
            self.late = 0;
            self.newest = if is_empty || extent.span.is_none() { time } else { self.newest.max(time) };
            return Entry::Taken(self.newest);
        }
        self.late += 1;
        if self.late < BELIEVED {
            return Entry::LeftOut;
        }
        *self = Self { newest: time, late: 0 };
        Entry::Anew(time)
    }

    /// Takes a later time for that of the newest value; whether it is one.
    pub fn advance(&mut self, time: i64, extent: Extent, is_empty: bool) -> bool {
        let later = !is_empty && extent.span.is_some() && time > self.newest;
        if later {
            (self.newest, self.late) = (time, 0);
        }
        later
    }

    /// Whether the oldest value, which has this time, leaves a window of `length` values.
    pub fn lets_go(&self, oldest: i64, length: usize, extent: Extent) -> bool {
        length > extent.most || extent.span.is_some_and(|span| self.newest.saturating_sub(oldest) >= span)
    }
}
