use super::*;
use kapacitor_guest::testing::{Harness, OptionArgument, flag, point};

const MINUTE: i64 = 60_000_000_000;

fn start(options: &[(&'static str, OptionArgument)]) -> Result<Harness<HoltWinters>> {
    Harness::start([("field", "load".into())].into_iter().chain(options.iter().cloned()))
}

fn push(harness: &mut Harness<HoltWinters>, minute: i64, value: f64) -> NewPoint {
    harness.point(&point().at(minute * MINUTE).field("load", value)).unwrap().remove(0)
}

/// A season of four minutes on a slope.
fn series(minute: i64) -> f64 {
    minute as f64 + [1.0, 5.0, -2.0, 0.0][minute.rem_euclid(4) as usize]
}

#[test]
fn adds_what_is_expected() {
    let mut harness = start(&[("season", 4.into())]).unwrap();
    for minute in 0..8 {
        let sent = push(&mut harness, minute, series(minute));
        assert_eq!(sent.fields.len(), 2, "{sent:?}");
        assert_eq!(sent.fields["anomaly"], false.into());
    }
    let sent = push(&mut harness, 8, series(8) + 3.0);
    assert!((sent.number("expected").unwrap() - series(8)).abs() < 1e-10);
    assert!((sent.number("residual").unwrap() - 3.0).abs() < 1e-10);
    assert!(sent.number("score").unwrap() > 1e6);
    assert!(sent.number("lower").unwrap() <= sent.number("upper").unwrap());
    assert_eq!(sent.fields["anomaly"], true.into());
}

#[test]
fn fields_have_series_of_their_own() {
    let options = [("field", "a".into()), ("field", "b".into())];
    let mut harness = Harness::<HoltWinters>::start(options).unwrap();
    let mut sent = Vec::new();
    for minute in 0..11 {
        sent = harness.point(&point().at(minute).field("a", minute).field("b", 2.0)).unwrap();
    }
    assert!((sent[0].number("a_expected").unwrap() - 10.0).abs() < 1e-10);
    assert_eq!(sent[0].number("b_expected").unwrap(), 2.0);
}

#[test]
fn steps_are_told_by_the_time() {
    let mut harness = start(&[("season", 4.into()), ("every", Duration::from_secs(60).into())]).unwrap();
    // One is missing in the warm-up, between two that it is on the line of.
    let flat = |minute: i64| if minute % 4 == 1 { 7.0 } else { 5.0 };
    for minute in (0..30).filter(|minute| ![3, 11, 12, 13, 21].contains(minute)) {
        // The clock is not exact.
        let time = minute * MINUTE + minute % 3 * MINUTE / 5;
        let sent = harness.point(&point().at(time).field("load", flat(minute))).unwrap().remove(0);
        assert_eq!(sent.fields.contains_key("expected"), minute >= 8, "{minute}");
        if minute >= 8 {
            assert!((sent.number("expected").unwrap() - flat(minute)).abs() < 1e-9, "{minute}: {sent:?}");
        }
    }
    // A second point of a step, and late ones, change nothing.
    for seconds in [1, 20, -300] {
        let input = point().at(29 * MINUTE + 2 * MINUTE / 5 + seconds * MINUTE / 60).field("load", 1e6);
        assert_eq!(harness.point(&input).unwrap()[0].fields.len(), 2);
    }
    assert!((push(&mut harness, 30, 5.0).number("expected").unwrap() - 5.0).abs() < 1e-9);
}

#[test]
fn after_a_wrong_time_in_the_future_the_season_goes_on() {
    let mut harness = start(&[("season", 4.into()), ("every", Duration::from_secs(60).into())]).unwrap();
    let flat = |minute: i64| if minute % 4 == 1 { 7.0 } else { 5.0 };
    for minute in 0..20 {
        push(&mut harness, minute, flat(minute));
    }
    push(&mut harness, 1_000_003, flat(1_000_003));
    for minute in 20..40 {
        let sent = push(&mut harness, minute, flat(minute));
        assert_eq!(sent.fields.contains_key("expected"), minute >= 27, "{minute}");
        if minute >= 27 {
            assert!((sent.number("expected").unwrap() - flat(minute)).abs() < 1e-9, "{minute}: {sent:?}");
        }
    }
}

#[test]
fn a_long_gap_in_the_warm_up_begins_it_anew() {
    let mut harness = start(&[("season", 4.into()), ("every", Duration::from_secs(60).into())]).unwrap();
    for minute in (0..30).filter(|minute| !(4..7).contains(minute)) {
        let sent = push(&mut harness, minute, 1.0);
        assert_eq!(sent.fields.contains_key("expected"), minute >= 15, "{minute}");
    }
}

#[test]
fn what_has_no_model_begins_anew() {
    let mut harness = start(&[("season", 2.into()), ("multiplicative", flag())]).unwrap();
    for (minute, value) in [0.0, 0.0, 0.0, 0.0, 0.0, 4.0, 2.0, 4.0, 2.0].into_iter().enumerate() {
        let sent = push(&mut harness, minute as i64, value);
        assert_eq!(sent.fields.contains_key("expected"), minute == 8, "{minute}");
    }
}

#[test]
fn a_forecast_beyond_f64_begins_anew() {
    let mut harness = start(&[("clip", 0.0.into()), ("alpha", 1.0.into()), ("beta", 1.0.into())]).unwrap();
    for minute in 0..10 {
        push(&mut harness, minute, 1.0);
    }
    for (minute, value) in [(10, f64::MAX), (11, f64::MIN), (12, f64::MAX)] {
        push(&mut harness, minute, value);
    }
    let sent: Vec<_> = (13..60).map(|minute| push(&mut harness, minute, 1.0)).collect();
    let last = sent.last().unwrap();
    assert!((last.number("expected").unwrap() - 1.0).abs() < 1e-9, "{last:?}");
    assert_eq!(harness.left_out(), 0);
}

#[test]
fn goes_on_from_a_snapshot() {
    let options = [("season", 4.into()), ("every", Duration::from_secs(60).into())];
    for before in [5, 50] {
        let (mut first, mut second) = (start(&options).unwrap(), start(&options).unwrap());
        for minute in 0..before {
            push(&mut first, minute, series(minute * 7 % 5));
        }
        second.restore(&first.snapshot()).unwrap();
        for minute in before..before + 20 {
            let value = series(minute * 7 % 5);
            assert_eq!(push(&mut second, minute, value), push(&mut first, minute, value));
        }
        // With another season, all begins anew.
        let mut third = start(&[("season", 3.into())]).unwrap();
        third.restore(&first.snapshot()).unwrap();
        assert_eq!(push(&mut third, 0, 1.0).fields.len(), 2);
    }
}

#[test]
fn options_are_checked() {
    for (options, expected) in [
        (("season", 1.into()), "option `season`: must be 0 for none, or from 2 to 10080"),
        (("multiplicative", flag()), "option `multiplicative`: must be given together with `season`"),
        (("every", Duration::ZERO.into()), "option `every`: must be longer than 0s"),
        (("alpha", 0.0.into()), "option `alpha`: must be a number above 0 and at most 1"),
        (("beta", (-0.1).into()), "option `beta`: must be a number from 0 to 1"),
        (("gamma", f64::NAN.into()), "option `gamma`: must be a number from 0 to 1"),
        (("delta", 2.0.into()), "option `delta`: must be a number above 0 and at most 1"),
        (("damping", 1.1.into()), "option `damping`: must be a number above 0 and at most 1"),
        (("clip", f64::INFINITY.into()), "option `clip`: must be a number of at least 0"),
        (("threshold", (-1.0).into()), "option `threshold`: must be a number of at least 0"),
        (("min_spread", (-1.0).into()), "option `min_spread`: must be a number of at least 0"),
    ] {
        assert_eq!(start(&[options]).unwrap_err().to_string(), expected);
    }
}
