use super::*;
use kapacitor_guest::testing::{Harness, OptionArgument, point};
use proptest::prelude::*;

fn start(options: &[(&'static str, OptionArgument)]) -> Result<Harness<Ttest>> {
    Harness::start(options.iter().cloned())
}

/// The point for a batch of these values of the field `value`.
fn send(harness: &mut Harness<Ttest>, values: &[f64]) -> NewPoint {
    let points: Vec<_> = values.iter().map(|value| point().field("value", *value)).collect();
    let batch = NewBatch::new("cpu").at(9).tag("host", "a");
    let mut sent = harness.batch(&batch, &points).unwrap();
    assert_eq!((sent.len(), sent[0].1.len()), (1, 1));
    sent.remove(0).1.remove(0)
}

fn is_near(found: f64, expected: f64) -> bool {
    (found / expected - 1.0).abs() < 1e-12
}

#[test]
fn a_batch_is_compared_with_those_before() {
    let mut harness = start(&[("field", "value".into()), ("history", 2.into())]).unwrap();
    let first = send(&mut harness, &[1.0, 2.0, 3.0]);
    assert_eq!((first.name.as_str(), first.time, first.tags["host"].as_str()), ("cpu", 9, "a"));
    assert_eq!(first.fields.keys().collect::<Vec<_>>(), ["anomaly", "mean"]);
    assert_eq!(first.fields["anomaly"], false.into());
    let second = send(&mut harness, &[4.0, 5.0, 7.0]);
    assert_eq!(second.number("mean_before").unwrap(), 2.0);
    // By scipy.stats.ttest_ind([4, 5, 7], [1, 2, 3], equal_var=False).
    assert!(is_near(second.number("t").unwrap(), 3.162_277_660_168_379_5), "{second:?}");
    assert!(is_near(second.number("df").unwrap(), 3.448_275_862_068_965_3), "{second:?}");
    assert!(is_near(second.number("p").unwrap(), P_SECOND), "{second:?}");
    let third = send(&mut harness, &[1.0, 5.0]);
    assert!(is_near(third.number("mean_before").unwrap(), 11.0 / 3.0), "both batches: {third:?}");
    // The first batch has left.
    assert!(is_near(send(&mut harness, &[0.0, 0.0]).number("mean_before").unwrap(), 4.4));
}

/// See above.
const P_SECOND: f64 = 0.041_914_517_471_454_034;

#[test]
fn sides_have_half_the_probability() {
    let p = |side: &'static str| {
        let mut harness = start(&[("field", "value".into()), ("side", side.into())]).unwrap();
        send(&mut harness, &[1.0, 2.0, 3.0]);
        send(&mut harness, &[4.0, 5.0, 7.0]).number("p").unwrap()
    };
    assert!(is_near(p("high"), P_SECOND / 2.0));
    assert!(is_near(p("low"), 1.0 - P_SECOND / 2.0));
    assert!(is_near(p("both"), P_SECOND));
}

#[test]
fn values_without_variance_differ_or_not() {
    let mut harness = start(&[("field", "value".into())]).unwrap();
    send(&mut harness, &[0.1; 5]);
    let same = send(&mut harness, &[0.1; 9]);
    assert_eq!((same.number("p").unwrap(), same.number("t").unwrap()), (1.0, 0.0));
    assert_eq!(same.fields["anomaly"], false.into());
    let other = send(&mut harness, &[0.2; 3]);
    assert_eq!(other.number("p").unwrap(), 0.0);
    assert_eq!(other.fields["anomaly"], true.into());
    assert!(!other.fields.contains_key("t") && !other.fields.contains_key("df"));
}

#[test]
fn a_test_needs_two_values_in_each_sample() {
    let mut harness = start(&[("field", "value".into())]).unwrap();
    for (values, fields) in [
        (&[5.0][..], &["anomaly", "mean"][..]),
        (&[6.0, 7.0], &["anomaly", "mean", "mean_before"]),
        (&[6.0], &["anomaly", "mean", "mean_before"]),
        (&[6.0, 7.0], &["anomaly", "df", "mean", "mean_before", "p", "t"]),
        // A variance that is no number.
        (&[1e300, -1e300], &["anomaly", "mean", "mean_before"]),
    ] {
        assert_eq!(send(&mut harness, values).fields.keys().collect::<Vec<_>>(), fields, "{values:?}");
    }
    assert_eq!(harness.left_out(), 0);
}

#[test]
fn differences_that_are_no_numbers_have_no_results() {
    let mut harness = start(&[("field", "value".into()), ("history", 1.into())]).unwrap();
    send(&mut harness, &[f64::MIN, f64::MIN]);
    for (values, fields) in [
        (&[f64::MAX, 1e308][..], &["anomaly", "mean"][..]),
        (&[-1e308, -1e308], &["anomaly", "mean"]),
        (&[-1e308, -1e308], &["anomaly", "mean", "mean_before", "p", "t"]),
    ] {
        assert_eq!(send(&mut harness, values).fields.keys().collect::<Vec<_>>(), fields, "{values:?}");
    }
    assert_eq!(harness.left_out(), 0);
}

#[test]
fn a_large_mean_costs_no_digits() {
    let p = |origin: f64, unit: f64| {
        let mut harness = start(&[("field", "value".into())]).unwrap();
        send(&mut harness, &[1.0, 2.0, 3.0].map(|value| origin + unit * value));
        send(&mut harness, &[4.0, 5.0, 7.0].map(|value| origin + unit * value)).number("p").unwrap()
    };
    for (origin, unit) in [(1e15, 1.0), (-1e15, 1.0), (0.0, 1e-15), (0.0, 1e150), (0.0, 1e-150)] {
        assert!(is_near(p(origin, unit), P_SECOND), "{origin} {unit}");
    }
}

#[test]
fn a_wrong_value_is_forgotten_with_its_batch() {
    let mut harness = start(&[("field", "value".into()), ("history", 1.into())]).unwrap();
    send(&mut harness, &[1.8e19, 1.0, 2.0]);
    assert!(send(&mut harness, &[1.0, 2.0, 3.0]).number("p").unwrap() > 0.3);
    assert!(is_near(send(&mut harness, &[4.0, 5.0, 7.0]).number("p").unwrap(), P_SECOND));
}

#[test]
fn fields_have_results_of_their_own() {
    let mut harness = start(&[("field", "a".into()), ("field", "b".into())]).unwrap();
    let batch = NewBatch::new("cpu").at(1);
    let send = |harness: &mut Harness<Ttest>, points: &[NewPoint]| harness.batch(&batch, points).unwrap();
    let number = |value: f64| point().field("a", value).field("b", -2.0 * value);
    send(&mut harness, &[number(1.0), number(2.0), number(3.0), point().field("b", 1.0)]);
    let sent = send(&mut harness, &[point().field("a", 4), point().field("a", 5), point().field("a", 7)]);
    let sent = &sent[0].1[0];
    assert!(is_near(sent.number("a_p").unwrap(), P_SECOND));
    assert!(!sent.fields.contains_key("b_mean") && !sent.fields.contains_key("b_anomaly"), "{sent:?}");
    // Nothing to say of the batch.
    assert!(send(&mut harness, &[point().field("c", 1), point().field("a", f64::NAN)]).is_empty());
    assert!(send(&mut harness, &[]).is_empty());
    assert!(harness.skips()[0].contains("no point of the batch has a number in field `a` or `b`"));
}

#[test]
fn options_are_checked() {
    for (option, value, expected) in [
        ("alpha", OptionArgument::from(1.0), "option `alpha`: must be a number above 0 and below 1"),
        ("history", 1001.into(), "option `history`: must be at most 1000"),
        ("history", 0.into(), "option `history`: must be at least 1, got 0"),
        ("flag", "p".into(), "option `flag`: must not be the name of another result"),
    ] {
        let error = start(&[("field", "value".into()), (option, value)]).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The definition, in two passes, on the values of all batches of the history together.
    #[test]
    fn statistics_are_those_of_the_definition(
        batches in proptest::collection::vec(proptest::collection::vec(-50.0..50.0_f64, 2..20), 2..8),
        history in 1..5_usize,
    ) {
        let mut harness = start(&[("field", "value".into()), ("history", (history as i64).into())]).unwrap();
        for (place, batch) in batches.iter().enumerate() {
            let sent = send(&mut harness, batch);
            if place == 0 {
                continue;
            }
            let before: Vec<f64> = batches[place.saturating_sub(history)..place].concat();
            let of = |values: &[f64]| {
                let count = values.len() as f64;
                let mean = values.iter().sum::<f64>() / count;
                (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0) / count, count)
            };
            let ((mean, v, n), (mean_before, w, m)) = (of(batch), of(&before));
            let t = (mean - mean_before) / (v + w).sqrt();
            let freedom = (v + w).powi(2) / (v * v / (n - 1.0) + w * w / (m - 1.0));
            prop_assert!((sent.number("t").unwrap() - t).abs() < 1e-9 * t.abs().max(1.0));
            prop_assert!((sent.number("df").unwrap() / freedom - 1.0).abs() < 1e-9);
            prop_assert!((sent.number("mean").unwrap() - mean).abs() < 1e-12 * 50.0);
        }
    }

    #[test]
    fn results_are_numbers(batches in proptest::collection::vec(proptest::collection::vec(prop_oneof![any::<f64>(), -1.0..1.0, Just(f64::MAX), Just(f64::MIN)], 0..30), 1..6)) {
        let mut harness = start(&[("field", "value".into()), ("history", 2.into())]).unwrap();
        for batch in batches {
            let points: Vec<_> = batch.iter().map(|value| point().field("value", *value)).collect();
            harness.batch(&NewBatch::new("cpu"), &points).unwrap();
        }
        prop_assert_eq!(harness.left_out(), 0);
    }
}
