use algorithms::MAX_SCORE;
use kapacitor_guest::testing::{Harness, OptionArgument, flag, point};

use super::*;

fn start(options: Vec<(&'static str, OptionArgument)>) -> Result<Harness<Zscore>> {
    Harness::start([("field", "value".into())].into_iter().chain(options))
}

/// The score, if there is one, and the flag of each value.
fn verdicts(harness: &mut Harness<Zscore>, values: &[f64]) -> Vec<(Option<f64>, bool)> {
    let sent = values.iter().map(|value| {
        let mut sent = harness.point(&point().field("value", *value)).unwrap();
        assert_eq!(sent[0].number("value").unwrap(), *value);
        sent.remove(0)
    });
    sent.map(|point| (point.number("score").ok(), point.fields["anomaly"] == true.into())).collect()
}

#[test]
fn a_score_is_the_distance_in_standard_deviations() {
    // The mean of 1, 2 and 3 is 2 and their standard deviation 1; the window then has 2, 3 and 6.
    let mut harness = start(vec![("size", 3.into()), ("threshold", 3.5.into())]).unwrap();
    let found = verdicts(&mut harness, &[1.0, 2.0, 3.0, 6.0]);
    assert_eq!(found, [(None, false), (None, false), (None, false), (Some(4.0), true)]);
    assert_eq!(harness.metric("anomalies"), 1.0);
    let (score, is_anomaly) = verdicts(&mut harness, &[3.0])[0];
    assert!((score.unwrap() - (11.0 / 3.0 - 3.0) / (13.0_f64 / 3.0).sqrt()).abs() < 1e-12);
    assert!(!is_anomaly);
}

#[test]
fn falling_weights() {
    // The means are 0, 1, and the variances 0, 1.
    let options = || vec![("alpha", 0.5.into()), ("warmup", 2.into())];
    let mut harness = start(options()).unwrap();
    assert_eq!(verdicts(&mut harness, &[0.0, 2.0, 5.0]), [(None, false), (None, false), (Some(4.0), true)]);
    // Four points without `warmup`.
    let mut harness = start(options()[..1].to_vec()).unwrap();
    let found = verdicts(&mut harness, &[0.0, 1.0, 0.0, 1.0, 0.0]);
    assert_eq!(
        found.iter().map(|found| found.0.is_some()).collect::<Vec<_>>(),
        [false, false, false, false, true]
    );
}

#[test]
fn a_signed_score_is_negative_below_the_mean() {
    let mut harness = start(vec![("size", 3.into()), ("signed", flag())]).unwrap();
    assert_eq!(verdicts(&mut harness, &[1.0, 2.0, 3.0, -2.0])[3], (Some(-4.0), true));
}

#[test]
fn constant_values_have_finite_scores() {
    for (name, value) in [("size", OptionArgument::from(5)), ("alpha", 0.5.into())] {
        for constant in [0.0, 0.1, -7e15, 1e-300, 1e300] {
            let mut harness = start(vec![(name, value.clone())]).unwrap();
            verdicts(&mut harness, &[constant; 20]);
            assert_eq!(verdicts(&mut harness, &[constant]), [(Some(0.0), false)], "{name} {constant}");
            let other = [constant * 1.001 + 1e-9];
            assert_eq!(verdicts(&mut harness, &other), [(Some(MAX_SCORE), true)], "{name} {constant}");
        }
    }
}

#[test]
fn a_least_standard_deviation_keeps_small_steps_quiet() {
    let mut harness = start(vec![("size", 5.into()), ("min_stddev", 0.5.into())]).unwrap();
    verdicts(&mut harness, &[7.0; 20]);
    assert_eq!(verdicts(&mut harness, &[8.0]), [(Some(2.0), false)]);
}

#[test]
fn scores_of_extreme_values_are_finite() {
    for (name, value) in [("size", OptionArgument::from(5)), ("alpha", 0.5.into())] {
        let mut harness = start(vec![(name, value)]).unwrap();
        let values =
            [f64::MAX, f64::MIN, 0.0, 5e-324, f64::MIN, f64::MAX, f64::MAX, 1.0, 2.0, -0.0].repeat(3);
        let scores = verdicts(&mut harness, &values);
        assert!(
            scores[6..].iter().all(|(score, _)| (0.0..=MAX_SCORE).contains(&score.unwrap())),
            "{scores:?}"
        );
        assert_eq!(harness.left_out(), 0);
    }
}

#[test]
fn scores_do_not_depend_on_the_unit() {
    let values = [1.0, 2.0, 1.5, 1.25, 3.0, 1.0, 9.0, 2.0];
    let scores = |factor: f64| {
        let scaled: Vec<_> = values.iter().map(|value| value * factor).collect();
        verdicts(&mut start(vec![("size", 4.into())]).unwrap(), &scaled)
    };
    // Powers of two, so that there is no rounding.
    assert_eq!(scores(1.0), scores(2_f64.powi(-50)));
    assert_eq!(scores(1.0), scores(2_f64.powi(50)));
}

#[test]
fn points_that_are_older_than_the_window_have_no_score() {
    let mut harness = start(vec![("period", Duration::from_secs(10).into()), ("warmup", 2.into())]).unwrap();
    let mut send = |seconds: i64, value: f64| {
        let sent = harness.point(&point().at(seconds * 1_000_000_000).field("value", value)).unwrap();
        assert!(sent[0].fields.contains_key("anomaly"));
        sent[0].number("score").ok()
    };
    assert_eq!([send(100, 1.0), send(101, 3.0)], [None; 2]);
    assert_eq!(send(102, 2.0), Some(0.0));
    assert_eq!(send(80, 900.0), None);
    assert_eq!(send(103, 2.0), Some(0.0));
    // What was before has left the window.
    assert_eq!([send(120, 2.0), send(121, 2.0)], [None; 2]);
    assert_eq!(send(122, 2.0), Some(0.0));
}

#[test]
fn each_field_has_its_own_scores() {
    let options = [("field", "a".into()), ("field", "b".into()), ("size", 3.into())];
    let mut harness = Harness::<Zscore>::start(options).unwrap();
    for value in [1, 2, 3] {
        harness.point(&point().field("a", value).field("b", 1.0)).unwrap();
    }
    let sent = harness.point(&point().field("a", 6.0).field("b", 1)).unwrap().remove(0);
    assert_eq!((sent.number("a_score").unwrap(), sent.number("b_score").unwrap()), (4.0, 0.0));
    assert_eq!((&sent.fields["a_anomaly"], &sent.fields["b_anomaly"]), (&true.into(), &false.into()));
    let sent = harness.point(&point().field("a", 6.0)).unwrap().remove(0);
    assert!(!sent.fields.contains_key("b_anomaly"));
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let refused = |options: Vec<(&'static str, OptionArgument)>| start(options).unwrap_err().to_string();
    assert_eq!(refused(vec![("size", 1.into())]), "option `size`: must be at least 2");
    assert_eq!(refused(vec![("warmup", 1.into())]), "option `warmup`: must be at least 2");
    let too_long = "option `warmup`: must be at most the number of points of the window";
    assert_eq!(refused(vec![("size", 5.into()), ("warmup", 6.into())]), too_long);
    assert_eq!(refused(vec![("warmup", 61.into())]), too_long);
    let share = "option `alpha`: must be a number above 0 and at most 1";
    assert_eq!(refused(vec![("alpha", 0.0.into())]), share);
    let both = "option `alpha`: must not be given together with `size` or `period`";
    assert_eq!(refused(vec![("alpha", 0.1.into()), ("size", 5.into())]), both);
    assert_eq!(
        refused(vec![("threshold", f64::NAN.into())]),
        "option `threshold`: must be a number of at least 0"
    );
    assert_eq!(
        refused(vec![("min_stddev", (-1.0).into())]),
        "option `min_stddev`: must be a number of at least 0"
    );
}

#[test]
fn group_beyond_max_groups_takes_the_place_of_the_one_that_was_silent_longest() {
    for (most, is_known) in [(2, false), (3, true)] {
        let mut harness = start(vec![("max_groups", most.into()), ("warmup", 2.into())]).unwrap();
        let mut score = |host: &str, value: f64| {
            let point = point().tag("host", host).group_by(&["host"]).field("value", value);
            harness.point(&point).unwrap()[0].number("score").ok()
        };
        assert_eq!(["a", "a", "b", "c"].map(|host| score(host, 1.0)), [None; 4]);
        assert_eq!(score("a", 1.0).is_some(), is_known);
    }
}
