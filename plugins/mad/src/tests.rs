use algorithms::MAX_SCORE;
use kapacitor_guest::testing::{Harness, OptionArgument, flag, point};
use proptest::prelude::*;

use super::*;

fn start(options: Vec<(&'static str, OptionArgument)>) -> Result<Harness<Mad>> {
    Harness::start([("field", "value".into())].into_iter().chain(options))
}

/// The score, if there is one, and the flag of each value.
fn verdicts(harness: &mut Harness<Mad>, values: &[f64]) -> Vec<(Option<f64>, bool)> {
    let sent = values.iter().map(|value| harness.point(&point().field("value", *value)).unwrap().remove(0));
    sent.map(|point| (point.number("score").ok(), point.fields["anomaly"] == true.into())).collect()
}

#[test]
fn a_score_is_the_distance_from_the_median() {
    // The deviations of 2, 3, 4, 5 and 40 from 4 are 2, 1, 0, 1 and 36.
    let mut harness = start(vec![("size", 5.into())]).unwrap();
    let found = verdicts(&mut harness, &[1.0, 2.0, 3.0, 4.0, 5.0, 40.0]);
    assert_eq!(found[3], (None, false));
    let expected = |distance: f64| Some(distance / Quantiles::SIGMA_PER_MAD);
    assert_eq!(found[4..], [(expected(2.0), false), (expected(36.0), true)]);
}

#[test]
fn a_spike_does_not_hide_another() {
    let mut values = [10.0, 11.0, 9.0, 10.5, 9.5].repeat(4);
    values.extend([1e9, 1e9, 30.0]);
    let found = verdicts(&mut start(vec![]).unwrap(), &values);
    assert!(found[..20].iter().all(|(_, is_anomaly)| !is_anomaly));
    assert!(found[20..].iter().all(|(_, is_anomaly)| *is_anomaly));
}

#[test]
fn outliers_are_replaced_by_the_median() {
    let options = vec![("size", 5.into()), ("filtered", "value".into()), ("signed", flag())];
    let mut harness = start(options).unwrap();
    let filtered: Vec<_> = [1, 2, 3, 4, 5, -40, 3]
        .map(|value| harness.point(&point().field("value", value)).unwrap()[0].fields["value"].clone())
        .into();
    assert_eq!(filtered, [1.0, 2.0, 3.0, 4.0, 5.0, 3.0, 3.0].map(OwnedValue::Double));
    assert!(verdicts(&mut harness, &[-50.0])[0].0.unwrap() < -3.5);
}

#[test]
fn values_that_are_mostly_the_same_have_finite_scores() {
    for constant in [0.0, 0.1, -7e15, 1e-300, 1e300] {
        let mut harness = start(vec![]).unwrap();
        verdicts(&mut harness, &[constant; 20]);
        let other = constant * 1.001 + 1e-9;
        let found = verdicts(&mut harness, &[constant, other]);
        assert_eq!(found, [(Some(0.0), false), (Some(MAX_SCORE), true)], "{constant}");
    }
    let mut harness = start(vec![("min_stddev", 0.5.into())]).unwrap();
    verdicts(&mut harness, &[7.0; 20]);
    assert_eq!(verdicts(&mut harness, &[8.0]), [(Some(2.0), false)]);
}

#[test]
fn changes_that_are_frequent_are_no_anomalies() {
    // One value of eight is another one: the usual distance is 1 / √8, and that of a change 2.8 times as much.
    let values = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0].repeat(40);
    let found = verdicts(&mut start(vec![]).unwrap(), &values);
    assert!(found[100..].iter().all(|(_, is_anomaly)| !is_anomaly));
    assert!((found[319].0.unwrap() - 8.0_f64.sqrt()).abs() < 0.1, "{:?}", found[319]);
    // One of eighty is.
    let values: Vec<f64> = (1..=800).map(|number| f64::from(number % 80 == 0)).collect();
    let found = verdicts(&mut start(vec![]).unwrap(), &values);
    assert_eq!(found.iter().filter(|(_, is_anomaly)| *is_anomaly).count(), 10);
}

#[test]
fn scores_of_extreme_values_are_finite() {
    let mut harness = start(vec![("size", 5.into()), ("filtered", "clean".into())]).unwrap();
    let values = [f64::MAX, f64::MIN, 0.0, 5e-324, f64::MIN, f64::MAX, f64::MAX, 1.0, 2.0, -0.0].repeat(3);
    let scores = verdicts(&mut harness, &values);
    assert!(scores[4..].iter().all(|(score, _)| (0.0..=MAX_SCORE).contains(&score.unwrap())), "{scores:?}");
    assert_eq!(harness.left_out(), 0);
}

#[test]
fn points_that_are_older_than_the_window_pass_without_a_score() {
    let options =
        [("period", Duration::from_secs(10).into()), ("warmup", 3.into()), ("filtered", "f".into())];
    let mut harness = start(options.into()).unwrap();
    let mut send = |seconds: i64, value: f64| {
        let sent = harness.point(&point().at(seconds * 1_000_000_000).field("value", value)).unwrap();
        (sent[0].number("score").ok(), sent[0].number("f").unwrap(), sent[0].fields["anomaly"] == true.into())
    };
    assert_eq!(send(100, 1.0), (None, 1.0, false));
    assert_eq!(send(101, 1.0), (None, 1.0, false));
    assert_eq!(send(102, 2.0), (Some(MAX_SCORE), 1.0, true));
    assert_eq!(send(80, 900.0), (None, 900.0, false));
    assert_eq!(send(103, 1.0), (Some(0.0), 1.0, false));
    assert_eq!(send(120, 2.0), (None, 2.0, false));
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let refused = |options: Vec<(&'static str, OptionArgument)>| start(options).unwrap_err().to_string();
    assert_eq!(refused(vec![("size", 2.into())]), "option `size`: must be at least 3");
    assert_eq!(refused(vec![("warmup", 2.into())]), "option `warmup`: must be at least 3");
    let too_long = "option `warmup`: must be at most the number of points of the window";
    assert_eq!(refused(vec![("warmup", 61.into())]), too_long);
    assert_eq!(refused(vec![("size", 5.into()), ("warmup", 6.into())]), too_long);
    let negative = "must be a number of at least 0";
    assert_eq!(refused(vec![("threshold", (-1.0).into())]), format!("option `threshold`: {negative}"));
    assert_eq!(refused(vec![("min_stddev", f64::NAN.into())]), format!("option `min_stddev`: {negative}"));
}

/// The median of at least one number.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn scores_are_those_of_the_definition(
        values in proptest::collection::vec(prop_oneof![-9_i64..9, -1000_i64..1000], 1..60),
        size in 3_usize..9,
    ) {
        let mut harness = start(vec![("size", (size as i64).into())]).unwrap();
        let values: Vec<f64> = values.into_iter().map(|value| value as f64).collect();
        // The distances so far, of which none counts as more than ten usual ones.
        let mut distances: Vec<f64> = Vec::new();
        for (count, (score, is_anomaly)) in (1..).zip(verdicts(&mut harness, &values)) {
            prop_assert_eq!(score.is_some(), count >= size);
            let Some(score) = score else { continue };
            let window = &values[count - size..count];
            let middle = median(window.to_vec());
            let mad = median(window.iter().map(|value| (value - middle).abs()).collect());
            let distance = (window[size - 1] - middle).abs();
            let squares: f64 = distances.iter().map(|distance| distance * distance).sum();
            let usual = (squares / distances.len().max(1) as f64).sqrt();
            distances.push(if usual == 0.0 { distance } else { distance.min(10.0 * usual) });
            let sigma = 1.482_602_218_505_602 * mad;
            let sigma = if sigma < usual / 10.0 { usual } else { sigma };
            let least = if distance == 0.0 { 0.0 } else { MAX_SCORE };
            let expected = if sigma == 0.0 { least } else { distance / sigma };
            prop_assert!((score - expected).abs() <= 1e-12 * expected, "{} {}", score, expected);
            prop_assert_eq!(is_anomaly, score > 3.5);
        }
    }
}
