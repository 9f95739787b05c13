use std::num::NonZeroUsize;
use std::time::Duration;

use kapacitor_guest::statistics::{
    Aggregate, Extent, Extremes, Moments, Profile, Quantiles, Season, Sliding, Window,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::numbers::number_or_not;

/// How far back a window reaches, in the words of the documentation: a number of values, and an age in nanoseconds.
type Reach = (usize, Option<i64>);

fn count(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

fn extent((most, span): Reach) -> Extent {
    match span {
        Some(span) => Extent::within(Duration::from_nanos(span as u64)).at_most(count(most)),
        None => Extent::last(count(most)),
    }
}

/// A window as the documentation describes it.
#[derive(Default)]
struct Model {
    values: Vec<(i64, f64)>,
    late: usize,
}

impl Model {
    fn push(&mut self, time: i64, value: f64, (most, span): Reach) -> bool {
        let newest = self.values.last().map(|(time, _)| *time);
        let mut time = time;
        if let (Some(newest), Some(span)) = (newest, span) {
            if newest - time >= span {
                self.late += 1;
                if self.late < 8 {
                    return false;
                }
                self.values.clear();
            } else {
                time = time.max(newest);
            }
        }
        self.late = 0;
        self.values.push((time, value));
        // The oldest leave first. Their times need not be in order if the window was one of a number of values before.
        let out = |oldest: i64| span.is_some_and(|span| time - oldest >= span);
        while self.values.len() > most || out(self.values[0].0) {
            self.values.remove(0);
        }
        true
    }
}

impl Model {
    fn advance(&mut self, time: i64, (most, span): Reach) {
        let Some((newest, _)) = self.values.last() else { return };
        let Some(span) = span.filter(|_| time > *newest) else { return };
        while self.values.len() > most || self.values.first().is_some_and(|(oldest, _)| time - oldest >= span)
        {
            self.values.remove(0);
        }
    }
}

fn reach() -> impl Strategy<Value = Reach> {
    (1_usize..30, proptest::option::of(1_i64..50))
}

/// Values with times that mostly go on, and sometimes leap back or ahead.
fn values() -> impl Strategy<Value = Vec<(i64, f64)>> {
    let step = prop_oneof![12 => 0_i64..6, 2 => -60_i64..0, 1 => -400_i64..400];
    vec((step, number_or_not()), 0..200).prop_map(|steps| {
        let mut time = 1000;
        let at = steps.into_iter().map(|(step, value)| {
            time += step;
            (time, value)
        });
        at.collect()
    })
}

fn bits(values: impl IntoIterator<Item = (i64, f64)>) -> Vec<(i64, u64)> {
    values.into_iter().map(|(time, value)| (time, value.to_bits())).collect()
}

/// The values that an aggregate is made of, in order.
#[derive(Clone, Debug, PartialEq)]
struct All(Vec<u64>);

impl Aggregate for All {
    fn one(value: f64) -> Self {
        Self(vec![value.to_bits()])
    }

    fn merge(&self, later: &Self) -> Self {
        Self([&self.0[..], &later.0].concat())
    }
}

proptest! {
    #[test]
    fn windows_hold_what_they_reach(values in values(), reaches in vec((1..60_usize, reach()), 1..4)) {
        let mut window = Window::default();
        let mut sliding = Sliding::<All>::default();
        let mut quantiles = Quantiles::default();
        let mut model = Model::default();
        let reaches = reaches.into_iter().flat_map(|(times, reach)| std::iter::repeat_n(reach, times)).cycle();
        for ((time, value), reach) in values.into_iter().zip(reaches) {
            let taken = model.push(time, value, reach);
            prop_assert_eq!(window.push(time, value, extent(reach)), taken);
            prop_assert_eq!(sliding.push(time, value, extent(reach)), taken);
            prop_assert_eq!(quantiles.push(time, value, extent(reach)), taken);
            let expected = bits(model.values.iter().copied());
            prop_assert_eq!(bits(window.iter().map(|(time, value)| (time, *value))), expected.clone());
            prop_assert_eq!(bits(quantiles.iter()), expected.clone());
            prop_assert_eq!(window.len(), expected.len());
            prop_assert_eq!(sliding.len(), expected.len());
            let all: Vec<u64> = expected.iter().map(|(_, bits)| *bits).collect();
            prop_assert_eq!(sliding.aggregate(), Some(All(all)).filter(|all| !all.0.is_empty()));
            let mut sorted: Vec<f64> = model.values.iter().map(|(_, value)| *value).filter(|v| !v.is_nan()).collect();
            sorted.sort_by(f64::total_cmp);
            prop_assert_eq!(quantiles.sorted(), sorted);
        }
    }
}

proptest! {
    #[test]
    fn windows_let_go_of_what_a_later_time_does_not_reach(
        values in values(),
        ahead in vec(-5..60_i64, 1..20),
        reach in reach(),
    ) {
        let (mut window, mut sliding) = (Window::default(), Sliding::<All>::default());
        let (mut quantiles, mut model) = (Quantiles::default(), Model::default());
        for ((time, value), ahead) in values.into_iter().zip(ahead.into_iter().cycle()) {
            // A push takes the newest time from the newest value, so it must not be older than the last advance.
            let later = time + ahead;
            window.advance(later, extent(reach));
            sliding.advance(later, extent(reach));
            quantiles.advance(later, extent(reach));
            model.advance(later, reach);
            let expected = bits(model.values.iter().copied());
            prop_assert_eq!(bits(window.iter().map(|(time, value)| (time, *value))), expected.clone());
            prop_assert_eq!(bits(quantiles.iter()), expected.clone());
            let all: Vec<u64> = expected.iter().map(|(_, bits)| *bits).collect();
            prop_assert_eq!(sliding.aggregate(), Some(All(all)).filter(|all| !all.0.is_empty()));
            let time = later.max(time);
            model.push(time, value, reach);
            window.push(time, value, extent(reach));
            sliding.push(time, value, extent(reach));
            quantiles.push(time, value, extent(reach));
        }
    }
}

#[test]
fn one_wrong_time_costs_eight_values_at_most() {
    let mut window = Window::default();
    let minute = Extent::within(Duration::from_nanos(60));
    let times = (0..100).map(|time| if time == 50 { 1_000_000 } else { time });
    let taken: Vec<bool> = times.map(|time| window.push(time, (), minute)).collect();
    assert_eq!(taken.iter().filter(|taken| !**taken).count(), 7);
    assert_eq!(window.oldest(), Some((58, &())));
}

#[test]
fn extreme_extents_and_times_work() {
    let mut window = Window::default();
    for extent in [
        Extent::within(Duration::ZERO),
        Extent::within(Duration::MAX),
        Extent::last(NonZeroUsize::MAX),
        Extent::last(count(1)),
    ] {
        for time in [0, i64::MIN, i64::MAX, -1] {
            window.push(time, (), extent);
        }
        assert!(!window.is_empty());
    }
    assert_eq!((window.len(), window.newest()), (1, Some((-1, &()))));
    window.clear();
    assert!(window.is_empty() && window.oldest().is_none());
    for time in 0..20_000 {
        window.push(time, (), Extent::within(Duration::MAX));
    }
    assert_eq!(window.len(), 10_000);
}

#[test]
fn empty_windows_have_no_aggregates() {
    assert_eq!(Sliding::<Moments>::default().aggregate(), None);
    assert_eq!(Sliding::<Extremes>::default().aggregate(), None);
    assert_eq!(Quantiles::default().median(), None);
    assert_eq!(Quantiles::default().median_absolute_deviation(), None);
}

proptest! {
    #[test]
    fn slots_are_those_of_the_period(
        time: i64,
        shift in -10_000_000_000_000_000_i64..10_000_000_000_000_000,
        period in 1_u64..1_000_000_000_000_000,
        slots in 1_usize..500,
    ) {
        let season = Season::new(Duration::from_nanos(period), count(slots)).shifted(shift);
        let slot = season.slot(time);
        prop_assert!(slot < slots);
        // The place in the period is within the bounds of the slot, and the same a period later.
        let place = (i128::from(time) + i128::from(shift)).rem_euclid(i128::from(period)) * slots as i128;
        prop_assert!(place >= slot as i128 * i128::from(period) && place < (slot as i128 + 1) * i128::from(period));
        if let Some(later) = time.checked_add(period as i64) {
            prop_assert_eq!(season.slot(later), slot);
        }
    }
}

#[test]
fn weeks_begin_on_monday() {
    const HOUR: i64 = 3_600_000_000_000;
    // Monday, 2 March 2026, at midnight UTC.
    let monday = 1_772_409_600_000_000_000;
    let week = Season::week(count(168));
    assert_eq!([0, 1, 25, 167, 168, -1].map(|hour| week.slot(monday + hour * HOUR)), [0, 1, 25, 167, 0, 167]);
    assert_eq!(week.shifted(-5 * HOUR).slot(monday), 163);
    let mut profile = Profile::<u32>::default();
    assert!(profile.slots().is_empty());
    *profile.slot(week, monday + 25 * HOUR) += 1;
    assert_eq!(profile.slots().iter().position(|number| *number == 1), Some(25));
    let day = Season::day(count(24));
    assert_eq!(*profile.slot(day, monday), 0);
    assert_eq!(profile.slots(), [0; 24]);
}
