//! Windows, as Kapacitor's `window` node makes them.
//!
//! Source of the rules: `window.go` of Kapacitor 1.5.9.

use std::collections::{HashMap, VecDeque};

use kapacitor_wasm_data::{Point, Value};
use thiserror::Error;

use super::group::Group;

/// Maximum memory for the points in the windows of all groups together, in bytes: about a million points.
const MAX_BYTES: usize = 1 << 30;

/// Memory that a point takes beside its texts, and that each tag and field takes, in bytes. Measured.
const POINT: usize = 400;
const ENTRY: usize = 120;

/// Go's times begin in the year 1, and `align` counts from there: nanoseconds to 1970.
const YEAR_1: i128 = 62_135_596_800 * 1_000_000_000;

/// The properties of `window`. Spans of time are in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowSpec {
    /// `|window().period(10m).every(5m)`
    Time {
        /// How far a window reaches back.
        period: i64,
        /// How often one is sent; 0 for each point.
        every: i64,
        /// Whether windows end at multiples of `every`.
        align: bool,
        /// Whether the first one waits until a whole period has passed.
        fill_period: bool,
    },
    /// `|window().periodCount(10).everyCount(5)`
    Count {
        /// Number of points of a window.
        period: usize,
        /// Number of points after which one is sent.
        every: usize,
        /// Whether the first one waits for a whole period.
        fill_period: bool,
    },
}

/// The open windows of all groups.
pub struct Windows {
    spec: WindowSpec,
    groups: HashMap<Group, Window>,
    /// Memory of the points, in bytes.
    bytes: usize,
}

/// The window of one group.
struct Window {
    name: String,
    points: VecDeque<Point>,
    /// Time at which, or number of points after which, the next batch is sent.
    next_emit: i64,
    /// Number of points that came.
    count: i64,
    /// Number of points that were in no batch yet.
    unsent: usize,
    /// Memory in bytes of the points that it has had and no longer has.
    dropped: usize,
}

/// A window that is complete.
pub struct Complete {
    /// Measurement of the first point of its group.
    pub name: String,
    /// End of its time range in nanoseconds.
    pub tmax: i64,
    /// Its points.
    pub points: Vec<Point>,
}

/// The windows hold too many points.
#[derive(Debug, Error)]
#[error(
    "the open windows of all groups need more than 1 GiB: choose a shorter period, or group by fewer tags"
)]
pub struct TooManyPoints;

impl Windows {
    /// No windows yet.
    pub fn new(spec: WindowSpec) -> Self {
        Self { spec, groups: HashMap::new(), bytes: 0 }
    }

    /// Adds a point to the window of its group; returns the window that it completes.
    ///
    /// # Errors
    ///
    /// When the windows hold too many points.
    pub fn push(&mut self, group: &Group, point: Point) -> Result<Option<Complete>, TooManyPoints> {
        if !self.groups.contains_key(group) {
            self.groups.insert(group.clone(), Window::new(&self.spec, &point));
        }
        let Some(window) = self.groups.get_mut(group) else { return Ok(None) };
        self.bytes += size_of(&point);
        let before = window.dropped;
        let complete = match self.spec {
            WindowSpec::Time { period, every: 0, .. } => window.push_each(point, period),
            WindowSpec::Time { period, every, align, .. } => window.push_timed(point, period, every, align),
            WindowSpec::Count { period, every, .. } => window.push_counted(point, period, every),
        };
        self.bytes = self.bytes.saturating_sub(window.dropped - before);
        if self.bytes > MAX_BYTES { Err(TooManyPoints) } else { Ok(complete) }
    }

    /// Number of points that were in no window that is complete.
    pub fn unsent(&self) -> u64 {
        self.groups.values().map(|window| window.unsent as u64).sum()
    }
}

impl Window {
    fn new(spec: &WindowSpec, first: &Point) -> Self {
        let next_emit = match *spec {
            WindowSpec::Time { period, every, align, fill_period: true } => {
                let end = first.time.saturating_add(period);
                let aligned = truncate(end, every);
                match (align, aligned > end) {
                    (false, _) => end,
                    (true, true) => aligned,
                    (true, false) => aligned.saturating_add(every),
                }
            }
            WindowSpec::Time { every, align, fill_period: false, .. } => {
                let next = first.time.saturating_add(every);
                if align { truncate(next, every) } else { next }
            }
            WindowSpec::Count { period, every, fill_period } => {
                (if fill_period { period } else { every }) as i64
            }
        };
        Self {
            name: first.measurement.clone(),
            points: VecDeque::new(),
            next_emit,
            count: 0,
            unsent: 0,
            dropped: 0,
        }
    }

    /// A window that is sent at each point, and has the points of (time - period, time].
    fn push_each(&mut self, point: Point, period: i64) -> Option<Complete> {
        let time = point.time;
        self.insert(point);
        if time < self.next_emit {
            return None;
        }
        self.purge(|old| old > time.saturating_sub(period));
        self.next_emit = time;
        Some(self.batch(time))
    }

    /// A window that is sent every so often, and has the points of [end - period, end).
    fn push_timed(&mut self, point: Point, period: i64, every: i64, align: bool) -> Option<Complete> {
        let mut complete = None;
        if point.time >= self.next_emit {
            let end = self.next_emit;
            self.purge(|old| old >= end.saturating_sub(period));
            complete = Some(self.batch(end));
            // It depends on the time of the point, not on that of the last window.
            let next = point.time.saturating_add(every);
            self.next_emit = if align { truncate(next, every) } else { next };
        }
        self.insert(point);
        complete
    }

    fn push_counted(&mut self, point: Point, period: usize, every: usize) -> Option<Complete> {
        let time = point.time;
        self.insert(point);
        while self.points.len() > period {
            self.drop_first();
        }
        self.count += 1;
        if self.count != self.next_emit {
            return None;
        }
        self.next_emit += every as i64;
        Some(self.batch(time))
    }

    fn insert(&mut self, point: Point) {
        self.points.push_back(point);
        self.unsent += 1;
    }

    /// Drops points from the beginning until one is to stay.
    fn purge(&mut self, stays: impl Fn(i64) -> bool) {
        while self.points.front().is_some_and(|point| !stays(point.time)) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        self.dropped += self.points.pop_front().map_or(0, |point| size_of(&point));
    }

    fn batch(&mut self, tmax: i64) -> Complete {
        self.unsent = 0;
        Complete { name: self.name.clone(), tmax, points: self.points.iter().cloned().collect() }
    }
}

/// Memory of a point in bytes, nearly.
fn size_of(point: &Point) -> usize {
    let tags: usize = point.tags.iter().map(|(key, value)| ENTRY + key.len() + value.len()).sum();
    let text = |value: &Value| if let Value::String(text) = value { text.len() } else { 0 };
    let fields: usize = point.fields.iter().map(|(key, value)| ENTRY + key.len() + text(value)).sum();
    POINT + point.measurement.len() + tags + fields
}

/// The last multiple of `every` up to `time`, as Go's `Time.Truncate` counts them.
fn truncate(time: i64, every: i64) -> i64 {
    if every <= 0 {
        return time;
    }
    let past = (i128::from(time) + YEAR_1).rem_euclid(i128::from(every));
    time.saturating_sub(i64::try_from(past).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workbench::pipeline::tests::point;

    /// tmax and the times of the points of each window of one group.
    fn windows(spec: WindowSpec, times: &[i64]) -> Vec<(i64, Vec<i64>)> {
        let mut windows = Windows::new(spec);
        let mut all = Vec::new();
        for time in times {
            let point = point(&format!("x v=1 {time}"));
            if let Some(complete) = windows.push(&Group::default(), point).unwrap() {
                all.push((complete.tmax, complete.points.iter().map(|point| point.time).collect()));
            }
        }
        all
    }

    fn timed(period: i64, every: i64, align: bool, fill_period: bool) -> WindowSpec {
        WindowSpec::Time { period, every, align, fill_period }
    }

    #[test]
    fn windows_end_as_those_of_kapacitor() {
        let times = [13, 14, 19, 20, 27, 41];
        // Aligned, the year 1 began at a multiple of ten nanoseconds before 1970.
        assert_eq!(windows(timed(10, 10, true, false), &times), [(20, vec![13, 14, 19]), (30, vec![20, 27])]);
        assert_eq!(
            windows(timed(10, 10, false, false), &times),
            [(23, vec![13, 14, 19, 20]), (37, vec![27])]
        );
        assert_eq!(
            windows(timed(20, 10, true, false), &times),
            [(20, vec![13, 14, 19]), (30, vec![13, 14, 19, 20, 27])]
        );
        assert_eq!(windows(timed(10, 10, true, true), &times), [(30, vec![20, 27])]);
    }

    #[test]
    fn every_of_zero_sends_a_window_at_each_point() {
        assert_eq!(
            windows(timed(5, 0, false, false), &[10, 12, 15, 30]),
            [(10, vec![10]), (12, vec![10, 12]), (15, vec![12, 15]), (30, vec![30])]
        );
    }

    #[test]
    fn counted_windows() {
        let spec = |fill_period| WindowSpec::Count { period: 3, every: 2, fill_period };
        assert_eq!(windows(spec(false), &[1, 2, 3, 4]), [(2, vec![1, 2]), (4, vec![2, 3, 4])]);
        assert_eq!(windows(spec(true), &[1, 2, 3, 4, 5]), [(3, vec![1, 2, 3]), (5, vec![3, 4, 5])]);
    }

    #[test]
    fn memory_of_all_windows_is_bounded() {
        let mut windows = Windows::new(timed(i64::MAX, i64::MAX, false, false));
        windows.bytes = MAX_BYTES - 1_000;
        assert!(windows.push(&Group::default(), point("x v=1 1")).is_ok());
        assert!(windows.push(&Group::default(), point("x v=1 2")).is_err());
        // What has left its window takes no more memory.
        let mut windows = Windows::new(timed(1, 1, false, false));
        for time in 0..1_000 {
            windows.push(&Group::default(), point(&format!("x v=1 {time}"))).unwrap();
        }
        assert!(windows.bytes < 3_000, "{}", windows.bytes);
    }

    #[test]
    fn alignment_counts_from_the_year_1() {
        const DAY: i64 = 86_400_000_000_000;
        // 1970-01-05 was a Monday, as 0001-01-01 was.
        assert_eq!(truncate(5 * DAY, 7 * DAY), 4 * DAY);
        assert_eq!(truncate(-1, DAY), -DAY);
        assert_eq!(truncate(i64::MIN, DAY), i64::MIN);
        // Times at the end of all time are no reason to fail.
        assert!(windows(timed(1, 1, true, true), &[i64::MAX, i64::MAX]).len() <= 2);
    }
}
