//! Tests of the plugin.

use kapacitor_guest::testing::{Harness, OptionArgument, lines, point};
use proptest::prelude::*;

use super::*;

const SECOND: i64 = 1_000_000_000;

type Given = (&'static str, OptionArgument);

fn start(options: impl IntoIterator<Item = Given>) -> Result<Harness<Rate>> {
    Harness::start([("field", "value".into())].into_iter().chain(options))
}

/// What a point gets.
fn rate(harness: &mut Harness<Rate>, time: i64, value: impl Into<OwnedValue>) -> Option<f64> {
    harness.point(&point().at(time).field("value", value)).unwrap()[0].number("rate").ok()
}

#[test]
fn rise_is_for_each_unit() {
    for (unit, factor) in [(None, 1.0), (Some(60), 60.0)] {
        let unit = unit.map(|seconds| ("unit", Duration::from_secs(seconds).into()));
        let mut harness = start(unit).unwrap();
        assert_eq!(rate(&mut harness, 0, 5), None, "the first number has no rise");
        assert_eq!(rate(&mut harness, 10 * SECOND, 25), Some(2.0 * factor));
        assert_eq!(rate(&mut harness, 12 * SECOND, 6), Some(3.0 * factor), "begun anew");
        assert_eq!(rate(&mut harness, 13 * SECOND, 6), Some(0.0));
    }
}

#[test]
fn counters_wrap_around_at_their_maximum() {
    let mut harness = start([("max", 4_294_967_295.into())]).unwrap();
    assert_eq!(rate(&mut harness, 0, 4_294_967_000_i64), None);
    assert_eq!(rate(&mut harness, SECOND, 704), Some(1000.0));
}

#[test]
fn points_without_a_step_pass_as_they_are() {
    let mut harness = start([]).unwrap();
    assert_eq!(rate(&mut harness, 5 * SECOND, 1), None);
    assert_eq!(rate(&mut harness, 5 * SECOND, 100), None, "at the same time");
    assert_eq!(rate(&mut harness, 4 * SECOND, 100), None, "before");
    assert_eq!(rate(&mut harness, 6 * SECOND, -4), None, "no counter");
    assert_eq!(rate(&mut harness, 7 * SECOND, 3), Some(1.0));
}

#[test]
fn fields_and_groups_have_series_of_their_own() {
    let options = [("field", "a".into()), ("field", "b".into()), ("as", "per_second".into())];
    let mut harness = Harness::<Rate>::start(options).unwrap();
    let input = "m,host=x a=1,b=20i 1000000000\nm,host=y a=9 1500000000\nm,host=x a=3 2000000000
        m,host=x c=1 2500000000\nm,host=x a=2,b=30i 3000000000";
    let points = lines(input).unwrap().into_iter().map(|point| point.group_by(&["host"]));
    let sent = harness.points(points).unwrap();
    let of = |name: &str| sent.iter().map(|point| point.number(name).ok()).collect::<Vec<_>>();
    assert_eq!(of("a_per_second"), [None, None, Some(2.0), Some(2.0)]);
    assert_eq!(of("b_per_second"), [None, None, None, Some(5.0)]);
}

#[test]
fn points_without_a_number_are_skipped() {
    let mut harness = start([]).unwrap();
    assert_eq!(rate(&mut harness, 0, 1), None);
    for value in [f64::NAN, f64::INFINITY] {
        assert!(harness.point(&point().at(SECOND).field("value", value)).unwrap().is_empty());
    }
    assert!(harness.point(&point().at(SECOND).field("other", 1)).unwrap().is_empty());
    assert_eq!(rate(&mut harness, 2 * SECOND, 5), Some(2.0));
}

#[test]
fn options_are_checked() {
    let error = |option: Given| start([option]).unwrap_err().to_string();
    assert_eq!(error(("unit", Duration::ZERO.into())), "option `unit`: must be more than 0s");
    assert_eq!(error(("max", 0.into())), "option `max`: must be at least 1");
}

proptest! {
    /// The rates add up to what was counted, however often the counter begins anew.
    #[test]
    fn rates_add_up(events in proptest::collection::vec((1_u32..100, 0_i64..1000, prop::bool::weighted(0.1)), 1..50)) {
        let mut harness = start([]).unwrap();
        rate(&mut harness, 0, 0);
        let (mut time, mut counter, mut counted, mut total) = (0, 0, 0, 0.0);
        for (seconds, number, begins_anew) in events {
            time += i64::from(seconds) * SECOND;
            // What is counted after a new beginning must be less than what was there, or nobody sees the new beginning.
            if begins_anew && number < counter {
                counter = 0;
            }
            counter += number;
            counted += number;
            total += rate(&mut harness, time, counter).unwrap() * f64::from(seconds);
        }
        prop_assert!((total - counted as f64).abs() < 1e-9 * (counted + 1) as f64);
    }
}
