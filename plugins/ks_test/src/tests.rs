use super::*;
use kapacitor_guest::testing::{Harness, OptionArgument, point};
use probability::{exact, kolmogorov_above};
use proptest::prelude::*;
use statistic::distance;

fn start(options: &[(&'static str, OptionArgument)]) -> Result<Harness<KsTest>> {
    Harness::start(options.iter().cloned())
}

/// The point for a batch of these values of the field `value`.
fn send(harness: &mut Harness<KsTest>, values: &[f64]) -> NewPoint {
    let points: Vec<_> = values.iter().map(|value| point().field("value", *value)).collect();
    let batch = NewBatch::new("cpu").at(9).tag("host", "a");
    let mut sent = harness.batch(&batch, &points).unwrap();
    assert_eq!((sent.len(), sent[0].1.len()), (1, 1));
    sent.remove(0).1.remove(0)
}

#[test]
fn a_batch_is_compared_with_those_before() {
    let mut harness = start(&[("field", "value".into())]).unwrap();
    let first = send(&mut harness, &[1.0, 2.0, 3.0, 4.0]);
    assert_eq!((first.name.as_str(), first.time, first.tags["host"].as_str()), ("cpu", 9, "a"));
    assert_eq!(first.fields.into_iter().collect::<Vec<_>>(), [("anomaly".to_owned(), false.into())]);
    let second = send(&mut harness, &[9.0, 8.0, 7.0, 6.0]);
    // Of the 70 orders of eight values, two have all of one sample first.
    assert_eq!(second.number("d").unwrap(), 1.0);
    assert!((second.number("p").unwrap() - 2.0 / 70.0).abs() < 1e-15);
    assert_eq!(second.fields["anomaly"], false.into());
    let third = send(&mut harness, &[-1.0; 9]);
    assert_eq!(third.fields["anomaly"], true.into());
}

#[test]
fn the_same_values_have_no_distance() {
    let mut harness = start(&[("field", "value".into())]).unwrap();
    send(&mut harness, &[1e15, 3.0, -0.0]);
    let sent = send(&mut harness, &[3.0, 0.0, 1e15]);
    assert_eq!((sent.number("d").unwrap(), sent.number("p").unwrap()), (0.0, 1.0));
}

#[test]
fn the_history_is_bounded() {
    let values = |history: &History| history.values();
    let mut history = History::default();
    history.push(&[1.0, 2.0, 3.0], 2, 5);
    history.push(&[4.0, 5.0, 6.0], 2, 5);
    assert_eq!(values(&history), [2.0, 3.0, 4.0, 5.0, 6.0], "five values");
    history.push(&[7.0], 2, 5);
    assert_eq!(values(&history), [4.0, 5.0, 6.0, 7.0], "two batches");
    history.push(&(0..9).map(f64::from).collect::<Vec<_>>(), 2, 5);
    assert_eq!(values(&history), [4.0, 5.0, 6.0, 7.0, 8.0], "the newest of a large batch");
    history.push(&[9.0], 1, 5);
    assert_eq!(values(&history), [9.0]);
    // What the options no longer allow leaves as well.
    history.push(&[1.0, 2.0, 3.0, 4.0, 5.0], 3, 6);
    history.push(&[6.0], 3, 2);
    assert_eq!(values(&history), [5.0, 6.0]);
}

#[test]
fn fields_have_results_of_their_own() {
    let mut harness = start(&[("field", "a".into()), ("field", "b".into())]).unwrap();
    let batch = NewBatch::new("cpu").at(1);
    harness.batch(&batch, &[point().field("a", 1).field("b", 2.5), point().field("b", "text")]).unwrap();
    let sent = harness.batch(&batch, &[point().field("a", 3), point().field("b", f64::NAN)]).unwrap();
    let sent = &sent[0].1[0];
    assert_eq!((sent.number("a_d").unwrap(), sent.number("a_p").unwrap()), (1.0, 1.0));
    assert_eq!(sent.fields.keys().collect::<Vec<_>>(), ["a_anomaly", "a_d", "a_p"]);
    assert!(harness.batch(&batch, &[point().field("c", 1)]).unwrap().is_empty());
    assert!(harness.skips()[0].contains("no point of the batch has a number in field `a` or `b`"));
}

#[test]
fn options_are_checked() {
    for (option, value, expected) in [
        ("alpha", OptionArgument::from(f64::NAN), "option `alpha`: must be a number above 0 and below 1"),
        ("history", 1_000_000.into(), "option `history`: must be at most 100000"),
        ("size", 1_000_000.into(), "option `size`: must be at most 100000"),
        ("size", 0.into(), "option `size`: must be at least 1, got 0"),
        ("flag", "p".into(), "two results have the name `p`: choose another"),
    ] {
        let error = start(&[("field", "value".into()), (option, value)]).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

/// Computed by `scipy.stats.ks_2samp` of version 1.17.1 with `method="exact"`: sizes, the distance times both, the
/// probability.
const EXACT: &[(usize, usize, u64, f64)] = &[
    (5, 7, 21, 0.166_666_666_666_666_63),
    (10, 10, 30, 0.786_929_788_477_776_1),
    (10, 10, 70, 0.012_340_600_575_894_691),
    (60, 600, 10140, 0.000_267_689_267_953_341_9),
    (30, 1000, 12650, 3.328_457_733_935_638_5e-05),
    (100, 100, 900, 0.815_414_712_466_131_3),
    (100, 900, 63300, 2.080_040_909_205_858e-44),
    (333, 1000, 34453, 0.008_826_916_651_943_474),
    (1000, 1000, 43000, 0.313_680_038_732_058_2),
];

#[test]
fn exact_probabilities_are_those_of_scipy() {
    for (n, m, distance, expected) in EXACT {
        for found in [exact(*distance, *n, *m), exact(*distance, *m, *n)] {
            assert!(
                (found / expected - 1.0).abs() < 1e-11,
                "{n} {m} {distance}: {found:e}, not {expected:e}"
            );
        }
    }
}

/// Computed by `scipy.special.kolmogorov` of version 1.17.1.
const KOLMOGOROV: &[(f64, f64)] = &[
    (0.1, 1.0),
    (0.3, 0.999_990_694_198_665_5),
    (0.5, 0.963_945_243_664_875_1),
    (0.8, 0.544_142_411_574_198_1),
    (0.99, 0.280_873_839_225_548_9),
    (1.0, 0.269_999_671_677_354_56),
    (1.01, 0.259_434_169_093_597_46),
    (1.5, 0.022_217_962_616_525_127),
    (2.0, 0.000_670_925_255_779_695_3),
    (4.0, 2.532_833_109_818_835e-14),
    (8.0, 5.144_418_745_284_83e-56),
];

#[test]
fn probabilities_of_the_limit_are_those_of_scipy() {
    for (x, expected) in KOLMOGOROV {
        let found = kolmogorov_above(*x);
        assert!((found / expected - 1.0).abs() < 1e-13, "{x}: {found:e}, not {expected:e}");
    }
    assert_eq!((kolmogorov_above(0.0), kolmogorov_above(1e9)), (1.0, 0.0));
    assert!((kolmogorov_above(1.0) - kolmogorov_above(1.0 - 1e-15)).abs() < 1e-14);
}

/// Counts the orders of two samples.
fn counted(distance: u64, n: usize, m: usize) -> f64 {
    let (mut outside, mut all) = (0, 0);
    for order in 0..1_u32 << (n + m) {
        if order.count_ones() as usize == n {
            let (mut in_a, mut in_b, mut largest) = (0, 0, 0);
            for place in 0..n + m {
                if order >> place & 1 == 1 {
                    in_a += 1;
                } else {
                    in_b += 1;
                }
                largest = largest.max((in_a * m as u64).abs_diff(in_b * n as u64));
            }
            all += 1;
            outside += u32::from(largest >= distance);
        }
    }
    f64::from(outside) / f64::from(all)
}

#[test]
fn exact_probabilities_are_those_of_counting() {
    for (n, m) in [(1, 1), (1, 5), (3, 4), (6, 6), (4, 8), (9, 2)] {
        for distance in 0..=(n * m) as u64 {
            let (found, expected) = (exact(distance, n, m), counted(distance, n, m));
            assert!((found - expected).abs() < 1e-14, "{n} {m} {distance}: {found}, not {expected}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// The definition, at each value. Values with few digits have many that are equal.
    #[test]
    fn distances_are_those_of_the_definition(
        mut a in proptest::collection::vec((-9..9_i8).prop_map(f64::from), 1..30),
        mut b in proptest::collection::vec((-9..9_i8).prop_map(f64::from), 1..30),
    ) {
        let up_to = |values: &[f64], x: f64| values.iter().filter(|value| **value <= x).count() as u64;
        let at = |x: &f64| {
            (up_to(&a, *x) * b.len() as u64).abs_diff(up_to(&b, *x) * a.len() as u64)
        };
        let expected = a.iter().chain(&b).map(at).max().unwrap();
        a.sort_unstable_by(f64::total_cmp);
        b.sort_unstable_by(f64::total_cmp);
        prop_assert_eq!(distance(&a, &b), expected);
        prop_assert_eq!(distance(&b, &a), expected);
    }

    #[test]
    fn results_are_numbers(batches in proptest::collection::vec(proptest::collection::vec(prop_oneof![any::<f64>(), -1.0..1.0, Just(f64::MAX), Just(f64::MIN)], 0..30), 1..6), size in 1..40_i64) {
        let mut harness = start(&[("field", "value".into()), ("size", size.into())]).unwrap();
        for batch in batches {
            let points: Vec<_> = batch.iter().map(|value| point().field("value", *value)).collect();
            harness.batch(&NewBatch::new("cpu"), &points).unwrap();
        }
        prop_assert_eq!(harness.left_out(), 0);
    }
}
