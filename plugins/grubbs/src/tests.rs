use super::*;
use kapacitor_guest::testing::{Harness, OptionArgument, point};
use proptest::prelude::*;
use statistic::{Furthest, furthest};

/// The values that are sent, with score and critical value.
fn outliers(
    options: &[(&'static str, OptionArgument)],
    values: &[impl Into<OwnedValue> + Clone],
) -> Vec<(OwnedValue, f64, f64)> {
    let field = ("field", "value".into());
    let mut harness = Harness::<Grubbs>::start([field].into_iter().chain(options.iter().cloned())).unwrap();
    let points: Vec<_> =
        values.iter().map(|value| point().field("value", value.clone()).field("id", 1)).collect();
    let batches = harness.batch(&NewBatch::new("cpu").at(9), &points).unwrap();
    assert_eq!(batches.len(), 1);
    let read = |sent: &NewPoint| {
        let number = |name| sent.number(name).unwrap();
        (sent.fields["value"].clone(), number("score"), number("critical"))
    };
    batches[0].1.iter().map(read).collect()
}

/// The measurements of uranium by a mass spectrometer that the NIST/SEMATECH e-Handbook of Statistical Methods has as
/// its example, section 1.3.5.17.1: G = 2.4687, and 2.032 is critical at the level 0.05 of one side.
const URANIUM: [f64; 8] = [199.31, 199.53, 200.19, 200.82, 201.92, 201.95, 202.18, 245.57];

#[test]
fn the_example_of_the_handbook_has_an_outlier() {
    let sent = outliers(&[("side", "high".into())], &URANIUM);
    assert_eq!(sent.len(), 1);
    let (value, score, critical) = &sent[0];
    assert_eq!(*value, OwnedValue::Double(245.57));
    assert!((score - 2.4687).abs() < 1e-4 && (critical - 2.032).abs() < 5e-4, "{score} {critical}");
    assert_eq!(outliers(&[("side", "low".into())], &URANIUM), []);
    // Looking at both sides has a larger critical value.
    assert!((outliers(&[], &URANIUM)[0].2 - 2.1266).abs() < 5e-5);
}

#[test]
fn fewer_than_three_values_have_no_outlier() {
    let few: [&[f64]; 4] = [&[], &[1.0], &[1.0, 1e9], &[1.0, f64::NAN, f64::INFINITY, 1e9]];
    for values in few {
        assert_eq!(outliers(&[], values), []);
    }
    // At the level 0.05 three values need a ratio of distances above 33.
    assert_eq!(outliers(&[], &[0.0, 1.0, 33.0]), []);
    assert_eq!(outliers(&[], &[0.0, 1.0, 41.0]).len(), 1);
}

#[test]
fn values_that_are_the_same_have_no_outlier() {
    assert_eq!(outliers(&[], &[0.1; 100]), []);
    assert_eq!(furthest(&[1e308; 5], Side::Both), None);
}

#[test]
fn ints_and_doubles_count_and_all_else_does_not() {
    let mut values: Vec<OwnedValue> = (0..20).map(|number| OwnedValue::Int(number % 3)).collect();
    values.extend([f64::INFINITY.into(), f64::NAN.into(), "text".into(), OwnedValue::Int(50)]);
    let sent = outliers(&[], &values);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].0, OwnedValue::Int(50));
}

#[test]
fn the_first_of_equal_values_is_sent() {
    let mut values = vec![0.0; 50];
    (values[10], values[30], values[40]) = (-9.0, 9.0, 9.0);
    assert_eq!(furthest(&values, Side::Low).unwrap().place, 10);
    assert_eq!(furthest(&values, Side::High).unwrap().place, 30);
}

#[test]
fn numbers_of_any_size_have_the_same_score() {
    let at = |origin: f64, unit: f64| {
        let values: Vec<f64> = [1.0, 2.0, 3.0, 2.0, 40.0].iter().map(|value| origin + unit * value).collect();
        furthest(&values, Side::Both).unwrap().score
    };
    let expected = at(0.0, 1.0);
    for (origin, unit) in
        [(1e15, 1.0), (-1e15, 1.0), (0.0, 4e306), (0.0, -4e306), (0.0, 1e-310), (0.0, 5e-324)]
    {
        let found = at(origin, unit);
        assert!((found / expected - 1.0).abs() < 1e-12, "{origin} {unit}: {found}, not {expected}");
    }
    let whole_range = [f64::MIN, f64::MAX, 0.0, 0.0];
    assert!((furthest(&whole_range, Side::Both).unwrap().score - 1.5_f64.sqrt()).abs() < 1e-15);
}

#[test]
fn options_are_checked() {
    for (option, value, expected) in [
        ("alpha", OptionArgument::from(0.0), "option `alpha`: must be a number above 0 and below 1"),
        ("alpha", f64::NAN.into(), "option `alpha`: must be a number above 0 and below 1"),
        ("side", "up".into(), "option `side`: must be 'both', 'high' or 'low', got 'up'"),
        ("as", "critical".into(), "two results have the name `critical`: choose another"),
    ] {
        let error = Harness::<Grubbs>::start([("field", "value".into()), (option, value)]).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The definition, in two passes.
    #[test]
    fn scores_are_those_of_the_definition(
        values in proptest::collection::vec(prop_oneof![-9.0..9.0_f64, Just(f64::NAN), -1e3..1e3], 3..40),
        side in prop_oneof![Just(Side::Both), Just(Side::High), Just(Side::Low)],
    ) {
        let finite: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        let count = finite.len() as f64;
        let mean = finite.iter().sum::<f64>() / count;
        let sigma = (finite.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt();
        let expected = finite.iter().map(|value| side.distance(value - mean) / sigma).fold(f64::MIN, f64::max);
        match furthest(&values, side) {
            Some(Furthest { place, score, count }) => {
                prop_assert_eq!(count, finite.len());
                prop_assert!((score / expected - 1.0).abs() < 1e-9, "{} {}", score, expected);
                prop_assert!((side.distance(values[place] - mean) / sigma - expected).abs() < 1e-9);
            }
            None => prop_assert!(finite.len() < 2),
        }
    }

    #[test]
    fn results_are_numbers(values in proptest::collection::vec(prop_oneof![any::<f64>(), -1.0..1.0, Just(f64::MAX), Just(f64::MIN)], 0..30)) {
        for side in ["both", "high", "low"] {
            let options = [("field", "value".into()), ("alpha", 0.9.into()), ("side", side.into())];
            let mut harness = Harness::<Grubbs>::start(options).unwrap();
            let points: Vec<_> =
                values.iter().filter(|value| value.is_finite()).map(|value| point().field("value", *value)).collect();
            harness.batch(&NewBatch::new("cpu"), &points).unwrap();
            prop_assert_eq!(harness.left_out(), 0);
        }
    }
}
