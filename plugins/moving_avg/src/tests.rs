//! Tests of the plugin.

use kapacitor_guest::testing::{Harness, OptionArgument, point};
use proptest::prelude::*;

use super::*;

const SECOND: i64 = 1_000_000_000;

fn start(size: i64) -> Result<Harness<MovingAvg>> {
    Harness::start([("field", "value".into()), ("size", size.into()), ("as", "mean".into())])
}

fn start_with<const N: usize>(options: [(&'static str, OptionArgument); N]) -> Harness<MovingAvg> {
    Harness::start(options).unwrap()
}

fn mean(harness: &mut Harness<MovingAvg>, host: &str, value: impl Into<OwnedValue>) -> OwnedValue {
    let input = point().tag("host", host).group_by(&["host"]).field("value", value);
    let output = harness.point(&input).unwrap().remove(0);
    assert_eq!((&output.tags, &output.dimensions), (&input.tags, &input.dimensions));
    output.fields["mean"].clone()
}

/// The average that a point gets.
fn avg(harness: &mut Harness<MovingAvg>, time: i64, value: f64) -> Option<f64> {
    harness.point(&point().at(time).field("value", value)).unwrap()[0].number("avg").ok()
}

#[test]
fn averages_the_last_points_of_each_group() {
    let mut harness = start(3).unwrap();
    for (value, expected) in [(1.0, 1.0), (2.0, 1.5), (3.0, 2.0), (4.0, 3.0), (5.0, 4.0)] {
        assert_eq!(mean(&mut harness, "a", value), OwnedValue::Double(expected));
    }
    assert_eq!(mean(&mut harness, "b", 7), OwnedValue::Double(7.0));
}

#[test]
fn averages_ten_points_unless_told_otherwise() {
    let mut harness = start_with([("field", "value".into())]);
    let means: Vec<_> = (0..12).map(|number| avg(&mut harness, 0, f64::from(number)).unwrap()).collect();
    assert_eq!(means[9..], [4.5, 5.5, 6.5]);
}

#[test]
fn averages_the_last_minutes() {
    let mut harness = start_with([("field", "value".into()), ("period", Duration::from_secs(60).into())]);
    // A minute later, the first one is no longer in the window.
    for (second, value, expected) in [(0, 1.0, 1.0), (59, 2.0, 1.5), (60, 4.0, 3.0), (200, 7.0, 7.0)] {
        assert_eq!(avg(&mut harness, second * SECOND, value), Some(expected));
    }
}

#[test]
fn averages_the_last_minutes_but_not_too_many_points() {
    let options = [("field", "value".into()), ("period", Duration::from_secs(60).into()), ("size", 2.into())];
    let mut harness = start_with(options);
    for (second, value, expected) in
        [(0, 1.0, 1.0), (1, 3.0, 2.0), (2, 5.0, 4.0), (61, 9.0, 7.0), (62, 1.0, 5.0)]
    {
        assert_eq!(avg(&mut harness, second * SECOND, value), Some(expected), "{second}");
    }
}

#[test]
fn points_older_than_the_window_pass_without_an_average() {
    let mut harness = start_with([("field", "value".into()), ("period", Duration::from_secs(60).into())]);
    assert_eq!(avg(&mut harness, 100 * SECOND, 1.0), Some(1.0));
    assert_eq!(avg(&mut harness, 90 * SECOND, 3.0), Some(2.0), "late, but within the window");
    for _ in 0..7 {
        assert_eq!(avg(&mut harness, 40 * SECOND, 5.0), None);
    }
    assert_eq!(avg(&mut harness, 40 * SECOND, 5.0), Some(5.0), "the window begins anew");
}

#[test]
fn several_fields_have_averages_of_their_own() {
    for window in [("size", OptionArgument::from(2)), ("period", Duration::from_secs(20).into())] {
        let mut harness = start_with([("field", "a".into()), ("field", "b".into()), window]);
        let input =
            "cpu a=1,b=10 0\ncpu a=3 10000000000\ncpu b=20,c=\"x\" 15000000000\ncpu a=5,b=0 25000000000";
        let sent = harness.points(kapacitor_guest::testing::lines(input).unwrap()).unwrap();
        let of = |name: &str| sent.iter().map(|point| point.number(name).ok()).collect::<Vec<_>>();
        assert_eq!(of("a_avg"), [Some(1.0), Some(2.0), None, Some(4.0)]);
        assert_eq!(of("b_avg"), [Some(10.0), None, Some(15.0), Some(10.0)]);
    }
}

#[test]
fn what_has_left_the_window_has_no_effect() {
    for window in [("size", OptionArgument::from(2)), ("period", Duration::from_nanos(2).into())] {
        for spike in [f64::MAX, f64::MIN, 1e16] {
            let mut harness = start_with([("field", "value".into()), window.clone()]);
            for (time, value) in (0..).zip([1.0, 1.0, spike, 5.5, 5.5, 5.5]) {
                let mean = avg(&mut harness, time, value);
                assert!(time < 4 || mean == Some(5.5), "{spike}: {mean:?}");
            }
        }
    }
}

#[test]
fn numbers_that_are_not_finite_are_no_numbers() {
    let mut harness = start(2).unwrap();
    assert_eq!(mean(&mut harness, "a", 1.0), OwnedValue::Double(1.0));
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let input = point().tag("host", "a").group_by(&["host"]).field("value", value);
        assert!(harness.point(&input).unwrap().is_empty());
    }
    assert_eq!(mean(&mut harness, "a", 2.0), OwnedValue::Double(1.5));
}

#[test]
fn skips_points_without_the_field() {
    let mut harness = start(3).unwrap();
    assert!(harness.point(&point().field("other", 1.0)).unwrap().is_empty());
    assert!(harness.point(&point().field("value", "text")).unwrap().is_empty());
    assert_eq!(mean(&mut harness, "a", 2.0), OwnedValue::Double(2.0));
}

#[test]
fn refuses_a_window_of_nothing() {
    assert_eq!(start(0).err().unwrap().to_string(), "option `size`: must be at least 1, got 0");
}

proptest! {
    /// The average over a time is that of the numbers in it, summed up anew, also of large numbers with small
    /// differences.
    #[test]
    fn average_over_a_time_is_the_mean_of_its_numbers(
        steps in proptest::collection::vec((0_i64..30, -1000_i64..1000), 1..60),
        level in prop_oneof![Just(0_i64), Just(1_000_000_000_000_000)],
    ) {
        let mut harness = start_with([("field", "value".into()), ("period", Duration::from_nanos(50).into())]);
        let (mut time, mut numbers) = (0, Vec::new());
        for (step, number) in steps {
            time += step;
            numbers.push((time, level + number));
            numbers.retain(|(other, _)| time - other < 50);
            let sum: i64 = numbers.iter().map(|(_, number)| number).sum();
            let expected = sum as f64 / numbers.len() as f64;
            let mean = avg(&mut harness, time, (level + number) as f64).unwrap();
            prop_assert!((mean - expected).abs() <= 4e-16 * expected.abs(), "{mean} instead of {expected}");
        }
    }
}
