//! Tests of the plugin.

use kapacitor_guest::testing::{Harness, OptionArgument, lines, point};
use proptest::prelude::*;

use super::*;

type Given = (&'static str, OptionArgument);

fn start(options: impl IntoIterator<Item = Given>) -> Result<Harness<Ema>> {
    Harness::start([("field", "value".into())].into_iter().chain(options))
}

/// The averages of values that come every second.
fn averages(harness: &mut Harness<Ema>, values: &[f64]) -> Vec<f64> {
    let points =
        (0..).zip(values).map(|(second, value)| point().at(second * 1_000_000_000).field("value", *value));
    let sent = harness.points(points).unwrap();
    sent.iter().map(|point| point.number("ema").unwrap()).collect()
}

#[test]
fn weight_is_alpha_or_that_of_a_span_or_a_half_life() {
    let values = [8.0, 16.0, 16.0];
    let by = |options: &[Given]| averages(&mut start(options.to_vec()).unwrap(), &values);
    assert_eq!(by(&[("alpha", 0.5.into())]), [8.0, 12.0, 14.0]);
    assert_eq!(by(&[("size", 3.into())]), [8.0, 12.0, 14.0]);
    assert_eq!(by(&[("half_life", Duration::from_secs(1).into())]), [8.0, 12.0, 14.0]);
    assert_eq!(by(&[("alpha", 1.0.into())]), values);
    assert_eq!(by(&[]), by(&[("size", 10.into())]));
}

#[test]
fn options_are_checked() {
    let error = |options: &[Given]| start(options.to_vec()).unwrap_err().to_string();
    let only_one = "options `alpha`, `size` and `half_life`: only one of them may be given";
    assert_eq!(error(&[("alpha", 0.5.into()), ("size", 3.into())]), only_one);
    assert_eq!(error(&[("size", 3.into()), ("half_life", Duration::from_secs(1).into())]), only_one);
    for alpha in [0.0, -0.1, 1.1, f64::NAN] {
        let expected = "option `alpha`: must be a number above 0 and at most 1";
        assert_eq!(error(&[("alpha", alpha.into())]), expected);
    }
    assert_eq!(error(&[("half_life", Duration::ZERO.into())]), "option `half_life`: must be more than 0s");
}

#[test]
fn groups_and_fields_have_averages_of_their_own() {
    let options =
        [("field", "a".into()), ("field", "b".into()), ("alpha", 0.5.into()), ("as", "mean".into())];
    let mut harness = Harness::<Ema>::start(options).unwrap();
    let input = "cpu,host=x a=2,b=10i 1\ncpu,host=y a=100 2\ncpu,host=x b=20 3\ncpu,host=x a=4,b=0,c=5 4";
    let points = lines(input).unwrap().into_iter().map(|point| point.group_by(&["host"]));
    let sent = harness.points(points).unwrap();
    let of = |name: &str| sent.iter().map(|point| point.number(name).ok()).collect::<Vec<_>>();
    assert_eq!(of("a_mean"), [Some(2.0), Some(100.0), None, Some(3.0)]);
    assert_eq!(of("b_mean"), [Some(10.0), None, Some(15.0), Some(7.5)]);
}

#[test]
fn numbers_that_are_not_finite_are_no_numbers() {
    let mut harness = start([("alpha", 0.5.into())]).unwrap();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(averages(&mut harness, &[]).is_empty());
        assert!(harness.point(&point().field("value", value)).unwrap().is_empty());
    }
    assert_eq!(averages(&mut harness, &[1.0, 2.0]), [1.0, 1.5]);
    assert!(harness.point(&point().field("value", "text")).unwrap().is_empty());
}

#[test]
fn points_that_are_late_pass_without_an_average() {
    let mut harness = start([("half_life", Duration::from_nanos(10).into())]).unwrap();
    let mut at = |time| harness.point(&point().at(time).field("value", 1.0)).unwrap().remove(0);
    assert_eq!(at(100).number("ema").unwrap(), 1.0);
    let late = at(90);
    assert_eq!(late.number("value").unwrap(), 1.0);
    assert!(!late.fields.contains_key("ema"));
}

proptest! {
    /// An average lies between the least and the greatest number so far, and a constant is its own average.
    #[test]
    fn average_is_between_the_numbers(
        values in proptest::collection::vec(prop_oneof![-1e15..1e15, -1e-15..1e-15], 1..50),
        alpha in 0.001_f64..1.0,
    ) {
        let given = averages(&mut start([("alpha", alpha.into())]).unwrap(), &values);
        let (mut least, mut greatest) = (f64::INFINITY, f64::NEG_INFINITY);
        for (value, average) in values.iter().zip(given) {
            (least, greatest) = (least.min(*value), greatest.max(*value));
            let rounding = 1e-15 / alpha * least.abs().max(greatest.abs());
            prop_assert!(average >= least - rounding && average <= greatest + rounding);
        }
        prop_assert_eq!(averages(&mut start([("alpha", alpha.into())]).unwrap(), &[0.1; 9]), [0.1; 9]);
    }

    /// With times in equal intervals, a half-life is an `alpha`.
    #[test]
    fn half_life_is_an_alpha_where_times_are_regular(
        values in proptest::collection::vec(-1e3..1e3, 1..50),
        seconds in 1_u64..1000,
    ) {
        let half_life = ("half_life", Duration::from_secs(seconds).into());
        let alpha = ("alpha", (1.0 - 0.5_f64.powf(1.0 / seconds as f64)).into());
        let by_time = averages(&mut start([half_life]).unwrap(), &values);
        let by_alpha = averages(&mut start([alpha]).unwrap(), &values);
        prop_assert!(by_time.iter().zip(by_alpha).all(|(a, b)| (a - b).abs() < 1e-9));
    }
}
