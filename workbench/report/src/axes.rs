//! The axes of the chart for documents, and lines over them.

use crate::series::{Sample, longest_step};
use crate::words::{clock, date, thousands};

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Labels of a time axis at most.
const TIMES: i64 = 9;

/// The axis of time, from `left` to `right`.
pub struct TimeAxis {
    pub start: i64,
    pub end: i64,
    pub left: f64,
    pub right: f64,
}

impl TimeAxis {
    /// Over all of the times. `None` if there are none.
    pub fn of(times: impl Iterator<Item = i64>, (left, right): (f64, f64)) -> Option<Self> {
        let (start, end) =
            times.fold((i64::MAX, i64::MIN), |(start, end), time| (start.min(time), end.max(time)));
        (start <= end).then(|| Self { start, end: end.max(start.saturating_add(1000)), left, right })
    }

    pub fn x(&self, time: i64) -> f64 {
        // The difference is exact where a double does not hold the times.
        let part = (i128::from(time) - i128::from(self.start)) as f64;
        self.left + part / (i128::from(self.end) - i128::from(self.start)) as f64 * (self.right - self.left)
    }

    pub fn span(&self) -> i64 {
        self.end.saturating_sub(self.start)
    }

    /// The times that have a label, with the label, and the day below it where it begins.
    pub fn labels(&self) -> Vec<(i64, String, Option<String>)> {
        let step = self.step();
        let first = self.start.saturating_add((step - self.start.rem_euclid(step)) % step);
        let times = (0..=TIMES)
            .map_while(|i| first.checked_add(step.checked_mul(i)?))
            .take_while(|time| *time <= self.end);
        let mut day = String::new();
        let label = |time: i64| {
            let date = date(time);
            if step >= DAY {
                return (time, date, None);
            }
            let starts = date != day;
            day.clone_from(&date);
            (time, moment(time, step), starts.then_some(date))
        };
        times.map(label).collect()
    }

    fn step(&self) -> i64 {
        let powers = (0..9).flat_map(|power| [1, 2, 5].map(|n| n * 10i64.pow(power)));
        let seconds = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200];
        let days = [1, 2, 7, 14, 30, 61, 91, 182, 365, 730, 1826, 3652, 7305, 18_262];
        let steps = powers.chain(seconds.map(|n| n * SECOND)).chain(days.map(|n| n * DAY));
        let span = self.span();
        steps.into_iter().find(|step| span / step < TIMES).unwrap_or(i64::MAX)
    }
}

/// The time of the day, with what a step needs.
fn moment(time: i64, step: i64) -> String {
    let text = clock(time);
    if step >= 60 * SECOND {
        return text[..5].to_owned();
    }
    let fraction = time.rem_euclid(SECOND);
    match step {
        SECOND.. => text,
        1_000_000.. => format!("{text}.{:03}", fraction / 1_000_000),
        1000.. => format!("{text}.{:06}", fraction / 1000),
        _ => format!("{text}.{fraction:09}"),
    }
}

/// An axis of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValueAxis {
    low: f64,
    high: f64,
    step: f64,
}

impl ValueAxis {
    /// Over all of the values, with `labels` labels at least.
    pub fn of(values: impl Iterator<Item = f64>, labels: u8) -> Self {
        let (low, high) = values
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return Self { low: 0.0, high: 1.0, step: 1.0 };
        }
        // Values that are about as large as they differ are seen best above 0.
        let low = if low > 0.0 && low < high / 4.0 { 0.0 } else { low };
        if high <= low {
            let step = round_step(low.abs() / 10.0);
            return Self { low: (low - step).max(f64::MIN), high: (low + step).min(f64::MAX), step };
        }
        // Half the width of a line, and half a mark.
        let room = high / 25.0 - low / 25.0;
        let low = if low == 0.0 { low } else { (low - room).max(f64::MIN) };
        let high = (high + room).min(f64::MAX);
        let fits = |step: &f64| (high / step).floor() - (low / step).ceil() + 1.0 >= f64::from(labels);
        let most = high / 2.0 - low / 2.0;
        let smaller = [1.0, 2.0, 4.0, 10.0, 20.0].into_iter().map(|part| round_step(most / part));
        let step = smaller.into_iter().find(fits).unwrap_or(most);
        Self { low, high, step }
    }

    /// How far values are apart on the axis.
    pub fn span(&self) -> f64 {
        self.high - self.low
    }

    /// Below the top of a panel of this height.
    pub fn y(&self, value: f64, height: f64) -> f64 {
        let span = self.high / 2.0 - self.low / 2.0;
        let part = (value / 2.0 - self.low / 2.0) / span;
        if part.is_finite() { height * (1.0 - part) } else { height }
    }

    /// The values that have a line, with their labels.
    pub fn labels(&self) -> Vec<(f64, String)> {
        let first = (self.low / self.step).ceil();
        let values = (0..=10).map(|i| (first + f64::from(i)) * self.step);
        values.take_while(|at| *at <= self.high).map(|at| (at, tick(at, self.step))).collect()
    }
}

/// 1, 2 or 5 times a power of ten, and not less than `least`.
fn round_step(least: f64) -> f64 {
    if !least.is_normal() || least < 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= least).unwrap_or(least)
}

/// The label of a value, with the decimals that tell it from the next.
fn tick(at: f64, step: f64) -> String {
    let size = at.abs();
    match -step.log10().floor() {
        _ if at == 0.0 => "0".to_owned(),
        _ if size >= 1e6 || step < 1e-4 => format!("{at:.1e}"),
        decimals if decimals > 0.0 => format!("{at:.*}", decimals as usize),
        _ => format!("{}{}", if at < 0.0 { "−" } else { "" }, thousands(size.round() as u64)),
    }
}

/// A line through the samples, broken where many are missing, as an SVG path.
///
/// Of the samples in one column of pixels the first, the lowest, the highest and the last are drawn,
/// which gives the same picture, however many there are.
///
/// Source: Jugel et al., *M4: A Visualization-Oriented Time Series Data Aggregation*, 2014.
pub fn path(samples: &[Sample], times: &TimeAxis, y: impl Fn(f64) -> f64) -> String {
    let gap = longest_step(samples, times.span());
    let mut path = String::new();
    for run in samples.chunk_by(|a, b| b.0.saturating_sub(a.0) <= gap) {
        let mut command = 'M';
        for column in run.chunk_by(|a, b| times.x(a.0) as i64 == times.x(b.0) as i64) {
            let by_value = |i: &usize, j: &usize| column[*i].1.total_cmp(&column[*j].1);
            let all = || 0..column.len();
            let mut kept = [Some(0), all().min_by(by_value), all().max_by(by_value), all().next_back()]
                .map(Option::unwrap_or_default);
            kept.sort_unstable();
            for (i, at) in kept.iter().enumerate() {
                if i == 0 || kept[i - 1] != *at {
                    let (time, value) = column[*at];
                    path.push_str(&format!("{command}{:.1} {:.1}", times.x(time), y(value)));
                    command = 'L';
                }
            }
        }
        if run.len() == 1 {
            // A line of no length, which is drawn as a dot.
            path.push_str("h0");
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(times: &[i64]) -> TimeAxis {
        TimeAxis::of(times.iter().copied(), (0.0, 1000.0)).expect("there are times")
    }

    #[test]
    fn axes_are_round() {
        let values = ValueAxis::of([0.4, 96.2].into_iter(), 3).labels();
        assert_eq!(values.iter().map(|(_, label)| label.as_str()).collect::<Vec<_>>(), ["0", "50", "100"]);
        let labels = times(&[1_772_431_200_000_000_000, 1_772_455_190_000_000_000]).labels();
        assert_eq!(labels.len(), 7);
        assert_eq!((labels[0].1.as_str(), labels[0].2.as_deref()), ("06:00", Some("2026-03-02")));
        assert_eq!((labels[1].1.as_str(), &labels[1].2), ("07:00", &None));
        let short = times(&[1_772_431_200_000_000_000, 1_772_431_200_004_000_000]).labels();
        assert_eq!(short[1].1, "06:00:00.000500");
    }

    #[test]
    fn any_samples_can_be_drawn() {
        for samples in [
            &[(0, 0.0)][..],
            &[(0, 5.0), (1, 5.0)],
            &[(0, f64::MIN)],
            &[(0, f64::MAX)],
            &[(i64::MIN, f64::MIN), (i64::MAX, f64::MAX)],
            &[(0, -1e-300), (0, 1e-300), (1, -7.0)],
        ] {
            let times =
                TimeAxis::of(samples.iter().map(|sample| sample.0), (0.0, 1000.0)).expect("not empty");
            let values = ValueAxis::of(samples.iter().map(|sample| sample.1), 2);
            assert!(values.labels().len() <= 11 && times.labels().len() <= 10);
            let path = path(samples, &times, |value| values.y(value, 100.0));
            assert!(path.starts_with('M') && !path.contains("NaN") && !path.contains("inf"), "{path}");
        }
        assert!(TimeAxis::of([].into_iter(), (0.0, 1.0)).is_none());
        assert_eq!(ValueAxis::of([].into_iter(), 2).labels().len(), 2);
        assert_eq!(ValueAxis::of([7.0].into_iter(), 2).labels()[1], (7.0, "7".to_owned()));
    }

    #[test]
    fn lines_break_where_points_are_missing() {
        let samples: Vec<_> = [0, 1, 2, 60, 61].map(|i| (i * SECOND, i as f64)).into();
        let axis = times(&[0, 61 * SECOND]);
        assert_eq!(path(&samples, &axis, |value| value).matches('M').count(), 2);
    }

    #[test]
    fn labels_tell_values_apart() {
        assert_eq!([0.0, 1500.0].map(|at| tick(at, 500.0)), ["0", "1,500"]);
        assert_eq!([-0.25, 0.5].map(|at| tick(at, 0.25)), ["-0.2", "0.5"]);
    }
}
