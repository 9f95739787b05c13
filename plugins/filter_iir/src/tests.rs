use super::*;
use kapacitor_guest::testing::{Harness, OptionArgument, point};

const SECOND: i64 = 1_000_000_000;

fn start(options: &[(&'static str, OptionArgument)]) -> Result<Harness<FilterIir>> {
    Harness::start([("field", "load".into())].into_iter().chain(options.iter().cloned()))
}

fn filtered(harness: &mut Harness<FilterIir>, second: i64, value: f64) -> f64 {
    let sent = harness.point(&point().at(second * SECOND).field("load", value)).unwrap();
    sent[0].number("filtered").unwrap()
}

fn seconds(seconds: u64) -> OptionArgument {
    Duration::from_secs(seconds).into()
}

#[test]
fn frequencies_and_times_are_two_ways_to_say_the_same() {
    let mut by_frequency = start(&[("cutoff", 0.05.into()), ("rate", 1.0.into())]).unwrap();
    let mut by_time = start(&[("period", seconds(20)), ("every", seconds(1))]).unwrap();
    for second in 0..50 {
        let value = (second % 7) as f64;
        assert_eq!(filtered(&mut by_frequency, second, value), filtered(&mut by_time, second, value));
    }
}

#[test]
fn cutoffs_come_in_any_order() {
    let band = [("type", "bandpass".into()), ("every", seconds(1))];
    let with = |first, second| {
        start(&[
            band[0].clone(),
            band[1].clone(),
            ("cutoff", f64::into(first)),
            ("cutoff", f64::into(second)),
        ])
        .unwrap()
    };
    let (mut first, mut second) = (with(0.1, 0.2), with(0.2, 0.1));
    for time in 0..50 {
        let value = (time % 7) as f64;
        assert_eq!(filtered(&mut first, time, value), filtered(&mut second, time, value));
    }
}

#[test]
fn a_gap_begins_anew() {
    let options = [("cutoff", 0.05.into()), ("rate", 1.0.into())];
    for (pause, expected) in [(10, false), (11, true), (-10, false), (-11, true)] {
        let mut harness = start(&options).unwrap();
        filtered(&mut harness, 100, 1.0);
        assert_eq!(filtered(&mut harness, 100 + pause, 5.0) == 5.0, expected, "{pause}");
    }
    let mut harness = start(&[options[0].clone(), options[1].clone(), ("reset", seconds(2))]).unwrap();
    filtered(&mut harness, 100, 1.0);
    assert!(filtered(&mut harness, 102, 5.0) < 5.0);
    assert_eq!(filtered(&mut harness, 105, 7.0), 7.0);
}

#[test]
fn fields_have_filters_of_their_own() {
    let options =
        [("field", "a".into()), ("field", "b".into()), ("period", seconds(60)), ("every", seconds(1))];
    let mut harness = Harness::<FilterIir>::start(options).unwrap();
    harness.point(&point().at(SECOND).field("a", 1).field("b", 100.0)).unwrap();
    let sent = harness.point(&point().at(2 * SECOND).field("b", 100.0)).unwrap();
    assert_eq!(sent[0].number("b_filtered").unwrap(), 100.0);
    assert!(!sent[0].fields.contains_key("a_filtered"));
}

#[test]
fn goes_on_from_a_snapshot() {
    let options = [("period", seconds(60)), ("every", seconds(1))];
    let (mut first, mut second) = (start(&options).unwrap(), start(&options).unwrap());
    for time in 0..20 {
        filtered(&mut first, time, (time % 7) as f64);
    }
    second.restore(&first.snapshot()).unwrap();
    assert_eq!(filtered(&mut second, 20, 3.0), filtered(&mut first, 20, 3.0));
}

#[test]
fn options_are_checked() {
    let rate = || ("rate", OptionArgument::from(10.0));
    let cutoff = |cutoff: f64| ("cutoff", cutoff.into());
    let possible = "option `cutoff`: must be from a millionth of the rate to less than half of it";
    for (options, expected) in [
        (vec![cutoff(1.0)], "one of the options `rate` and `every` must be given"),
        (
            vec![cutoff(1.0), rate(), ("every", seconds(1))],
            "one of the options `rate` and `every` must be given",
        ),
        (vec![rate()], "one of the options `cutoff` and `period` must be given"),
        (
            vec![rate(), cutoff(1.0), ("period", seconds(9))],
            "one of the options `cutoff` and `period` must be given",
        ),
        (vec![rate(), cutoff(5.0)], possible),
        (vec![rate(), cutoff(0.0)], possible),
        (vec![rate(), cutoff(-1.0)], possible),
        (vec![rate(), cutoff(f64::NAN)], possible),
        (vec![rate(), cutoff(9e-6)], possible),
        (
            vec![("every", seconds(10)), ("period", seconds(20))],
            "option `period`: must be longer than two samples, and at most a million of them",
        ),
        (
            vec![("every", seconds(10)), ("period", seconds(0))],
            "option `period`: must be longer than two samples, and at most a million of them",
        ),
        (
            vec![rate(), cutoff(1.0), ("reset", Duration::from_millis(100).into())],
            "option `reset`: must be longer than the time from one point to the next",
        ),
        (vec![rate(), cutoff(1.0), cutoff(2.0)], "option `cutoff`: must be given once"),
        (vec![rate(), cutoff(1.0), ("type", "bandpass".into())], "option `cutoff`: must be given twice"),
        (
            vec![rate(), cutoff(1.0), cutoff(1.0), ("type", "bandstop".into())],
            "option `cutoff`: must have two different values",
        ),
        (vec![rate(), cutoff(1.0), ("order", 9.into())], "option `order`: must be from 1 to 8"),
        (vec![rate(), cutoff(1.0), ("order", 0.into())], "option `order`: must be from 1 to 8"),
        (vec![cutoff(1.0), ("rate", 0.0.into())], "option `rate`: must be a number above 0"),
        (vec![cutoff(1.0), ("every", seconds(0))], "option `every`: must be longer than 0s"),
        (
            vec![rate(), cutoff(1.0), ("type", "low".into())],
            "option `type`: must be 'lowpass', 'highpass', 'bandpass' or 'bandstop', got \"low\"",
        ),
    ] {
        assert_eq!(start(&options).unwrap_err().to_string(), expected);
    }
    let longest = [("every", seconds(1)), ("period", seconds(1_000_000))];
    assert!(start(&longest).is_ok());
}
