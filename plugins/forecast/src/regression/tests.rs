use std::num::NonZeroUsize;
use std::time::Duration;

use super::*;
use crate::line::Line;
use proptest::prelude::*;

/// A time of our days, in nanoseconds.
const NOW: i64 = 1_764_000_000_123_456_789;
const SECOND: i64 = 1_000_000_000;

fn last(count: usize) -> Extent {
    Extent::last(NonZeroUsize::new(count).unwrap())
}

fn line_of(regression: &Regression) -> Line {
    regression.sums().unwrap().line().unwrap()
}

#[test]
fn points_on_a_line_have_that_line() {
    let mut regression = Regression::default();
    for number in 0..1000 {
        regression.push(NOW + number * number * SECOND, 5.0 + 0.25 * (number * number) as f64, last(77));
    }
    let line = line_of(&regression);
    assert!((line.slope() - 0.25).abs() < 1e-13, "{line:?}");
    assert!((line.at(NOW, 60.0) - 20.0).abs() < 1e-7, "{line:?}");
    assert!((line.seconds_to(1e6, NOW, 0.0).unwrap() - 4.0 * (1e6 - 5.0)).abs() < 1e-3);
}

#[test]
fn small_changes_of_large_values_have_a_slope() {
    // Nanoseconds apart, and values of 1e15 with steps of an eighth: all sums are exact.
    let mut regression = Regression::default();
    for number in 0..100 {
        regression.push(NOW + number, 1e15 + 0.125 * (number % 16) as f64, last(16));
    }
    // From 4 to 15, and then from 0 to 3: the slope by whole numbers.
    let numbers: Vec<i64> = (84..100).map(|number| number % 16).collect();
    let (mut squares, mut products) = (0, 0);
    for (place, number) in (0..).zip(&numbers) {
        squares += (2 * place - 15) * (2 * place - 15);
        products += (2 * place - 15) * (2 * number - 15);
    }
    let slope = 0.125e9 * products as f64 / squares as f64;
    assert!((line_of(&regression).slope() / slope - 1.0).abs() < 1e-14);
}

#[test]
fn the_error_of_a_new_value_is_that_of_the_textbook() {
    let mut regression = Regression::default();
    for (second, value) in [(1, 2.0), (2, 4.0), (3, 5.0), (4, 4.0), (5, 5.0)] {
        regression.push(second * SECOND, value, last(10));
    }
    let line = line_of(&regression);
    assert!((line.slope() - 0.6).abs() < 1e-14);
    // s² is 0.8, and (1 + 1 / 5 + 4 / 10) of it that of a value at 5.
    assert!((line.error_at(3 * SECOND, 2.0).unwrap() - (0.8_f64 * 1.6).sqrt()).abs() < 1e-14);
    let mut two = Regression::default();
    assert!([1, 2].map(|second| two.push(second, 1.0, last(10))).iter().all(|taken| *taken));
    assert!(line_of(&two).error_at(0, 0.0).is_none());
}

#[test]
fn a_limit_is_ahead_behind_or_nowhere() {
    let mut regression = Regression::default();
    for second in 0..=10 {
        regression.push(second * SECOND, 2.0 * second as f64, last(100));
    }
    let line = line_of(&regression);
    let now = 10 * SECOND;
    assert!((line.seconds_to(30.0, now, 10.0).unwrap() - 5.0).abs() < 1e-12);
    assert_eq!(line.seconds_to(20.0, now, 10.0), Some(0.0));
    assert_eq!(line.seconds_to(5.0, now, 10.0), Some(0.0), "crossed within the window");
    assert_eq!(line.seconds_to(-5.0, now, 10.0), None, "crossed before");
    let mut flat = Regression::default();
    for second in 0..10 {
        flat.push(second * SECOND, 3.0, last(100));
    }
    assert_eq!(line_of(&flat).seconds_to(4.0, now, 10.0), None);
    assert_eq!(line_of(&flat).seconds_to(3.0, now, 10.0), Some(0.0));
}

#[test]
fn points_of_one_time_have_no_line() {
    let mut regression = Regression::default();
    for value in 0..5 {
        regression.push(NOW, f64::from(value), last(10));
    }
    assert!(regression.sums().unwrap().line().is_none());
}

#[test]
fn what_has_left_the_window_has_no_effect() {
    for spike in [f64::MAX, f64::MIN, 1e300, 1e16] {
        let mut regression = Regression::default();
        for number in 0..200 {
            let value = if number == 50 { spike } else { number as f64 };
            regression.push(NOW + number * SECOND, value, last(40));
            if let Some(line) = regression.sums().unwrap().line().filter(|_| !(50..90).contains(&number)) {
                assert!((line.slope() - 1.0).abs() < 1e-13, "{spike} {number}: {line:?}");
            }
        }
    }
}

#[test]
fn ten_million_points_leave_no_error() {
    // Whole numbers of seconds and values, whose line is known exactly.
    const SIZE: i64 = 600;
    let number = |place: i64| 1_000_000_000_000 + 3 * place + (place * 7919 % 10_007);
    let mut regression = Regression::default();
    for place in 0..10_000_000 {
        regression.push(NOW + place * SECOND, number(place) as f64, last(SIZE as usize));
    }
    let (mut products, mut squares) = (0_i128, 0_i128);
    for place in 10_000_000 - SIZE..10_000_000 {
        let from_mean = i128::from(2 * (place - 10_000_000) + SIZE + 1);
        products += from_mean * i128::from(number(place));
        squares += from_mean * from_mean;
    }
    let slope = 2.0 * products as f64 / squares as f64;
    assert!((line_of(&regression).slope() / slope - 1.0).abs() < 1e-13);
}

#[test]
fn sums_take_less_memory_than_points() {
    let mut regression = Regression::default();
    for number in 0..100_000 {
        regression.push(number, 1.0, last(10_000));
        assert!(regression.coarse.len() + regression.fine.len() <= 10_000 / STRIDE + STRIDE);
    }
}

/// The line of points by two passes over their differences from the first one.
fn naive(points: &[(i64, f64)]) -> (f64, f64) {
    let (time, value) = points[0];
    let all = || points.iter().map(|point| ((point.0 - time) as f64 / 1e9, point.1 - value));
    let count = points.len() as f64;
    let (mean_time, mean_value) =
        (all().map(|at| at.0).sum::<f64>() / count, all().map(|at| at.1).sum::<f64>() / count);
    let squares: f64 = all().map(|at| (at.0 - mean_time).powi(2)).sum();
    let products: f64 = all().map(|at| (at.0 - mean_time) * (at.1 - mean_value)).sum();
    (products / squares, value + mean_value - products / squares * mean_time)
}

proptest! {
    /// After each point, the sums are those of the points in the window, whatever comes: windows of points and of times,
    /// late points, and bursts that leave together.
    #[test]
    fn lines_are_as_two_passes_make_them(
        steps in proptest::collection::vec((-5_i64..60, -100.0..100.0_f64), 1..300),
        size in 1_usize..100,
        seconds in proptest::option::of(1_u64..2000),
    ) {
        let extent = match seconds {
            Some(seconds) => Extent::within(Duration::from_secs(seconds)).at_most(NonZeroUsize::new(size).unwrap()),
            None => last(size),
        };
        let (mut regression, mut reference, mut time) = (Regression::default(), Window::default(), NOW);
        for (step, value) in steps {
            // Now and then a long time passes, or goes back.
            time += if step == 59 { 1500 } else if step == -5 { -500 } else { step } * SECOND;
            let taken = regression.push(time, value, extent);
            prop_assert_eq!(taken, reference.push(time, (time, value), extent));
            let points: Vec<(i64, f64)> = reference.iter().map(|(_, point)| *point).collect();
            prop_assert_eq!(regression.len(), points.len());
            prop_assert_eq!(regression.oldest(), points.first().map(|point| point.0));
            let Some(line) = regression.sums().unwrap().line() else {
                prop_assert!(points.iter().all(|point| point.0 == points[0].0));
                continue;
            };
            let (slope, at_first) = naive(&points);
            prop_assert!((line.slope() - slope).abs() < 1e-9 * (1.0 + slope.abs()), "{} is not {slope}", line.slope());
            prop_assert!((line.at(points[0].0, 0.0) - at_first).abs() < 1e-7, "{line:?} {at_first}");
        }
    }
}
