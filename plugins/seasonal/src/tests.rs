use super::*;
use kapacitor_guest::options::OptionValue;
use kapacitor_guest::testing::{Harness, OptionArgument, point};

const HOUR: i64 = 3_600_000_000_000;

fn start(options: &[(&'static str, OptionArgument)]) -> Result<Harness<Seasonal>> {
    Harness::start([("field", "load".into())].into_iter().chain(options.iter().cloned()))
}

#[test]
fn adds_what_is_expected() {
    let mut harness =
        start(&[("warmup", 2.into()), ("slots", 24.into()), ("threshold", 3.0.into())]).unwrap();
    for day in 0..4 {
        for (hour, value) in [(1, 10 + day % 2), (9, 90)] {
            let sent = harness.point(&point().at((24 * day + hour) * HOUR).field("load", value)).unwrap();
            assert_eq!(sent[0].fields.contains_key("score"), day >= 2, "{:?}", sent[0]);
            assert_eq!(sent[0].fields["anomaly"], false.into());
        }
    }
    let sent = harness.point(&point().at(97 * HOUR).field("load", 90)).unwrap().remove(0);
    assert_eq!(sent.number("expected").unwrap(), 10.5);
    let spread = (0.25_f64 * 5.0 / 3.0).sqrt();
    assert!((sent.number("score").unwrap() - 79.5 / spread).abs() < 1e-12);
    assert!((sent.number("lower").unwrap() - (10.5 - 3.0 * spread)).abs() < 1e-12);
    assert!((sent.number("upper").unwrap() - (10.5 + 3.0 * spread)).abs() < 1e-12);
    assert_eq!(sent.fields["anomaly"], true.into());
}

#[test]
fn fields_have_profiles_of_their_own() {
    let options = [("field", "a".into()), ("field", "b".into()), ("warmup", 2.into())];
    let mut harness = Harness::<Seasonal>::start(options).unwrap();
    let mut sent = Vec::new();
    for day in 0..3 {
        sent = harness.point(&point().at(24 * day * HOUR).field("a", 1).field("b", 2.0)).unwrap();
    }
    assert_eq!(sent[0].number("a_expected").unwrap(), 1.0);
    assert_eq!(sent[0].number("b_expected").unwrap(), 2.0);
    assert_eq!(sent[0].fields["b_anomaly"], false.into());
}

#[test]
fn goes_on_from_a_snapshot() {
    let input = |hour: i64| point().at(hour * HOUR).field("load", (hour % 24 * 7 % 13) as f64);
    let mut first = start(&[("warmup", 2.into())]).unwrap();
    for hour in 0..100 {
        first.point(&input(hour)).unwrap();
    }
    let mut second = start(&[("warmup", 2.into())]).unwrap();
    second.restore(&first.snapshot()).unwrap();
    for hour in 100..150 {
        let sent = second.point(&input(hour)).unwrap();
        assert_eq!(sent, first.point(&input(hour)).unwrap());
        assert!(sent[0].fields.contains_key("score"));
    }
}

#[test]
fn options_are_checked() {
    for (options, expected) in [
        ([("slots", 1.into())], "option `slots`: must be from 2 to 10080"),
        ([("slots", 20_000.into())], "option `slots`: must be from 2 to 10080"),
        ([("alpha", 0.6.into())], "option `alpha`: must be a number above 0 and at most 0.5"),
        ([("warmup", 1.into())], "option `warmup`: must be at least 2"),
        ([("clip", (-1.0).into())], "option `clip`: must be a number of at least 0"),
        ([("threshold", f64::NAN.into())], "option `threshold`: must be a number of at least 0"),
        ([("min_spread", (-1.0).into())], "option `min_spread`: must be a number of at least 0"),
        (
            [("season", "month".into())],
            "option `season`: must be 'day', 'week' or a whole number of s, m, h, d or w such as '8h', got \"month\"",
        ),
    ] {
        assert_eq!(start(&options).unwrap_err().to_string(), expected);
    }
}

#[test]
fn seasons_have_any_length() {
    for (text, hours) in [("8h", 8), ("2d", 48), ("1w", 168), ("7200s", 2), ("day", 24)] {
        let mut harness =
            start(&[("season", text.into()), ("warmup", 2.into()), ("slots", 2.into())]).unwrap();
        let mut sent = Vec::new();
        for number in 0..3 {
            sent = harness.point(&point().at(number * hours * HOUR).field("load", 1)).unwrap();
        }
        assert!(sent[0].fields.contains_key("expected"), "{text}");
    }
    for text in ["", "h", "0h", "-1h", "1.5h", "8", "8y", "99999999999w", "1\u{e4}"] {
        assert!(start(&[("season", text.into())]).is_err(), "{text}");
    }
}

#[test]
fn an_offset_moves_the_slots() {
    // A quarter to one and a quarter past: of one hour, if the clock is half an hour ahead of UTC or behind it.
    for (minutes, expected) in [(0, 1.0), (30, 2.0), (-30, 2.0)] {
        let offset = OptionValue::Duration(minutes * HOUR / 60).into();
        let mut harness = start(&[("offset", offset), ("warmup", 2.into()), ("slots", 24.into())]).unwrap();
        let mut sent = Vec::new();
        for day in 0..3 {
            for (quarter, value) in [(3, 1.0), (5, 3.0)] {
                let time = 24 * day * HOUR + quarter * HOUR / 4;
                sent.extend(harness.point(&point().at(time).field("load", value)).unwrap());
            }
        }
        assert_eq!(sent[4].number("expected").unwrap(), expected, "{minutes}");
    }
}
