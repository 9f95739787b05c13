use super::*;
use kapacitor_guest::testing::{Harness, OptionArgument, point};

const SECOND: i64 = 1_000_000_000;

fn start(options: &[(&'static str, OptionArgument)]) -> Result<Harness<Forecast>> {
    Harness::start([("field", "used".into())].into_iter().chain(options.iter().cloned()))
}

/// The result of the last of numbers that came one second after the other.
fn push_all(harness: &mut Harness<Forecast>, values: &[f64]) -> NewPoint {
    let points = (1..).zip(values).map(|(second, value)| point().at(second * SECOND).field("used", *value));
    harness.points(points).unwrap().pop().unwrap()
}

#[test]
fn says_when_a_limit_is_reached() {
    let options = [("warmup", 3.into()), ("limit", 100.0.into()), ("unit", Duration::from_secs(60).into())];
    let mut harness = start(&options).unwrap();
    assert_eq!(push_all(&mut harness, &[10.0, 12.0]).fields.len(), 1);
    let sent = push_all(&mut start(&options).unwrap(), &[10.0, 12.0, 14.0]);
    assert_eq!(sent.number("slope").unwrap(), 120.0);
    assert_eq!(sent.number("forecast").unwrap(), 14.0 + 7200.0);
    assert_eq!(sent.number("seconds_to_limit").unwrap(), 43.0);
    assert!(!sent.fields.contains_key("lower"));
    let falling = push_all(&mut start(&options).unwrap(), &[14.0, 12.0, 10.0]);
    assert!(!falling.fields.contains_key("seconds_to_limit"), "{falling:?}");
}

#[test]
fn a_forecast_has_bounds() {
    let options = [("warmup", 2.into()), ("horizon", Duration::from_secs(1).into()), ("sigmas", 2.0.into())];
    let sent = push_all(&mut start(&options).unwrap(), &[1.0, 2.0, 4.0]);
    let (lower, upper) = (sent.number("lower").unwrap(), sent.number("upper").unwrap());
    // s² is 1 / 6, and (1 + 1 / 3 + 4 / 2) of it that of the next value.
    assert!((sent.number("forecast").unwrap() - 16.0 / 3.0).abs() < 1e-14);
    assert!((upper - lower - 4.0 * (10.0_f64 / 18.0).sqrt()).abs() < 1e-14, "{lower} {upper}");
    let two = push_all(&mut start(&options).unwrap(), &[1.0, 2.0]);
    assert!(two.fields.contains_key("forecast") && !two.fields.contains_key("lower"));
}

#[test]
fn a_limit_is_ahead_also_after_a_clock_was_put_back() {
    let options = [("warmup", 2.into()), ("size", 3.into()), ("limit", 50.0.into())];
    let mut harness = start(&options).unwrap();
    let mut push = |second: i64, value: f64| {
        harness.point(&point().at(second * SECOND).field("used", value)).unwrap().remove(0)
    };
    push(1000, 90.0);
    push(1001, 91.0);
    // The line rises by 1 in a second. The oldest point of the window is 89 seconds after this one.
    let sent = push(911, 1.0);
    assert!((sent.number("seconds_to_limit").unwrap() - 49.0).abs() < 1e-9, "{sent:?}");
}

#[test]
fn late_points_count_at_their_own_time() {
    let options = [("warmup", 2.into()), ("period", Duration::from_secs(10).into())];
    let mut harness = start(&options).unwrap();
    let mut push = |second: i64, value: f64| {
        harness.point(&point().at(second * SECOND).field("used", value)).unwrap().remove(0)
    };
    for second in [1, 2, 5] {
        push(second, second as f64);
    }
    assert_eq!(push(3, 3.0).number("slope").unwrap(), 1.0);
    // One that is older than the window has no results.
    assert_eq!(push(-20, 3.0).fields.len(), 1);
    assert_eq!(push(6, 6.0).number("slope").unwrap(), 1.0);
}

#[test]
fn results_are_finite_or_absent() {
    let options = [("warmup", 2.into()), ("limit", 1e308.into()), ("sigmas", 1e10.into())];
    for values in [[f64::MAX, f64::MIN, f64::MAX], [0.0, 1e-320, 3e-320], [1e200, 2e200, -1e200]] {
        let mut harness = start(&options).unwrap();
        push_all(&mut harness, &values);
        assert_eq!(harness.left_out(), 0, "{values:?}");
    }
}

#[test]
fn fields_have_lines_of_their_own() {
    let options = [("field", "a".into()), ("field", "b".into()), ("warmup", 2.into())];
    let mut harness = Harness::<Forecast>::start(options).unwrap();
    harness.point(&point().at(SECOND).field("a", 1).field("b", 1.0)).unwrap();
    let sent = harness.point(&point().at(2 * SECOND).field("a", 2).field("b", -1.0)).unwrap();
    assert_eq!(sent[0].number("a_slope").unwrap(), 1.0);
    assert_eq!(sent[0].number("b_slope").unwrap(), -2.0);
}

#[test]
fn options_are_checked() {
    for (options, expected) in [
        (("size", 1.into()), "option `size`: must be at least 2"),
        (("period", Duration::ZERO.into()), "option `period`: must be longer than 0s"),
        (("unit", Duration::ZERO.into()), "option `unit`: must be longer than 0s"),
        (("limit", f64::NAN.into()), "option `limit`: must be a finite number"),
        (("sigmas", (-1.0).into()), "option `sigmas`: must be a number of at least 0"),
        (("warmup", 1.into()), "option `warmup`: must be at least 2"),
        (
            ("warmup", 101.into()),
            "option `warmup`: must be at most `size`, which is 100 if it is not given, and 10000 with `period`",
        ),
        (("as", "slope".into()), "two results have the name `slope`: choose another"),
    ] {
        assert_eq!(start(&[options]).unwrap_err().to_string(), expected);
    }
    let never = [("period", Duration::from_secs(9).into()), ("warmup", 10_001.into())];
    assert!(start(&never).unwrap_err().to_string().starts_with("option `warmup`: must be at most"));
    assert!(start(&[("size", 2.into())]).is_ok(), "the warm-up is shorter than usual");
}
