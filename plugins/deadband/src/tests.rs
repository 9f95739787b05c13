use super::*;
use kapacitor_guest::testing::{Harness, OptionArgument, point};
use proptest::prelude::*;
use proptest::sample::select;

fn start(options: &[(&'static str, OptionArgument)]) -> Result<Harness<Deadband>> {
    Harness::start([("field", "value".into())].into_iter().chain(options.iter().cloned()))
}

/// The places of the points that are passed on, of points with a time and a value.
fn passed(options: &[(&'static str, OptionArgument)], points: &[(i64, f64)]) -> Vec<usize> {
    let mut harness = start(options).unwrap();
    let passes = points.iter().map(|(time, value)| {
        let input = point().at(*time).field("value", *value).field("other", 1);
        let sent = harness.point(&input).unwrap();
        assert!(sent.is_empty() || sent == [input], "points are passed on as they came");
        !sent.is_empty()
    });
    passes.enumerate().filter(|(_, passes)| *passes).map(|(place, _)| place).collect()
}

/// Points that come each nanosecond.
fn each(values: &[f64]) -> Vec<(i64, f64)> {
    (0..).zip(values.iter().copied()).collect()
}

#[test]
fn changes_are_those_since_the_last_point_that_was_passed() {
    let values = each(&[10.0, 11.0, 12.0, 12.5, 13.0, 11.0, 10.5, 10.4]);
    assert_eq!(passed(&[("band", 2.0.into())], &values), [0, 3, 7]);
}

#[test]
fn percent_is_of_the_last_value() {
    let values = each(&[100.0, 105.0, 106.0, 111.0, -111.0, -105.5, -105.4, 0.0, 1e-300]);
    assert_eq!(passed(&[("percent", 5.0.into())], &values), [0, 2, 4, 6, 7, 8]);
    // With both, a change must be beyond both.
    assert_eq!(passed(&[("percent", 5.0.into()), ("band", 1.0.into())], &values), [0, 2, 4, 6, 7]);
}

#[test]
fn every_change_passes_without_a_band() {
    assert_eq!(passed(&[], &each(&[1e15, 1e15, 1e15 + 1.0, 1e-15, 2e-15])), [0, 2, 3, 4]);
    assert_eq!(passed(&[("percent", 1e4.into())], &each(&[f64::MAX, f64::MIN, f64::MIN])), [0, 1]);
}

#[test]
fn ints_keep_all_their_digits() {
    let mut harness = start(&[]).unwrap();
    let mut passes = |value: i64| !harness.point(&point().field("value", value)).unwrap().is_empty();
    let large = i64::MAX - 1;
    assert_eq!([large, large + 1, large + 1, i64::MIN].map(&mut passes), [true, true, false, true]);
}

#[test]
fn heartbeat_passes_a_point_in_each_period() {
    let options = [("band", 1.0.into()), ("heartbeat", Duration::from_nanos(10).into())];
    let times = [0, 5, 9, 10, 15, 19, 25];
    let points: Vec<_> = times.iter().map(|time| (*time, 5.0)).collect();
    assert_eq!(passed(&options, &points), [0, 3, 6]);
    // A wrong time in the future silences nothing, nor does one in the past.
    let points: Vec<_> = [0, i64::MAX, 5, 10, 15, i64::MIN, 20].iter().map(|time| (*time, 5.0)).collect();
    assert_eq!(passed(&options, &points), [0, 1, 2, 4, 5, 6]);
}

#[test]
fn any_of_several_fields_is_enough() {
    let options = [("field", "a".into()), ("field", "b".into()), ("band", 1.0.into())];
    let mut harness = Harness::<Deadband>::start(options).unwrap();
    let mut passes = |input: NewPoint| !harness.point(&input).unwrap().is_empty();
    assert!(passes(point().field("a", 5)));
    assert!(!passes(point().field("a", 6)));
    assert!(passes(point().field("a", 6).field("b", 0)), "the first value of a field is a change");
    assert!(passes(point().field("a", 6).field("b", 2)));
    assert!(!passes(point().field("a", 5).field("b", 2)), "what is passed counts for all fields");
    assert!(!passes(point().field("c", 100)));
    assert_eq!(harness.skips().len(), 1);
}

#[test]
fn options_are_checked() {
    for name in ["band", "percent"] {
        for limit in [-1.0, f64::NAN, f64::INFINITY] {
            let error = start(&[(name, limit.into())]).unwrap_err().to_string();
            assert_eq!(error, format!("option `{name}`: must be a number of at least 0"));
        }
    }
    let error = start(&[("heartbeat", Duration::ZERO.into())]).unwrap_err().to_string();
    assert_eq!(error, "option `heartbeat`: must be above 0");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// A reader who keeps the last value that came is never further from the truth than the band, nor older than a
    /// heartbeat; and no point is passed on without need.
    #[test]
    fn what_is_passed_is_needed_and_enough(
        steps in proptest::collection::vec((0_i64..5, -20_i32..20), 1..80),
        scale in select(vec![1.0, 1e15, 1e-15]),
        band in 0_i32..8,
        percent in 0_i32..30,
        heartbeat in 1_u64..20,
    ) {
        let mut time = 0;
        let points: Vec<(i64, f64)> = steps
            .into_iter()
            .map(|(step, value)| {
                time += step;
                (time, scale * f64::from(value))
            })
            .collect();
        let (band, percent) = (scale * f64::from(band), f64::from(percent));
        let options = [
            ("band", band.into()),
            ("percent", percent.into()),
            ("heartbeat", Duration::from_nanos(heartbeat).into()),
        ];
        let passed = passed(&options, &points);
        prop_assert_eq!(passed[0], 0);
        for (place, (time, value)) in points.iter().enumerate().skip(1) {
            let last = *passed.iter().rfind(|passed| **passed < place).unwrap();
            let (last_time, last_value) = points[last];
            let limit = f64::max(band, percent / 100.0 * last_value.abs());
            let change = (value - last_value).abs();
            // Rounding decides about changes that are as large as the limit.
            if (change - limit).abs() <= 1e-9 * limit && !(change == limit && percent == 0.0) {
                continue;
            }
            let needed = change > limit || time - last_time >= heartbeat as i64;
            prop_assert_eq!(passed.contains(&place), needed, "{}", place);
        }
    }
}
