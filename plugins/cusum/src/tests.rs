use algorithms::MAX_SCORE;
use kapacitor_guest::testing::{Harness, OptionArgument, point};

use super::*;

fn start(options: Vec<(&'static str, OptionArgument)>) -> Result<Harness<Cusum>> {
    Harness::start([("field", "value".into())].into_iter().chain(options))
}

/// The score, if there is one, the flag and the direction of each value.
fn verdicts(harness: &mut Harness<Cusum>, values: &[f64]) -> Vec<(Option<f64>, bool, f64)> {
    let sent = values.iter().map(|value| harness.point(&point().field("value", *value)).unwrap().remove(0));
    let verdict = |point: NewPoint| {
        let is_anomaly = point.fields["anomaly"] == true.into();
        (point.number("score").ok(), is_anomaly, point.number("direction").unwrap())
    };
    sent.map(verdict).collect()
}

fn given(restart: &'static str) -> Harness<Cusum> {
    let options = [("target", 10.0.into()), ("stddev", 2.0.into()), ("threshold", 3.0.into())];
    start(options.into_iter().chain([("restart", restart.into())]).collect()).unwrap()
}

#[test]
fn a_score_is_the_larger_sum() {
    // One deviation each, of which half is drift.
    let found = verdicts(&mut given("sums"), &[12.0, 12.0, 8.0, 8.0, 8.0]);
    let scores: Vec<_> = found.iter().map(|(score, ..)| score.unwrap()).collect();
    assert_eq!(scores, [0.5, 1.0, 0.5, 1.0, 1.5]);
}

#[test]
fn a_change_has_a_direction_and_the_sums_begin_anew() {
    let found = verdicts(&mut given("sums"), &[14.0, 14.0, 14.0, 14.0, 2.0]);
    let expected =
        [(1.5, false, 0.0), (3.0, false, 0.0), (4.5, true, 1.0), (1.5, false, 0.0), (3.5, true, -1.0)];
    assert_eq!(found, expected.map(|(score, flag, direction)| (Some(score), flag, direction)));
    // Nothing is learnt, so that this is the same.
    assert_eq!(verdicts(&mut given("learn"), &[14.0, 14.0, 14.0, 14.0, 2.0]), found);
}

#[test]
fn the_flag_stays_if_nothing_begins_anew() {
    let found = verdicts(&mut given("never"), &[14.0, 14.0, 14.0, 10.0, 8.0, 8.0, 8.0]);
    let flags: Vec<_> = found.iter().map(|found| (found.0.unwrap(), found.1)).collect();
    let expected =
        [(1.5, false), (3.0, false), (4.5, true), (4.0, true), (2.5, false), (1.0, false), (1.5, false)];
    assert_eq!(flags, expected);
}

#[test]
fn what_is_not_given_is_learnt() {
    // The mean of 8, 10 and 12 is 10 and their standard deviation 2.
    let options = || vec![("warmup", 3.into()), ("threshold", 3.0.into())];
    for given in [None, Some(("target", 10.0)), Some(("stddev", 2.0))] {
        let mut all = options();
        all.extend(given.map(|(name, value)| (name, value.into())));
        let mut harness = start(all).unwrap();
        let found = verdicts(&mut harness, &[8.0, 10.0, 12.0, 13.0, 18.0, 50.0, 52.0, 54.0, 52.0]);
        let scores: Vec<_> = found.iter().map(|found| found.0).collect();
        assert_eq!(scores[..5], [None, None, None, Some(1.0), Some(4.5)], "{given:?}");
        // It learns the new level, unless the target is given.
        assert_eq!(scores[5..8], [None; 3]);
        let expected = if given.is_some_and(|(name, _)| name == "target") { 20.5 } else { 0.0 };
        assert_eq!(scores[8], Some(expected), "{given:?}");
    }
}

#[test]
fn constant_values_have_finite_scores() {
    for constant in [0.0, 0.1, -7e15, 1e-300, 1e300] {
        let mut harness = start(vec![("warmup", 5.into())]).unwrap();
        let found = verdicts(&mut harness, &[constant; 20]);
        assert_eq!(found[5..], [(Some(0.0), false, 0.0); 15]);
        let found = verdicts(&mut harness, &[constant * 1.001 + 1e-9]);
        let direction = if constant < 0.0 { -1.0 } else { 1.0 };
        assert_eq!(found, [(Some(MAX_SCORE - 0.5), true, direction)]);
    }
    let mut harness = start(vec![("warmup", 5.into()), ("min_stddev", 0.5.into())]).unwrap();
    verdicts(&mut harness, &[7.0; 20]);
    assert_eq!(verdicts(&mut harness, &[8.0]), [(Some(1.5), false, 0.0)]);
}

#[test]
fn scores_of_extreme_values_are_finite() {
    let mut harness = start(vec![("warmup", 2.into()), ("restart", "never".into())]).unwrap();
    let values = [f64::MAX, f64::MIN, 0.0, 5e-324, f64::MIN, f64::MAX, f64::MAX, 1.0, 2.0, -0.0].repeat(3);
    let found = verdicts(&mut harness, &values);
    assert!(found[2..].iter().all(|(score, ..)| (0.0..=MAX_SCORE).contains(&score.unwrap())), "{found:?}");
    let options = vec![("target", 0.0.into()), ("stddev", 5e-324.into()), ("restart", "never".into())];
    let found = verdicts(&mut start(options).unwrap(), &values);
    assert!(found.iter().all(|(score, ..)| (0.0..=MAX_SCORE).contains(&score.unwrap())), "{found:?}");
    assert_eq!(harness.left_out(), 0);
}

#[test]
fn a_snapshot_has_what_was_learnt() {
    let options = || vec![("warmup", 3.into())];
    let mut harness = start(options()).unwrap();
    verdicts(&mut harness, &[8.0, 10.0, 12.0, 13.0]);
    let mut restored = start(options()).unwrap();
    restored.restore(&harness.snapshot()).unwrap();
    let found = verdicts(&mut restored, &[13.0, 2.0, 30.0, 5.0]);
    assert_eq!(found[0], (Some(2.0), false, 0.0));
    assert_eq!(found, verdicts(&mut harness, &[13.0, 2.0, 30.0, 5.0]));
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let refused = |options: Vec<(&'static str, OptionArgument)>| start(options).unwrap_err().to_string();
    assert_eq!(refused(vec![("target", f64::NAN.into())]), "option `target`: must be a number");
    assert_eq!(refused(vec![("stddev", 0.0.into())]), "option `stddev`: must be a number above 0");
    assert_eq!(refused(vec![("threshold", 0.0.into())]), "option `threshold`: must be a number above 0");
    assert_eq!(refused(vec![("warmup", 1.into())]), "option `warmup`: must be at least 2");
    let negative = "must be a number of at least 0";
    assert_eq!(refused(vec![("drift", (-1.0).into())]), format!("option `drift`: {negative}"));
    assert_eq!(refused(vec![("min_stddev", (-1.0).into())]), format!("option `min_stddev`: {negative}"));
    let restart = "option `restart`: must be `learn`, `sums` or `never`, got `x`";
    assert_eq!(refused(vec![("restart", "x".into())]), restart);
}
