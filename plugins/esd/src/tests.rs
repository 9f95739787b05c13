use super::*;
use kapacitor_guest::testing::{Harness, OptionArgument, flag, point};
use procedure::Outlier;
use proptest::prelude::*;

const NORMAL: Test = Test { alpha: 0.05, side: Side::Both, hybrid: false };

/// The data of Rosner's paper, which the NIST/SEMATECH e-Handbook of Statistical Methods has in section 1.3.5.17.3.
const ROSNER: [f64; 54] = [
    -0.25, 0.68, 0.94, 1.15, 1.20, 1.26, 1.26, 1.34, 1.38, 1.43, 1.49, 1.49, 1.55, 1.56, 1.58, 1.65, 1.69,
    1.70, 1.76, 1.77, 1.81, 1.91, 1.94, 1.96, 1.99, 2.06, 2.09, 2.10, 2.14, 2.15, 2.23, 2.24, 2.26, 2.35,
    2.37, 2.40, 2.47, 2.54, 2.62, 2.64, 2.90, 2.92, 2.92, 2.93, 3.21, 3.26, 3.30, 3.59, 3.68, 4.30, 4.64,
    5.34, 5.42, 6.01,
];

#[test]
fn rosners_data_has_three_outliers() {
    let found = NORMAL.outliers(&ROSNER, 10);
    // Those of the handbook: the scores and critical values of the first three.
    let expected = [(51, 3.179_424, 3.143_890), (52, 2.942_973, 3.151_430), (53, 3.118_906, 3.158_794)];
    assert_eq!(found.len(), 3);
    for (outlier, (place, score, critical)) in found.into_iter().zip(expected) {
        assert_eq!(outlier.place, place);
        assert!(
            (outlier.score - score).abs() < 1e-6 && (outlier.critical - critical).abs() < 1e-6,
            "{outlier:?}"
        );
    }
    // A single one hides behind the others.
    assert_eq!(NORMAL.outliers(&ROSNER, 2), []);
}

/// The definition: each step looks at all that are left.
fn naive(values: &[f64], most: usize, test: Test) -> Vec<Outlier> {
    let mut left: Vec<(f64, usize)> =
        values.iter().copied().zip(0..).filter(|(value, _)| !value.is_nan()).collect();
    let (mut found, mut taken) = (0, Vec::new());
    for _ in 0..most.min(left.len() / 2) {
        let count = left.len() as f64;
        let mut numbers: Vec<f64> = left.iter().map(|(value, _)| *value).collect();
        let (center, sigma) = if test.hybrid {
            let center = algorithms::median(&mut numbers);
            let mut distances: Vec<f64> = numbers.iter().map(|value| (value - center).abs()).collect();
            (center, 1.482_602_218_505_602 * algorithms::median(&mut distances))
        } else {
            let mean = numbers.iter().sum::<f64>() / count;
            (mean, (numbers.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt())
        };
        let distance = |(value, _): &(f64, usize)| test.side.distance(value - center);
        let Some(furthest) =
            (0..left.len()).max_by(|a, b| distance(&left[*a]).total_cmp(&distance(&left[*b])).then(b.cmp(a)))
        else {
            break;
        };
        if sigma <= 1e-12 {
            break;
        }
        let score = distance(&left[furthest]) / sigma;
        let p = test.alpha / test.side.count() / count;
        let critical = algorithms::distributions::critical_deviation(left.len(), p).unwrap_or(f64::INFINITY);
        let (_, place) = left.remove(furthest);
        taken.push(Outlier { place, score, critical });
        if score > critical {
            found = taken.len();
        }
    }
    taken.truncate(found);
    taken.sort_unstable_by_key(|outlier| outlier.place);
    taken
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Values with few digits have many that are equal, and a shift of their size makes no two distances equal.
    #[test]
    fn outliers_are_those_of_the_definition(
        values in proptest::collection::vec(
            prop_oneof![
                8 => (0..40_i32).prop_map(|number| f64::from(number) * 0.05),
                1 => (-30..30_i32).prop_map(f64::from),
                1 => Just(f64::NAN),
            ],
            0..60,
        ),
        most in 1..12_usize,
        alpha in 0.001..0.5,
        hybrid in any::<bool>(),
        side in prop_oneof![Just(Side::Both), Just(Side::High), Just(Side::Low)],
    ) {
        // No distance on one side of the center is equal to one on the other.
        let bent: Vec<f64> = values.iter().map(|value| value + 1e-4 * value * value).collect();
        let test = Test { alpha, side, hybrid };
        let (found, expected) = (test.outliers(&bent, most), naive(&bent, most, test));
        prop_assert_eq!(found.len(), expected.len(), "{:?} {:?}", found, expected);
        for (found, expected) in found.into_iter().zip(expected) {
            prop_assert_eq!(found.place, expected.place);
            prop_assert!((found.score / expected.score - 1.0).abs() < 1e-9, "{:?} {:?}", found, expected);
            prop_assert!((found.critical / expected.critical - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn numbers_of_any_size_have_the_same_outliers() {
    let places = |origin: f64, unit: f64, hybrid| -> Vec<usize> {
        let values: Vec<f64> = ROSNER.iter().map(|value| origin + unit * value).collect();
        Test { hybrid, alpha: 0.2, ..NORMAL }
            .outliers(&values, 10)
            .iter()
            .map(|outlier| outlier.place)
            .collect()
    };
    for hybrid in [false, true] {
        let expected = places(0.0, 1.0, hybrid);
        assert!(expected.len() >= 3);
        for (origin, unit) in [(1e15, 1e4), (0.0, 1e-300), (0.0, -1e307), (0.0, 1e306)] {
            assert_eq!(places(origin, unit, hybrid), expected, "{origin} {unit}");
        }
    }
}

#[test]
fn an_outlier_of_any_size_leaves_no_error_behind() {
    let mut values = ROSNER.to_vec();
    for giant in [1e20, -1e20, f64::MAX / 8.0] {
        values.push(giant);
        let found = NORMAL.outliers(&values, 10);
        assert_eq!(found.len(), 4, "{giant}");
        for (outlier, score) in found.iter().zip([3.179_424, 2.942_973, 3.118_906]) {
            assert!((outlier.score - score).abs() < 1e-6, "{giant}: {outlier:?}");
        }
        // As far as one of n values can be: (n - 1) / √n.
        assert!((found[3].score - 54.0 / 55.0_f64.sqrt()).abs() < 1e-12, "{giant}: {:?}", found[3]);
        values.pop();
    }
}

#[test]
fn values_without_spread_have_no_outliers() {
    assert_eq!(NORMAL.outliers(&[7.0; 50], 5), []);
    assert_eq!(NORMAL.outliers(&[1.0, 1e9], 5), []);
    let mut values = vec![0.0; 50];
    values[7] = 1.0;
    assert_eq!(NORMAL.outliers(&values, 5)[0].place, 7);
    // More than half are the same.
    assert_eq!(Test { hybrid: true, ..NORMAL }.outliers(&values, 5), []);
}

#[test]
fn medians_of_classes_are_subtracted() {
    let mut values = [1.0, 10.0, f64::NAN, 30.0, 5.0, 20.0, 2.0, f64::NAN];
    subtract_medians(&mut values, [0, 1, 0, 1, 0, 1, 0, 3].into_iter(), 5);
    assert!(values[2].is_nan() && values[7].is_nan());
    let found: Vec<f64> = values.into_iter().filter(|value| !value.is_nan()).collect();
    assert_eq!(found, [-1.0, -10.0, 10.0, 3.0, 0.0, 0.0]);
}

/// No point is sent.
const NONE: [i64; 0] = [];

type Options = Vec<(&'static str, OptionArgument)>;

/// The times of the points that are sent.
fn sent(options: Options, points: &[NewPoint]) -> Vec<i64> {
    let field = ("field", OptionArgument::from("value"));
    let mut harness = Harness::<Esd>::start(std::iter::once(field).chain(options)).unwrap();
    let batches = harness.batch(&NewBatch::new("cpu").at(1000), points).unwrap();
    assert_eq!(batches.len(), 1);
    batches[0].1.iter().map(|point| point.time).collect()
}

/// A sawtooth of five values on a slope, with some noise, whose value at 234 is usual, but not at its place.
fn seasonal() -> Vec<NewPoint> {
    let value = |time: i64| (time % 5) as f64 + (time / 100) as f64 * 20.0 + (time * 7 % 11) as f64 * 0.01;
    let unusual = |time| if time == 234 { value(time) - 3.0 } else { value(time) };
    (0..1000).map(|time| point().at(time).field("value", unusual(time))).collect()
}

#[test]
fn seasons_and_trends_are_taken_away() {
    let ns = Duration::from_nanos;
    let points = seasonal();
    assert_eq!(sent(vec![], &points), NONE);
    let by_time = || vec![("period", ns(5).into()), ("slots", 5.into()), ("trend", ns(100).into())];
    assert_eq!(sent(by_time(), &points), [234]);
    let by_number = vec![("size", 5.into()), ("trend", ns(100).into())];
    assert_eq!(sent(by_number, &points), [234]);
    assert_eq!(sent(vec![("size", 5.into())], &points), NONE, "the trend hides it");
    // Only what is new.
    assert_eq!(sent([by_time(), vec![("last", ns(766).into())]].concat(), &points), [234]);
    assert_eq!(sent([by_time(), vec![("last", ns(765).into())]].concat(), &points), NONE);
}

#[test]
fn large_numbers_lose_trend_and_season() {
    // The difference of two values is more than the largest number.
    let value = |time: i64| match time % 3 {
        0 if time == 45 => 0.5,
        0 => 0.9 + 0.01 * (time * 7 % 11) as f64 / 11.0,
        _ => -0.9 - 0.01 * (time * 5 % 11) as f64 / 11.0,
    };
    let points: Vec<_> =
        (0..90).map(|time| point().at(time).field("value", value(time) * f64::MAX)).collect();
    let options = vec![("size", 3.into()), ("trend", Duration::from_secs(1).into())];
    assert_eq!(sent(options, &points), [45]);
}

#[test]
fn points_without_a_number_keep_their_phase() {
    let mut points = seasonal();
    for (place, value) in [(3, OwnedValue::from(f64::NAN)), (77, "text".into()), (500, f64::INFINITY.into())]
    {
        points[place] = point().at(place as i64).field("value", value);
    }
    points[900] = point().at(900).field("other", 1);
    let options = vec![("size", 5.into()), ("trend", Duration::from_nanos(100).into())];
    assert_eq!(sent(options, &points), [234]);
    assert_eq!(sent(vec![("size", 5.into()), ("trend", Duration::from_secs(1).into())], &[]), NONE);
}

#[test]
fn the_number_of_outliers_is_bounded() {
    let mut points: Vec<_> = (0..100).map(|time| point().at(time).field("value", time % 7)).collect();
    (0..20).for_each(|place| {
        points[place * 5] = point().at(place as i64 * 5).field("value", 1000 + place as i64);
    });
    let count = |options: Options| sent([options, vec![("hybrid", flag())]].concat(), &points).len();
    assert_eq!(count(vec![]), 10);
    assert_eq!(count(vec![("max_share", 0.5.into())]), 20);
    assert_eq!(count(vec![("max_anomalies", 15.into())]), 15);
    assert_eq!(count(vec![("max_anomalies", 15.into()), ("max_share", 0.05.into())]), 5);
}

#[test]
fn options_are_checked() {
    for (options, expected) in [
        (vec![("alpha", 0.0.into())], "option `alpha`: must be a number above 0 and below 1"),
        (vec![("max_share", 0.6.into())], "option `max_share`: must be a number above 0 and at most 0.5"),
        (
            vec![("size", 7.into()), ("period", Duration::from_secs(1).into())],
            "options `size` and `period`: only one can be given",
        ),
        (vec![("trend", Duration::ZERO.into())], "option `trend`: must be above 0"),
        (vec![("period", Duration::ZERO.into())], "option `period`: must be above 0"),
        (vec![("size", 1_000_000.into())], "option `size`: must be at most 100000"),
    ] {
        let field = ("field", OptionArgument::from("value"));
        let error = Harness::<Esd>::start(std::iter::once(field).chain(options)).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn results_are_numbers(values in proptest::collection::vec(prop_oneof![any::<f64>(), -1.0..1.0, Just(f64::MAX), Just(f64::MIN)], 0..30), hybrid in any::<bool>(), size in 0..4_i64, trend in 0..20_u64) {
        let mut options = vec![("field", OptionArgument::from("value")), ("alpha", 0.9.into()), ("max_share", 0.5.into())];
        options.extend(hybrid.then(|| ("hybrid", flag())));
        options.extend((size > 0).then(|| ("size", size.into())));
        options.extend((trend > 0).then(|| ("trend", Duration::from_nanos(trend).into())));
        let mut harness = Harness::<Esd>::start(options).unwrap();
        let finite = values.iter().zip(0..).filter(|(value, _)| value.is_finite());
        let points: Vec<_> = finite.map(|(value, time)| point().at(time).field("value", *value)).collect();
        harness.batch(&NewBatch::new("cpu"), &points).unwrap();
        prop_assert_eq!(harness.left_out(), 0);
    }
}
