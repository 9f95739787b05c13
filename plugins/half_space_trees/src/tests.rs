use super::*;
use kapacitor_guest::testing::{Harness, OptionArgument, point};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// A plugin with small windows.
fn start(
    fields: &[&'static str],
    more: impl IntoIterator<Item = (&'static str, OptionArgument)>,
) -> Result<Harness<HalfSpaceTrees>> {
    let fields = fields.iter().map(|field| ("field", (*field).into()));
    Harness::start(fields.chain([("size", 100.into())]).chain(more))
}

/// The score of a point, and whether it is an anomaly.
fn verdict(harness: &mut Harness<HalfSpaceTrees>, point: &NewPoint) -> (Option<f64>, bool) {
    let sent = harness.point(point).unwrap().remove(0);
    let OwnedValue::Bool(anomaly) = sent.fields["anomaly"] else { panic!("the flag is a bool") };
    (sent.number("score").ok(), anomaly)
}

fn verdicts(
    harness: &mut Harness<HalfSpaceTrees>,
    values: impl IntoIterator<Item = f64>,
) -> Vec<(Option<f64>, bool)> {
    values.into_iter().map(|value| verdict(harness, &point().field("a", value))).collect()
}

/// Numbers from 0 to 16 without a pattern, most of them in the middle.
fn noise(count: u32) -> impl Iterator<Item = f64> + Clone {
    let number = |n: u32| f64::from(n.wrapping_mul(2_654_435_761) >> 16) / 16384.0;
    (0..count).map(move |n| number(n) + number(n + 99_991) + number(n + 777_777) + number(n + 1_234_567))
}

#[test]
fn a_value_far_from_all_others_is_an_anomaly() {
    for unit in [1.0, 1e-15, 1e15] {
        let mut harness = start(&["a"], []).unwrap();
        let usual = verdicts(&mut harness, noise(1000).map(|value| unit * value));
        // No trees before the end of the first window, and nothing to compare the first masses with.
        assert!(usual[..120].iter().all(|verdict| *verdict == (None, false)));
        assert!(usual[120..].iter().all(|(score, _)| score.is_some()));
        assert!(usual.iter().filter(|(_, anomaly)| *anomaly).count() < 15);
        assert!(verdicts(&mut harness, [30.0 * unit])[0].1 && !verdicts(&mut harness, [8.0 * unit])[0].1);
    }
}

#[test]
fn fields_are_looked_at_together() {
    let mut harness = start(&["a", "b"], [("trees", 50.into())]).unwrap();
    for value in noise(2000) {
        verdict(&mut harness, &point().field("a", value).field("b", 1e6 * value));
    }
    let together = verdict(&mut harness, &point().field("a", 11).field("b", 11e6)).0.unwrap();
    let apart = verdict(&mut harness, &point().field("a", 11).field("b", 5e6)).0.unwrap();
    assert!(apart > together + 1.0, "{apart} {together}");
    assert!(harness.point(&point().field("a", 14)).unwrap().is_empty());
    assert!(harness.skips()[0].contains("no field `b`"));
}

/// Units of fields have no effect, since each field has its own range.
#[test]
fn units_have_no_effect() {
    let scores = |a: f64, b: f64| {
        let mut harness = start(&["a", "b"], []).unwrap();
        let values = noise(300).zip(noise(301).skip(1));
        let points = values.map(|(x, y)| point().field("a", a * x).field("b", b * (x + y)));
        points.map(|point| verdict(&mut harness, &point).0).collect::<Vec<_>>()
    };
    // Powers of two, with which there is no rounding.
    assert_eq!(scores(2.0_f64.powi(50), 2.0_f64.powi(-50)), scores(1.0, 1.0));
}

/// After a shift, and after a value that makes the range much too long, the plugin sees as well as before.
#[test]
fn ranges_are_learned_anew() {
    for (spike, offset) in [(0.0, 1e15), (1e9, 0.0)] {
        let mut harness = start(&["a"], []).unwrap();
        verdicts(&mut harness, noise(300));
        verdicts(&mut harness, [offset + spike]);
        verdicts(&mut harness, noise(1500).map(|value| offset + value));
        let [far, near] = [30.0, 8.0].map(|value| verdicts(&mut harness, [offset + value])[0].0.unwrap());
        assert!(far > 3.0 && near < 1.0, "{spike} {offset}: {far} {near}");
    }
}

#[test]
fn a_given_range_stays() {
    let range = || [("range", OptionArgument::from(("a", 0.0, 16.0)))];
    let mut harness = start(&["a"], range()).unwrap();
    verdicts(&mut harness, noise(300));
    // Beyond the range all values are the same.
    let mut other = start(&["a"], range()).unwrap();
    verdicts(&mut other, noise(300));
    let beyond = |harness: &mut _, value: f64| verdicts(harness, (0..300).map(|_| value));
    assert_eq!(beyond(&mut harness, 17.0), beyond(&mut other, 1e6));
}

#[test]
fn a_change_after_nothing_has_changed_is_an_anomaly() {
    for value in [0.0, 5.0, -1e15, 1e-300] {
        let mut harness = start(&["a"], []).unwrap();
        let constant = verdicts(&mut harness, [value; 300]);
        assert!(constant.iter().all(|(_, anomaly)| !anomaly));
        assert!(verdicts(&mut harness, [value * (1.0 + 1e-6) + 1e-9])[0].1, "{value}");
    }
}

#[test]
fn other_options_begin_anew() {
    let mut harness = start(&["a"], []).unwrap();
    verdicts(&mut harness, noise(200));
    let snapshot = harness.snapshot();
    for (options, keeps) in [(vec![("threshold", 3.0.into())], true), (vec![("seed", 2.into())], false)] {
        let mut other = start(&["a"], options).unwrap();
        other.restore(&snapshot).unwrap();
        assert_eq!(verdicts(&mut other, [1.0])[0].0.is_some(), keeps);
    }
}

#[test]
fn options_are_checked() {
    let range = |name: &'static str, low: f64, high: f64| ("range", OptionArgument::from((name, low, high)));
    for (options, expected) in [
        (vec![("size", 1.into())], "option `size`: must be from 2 to 65535"),
        (vec![("height", 21.into())], "option `height`: must be from 1 to 20"),
        (vec![("threshold", f64::NAN.into())], "option `threshold`: must be a number of at least 0"),
        (
            vec![("height", 16.into()), ("trees", 100.into())],
            "option `trees`: must be less, or `height`: a group would take 112 MiB, and at most 32 MiB are allowed",
        ),
        (vec![range("b", 0.0, 1.0)], "option `range`: must be of a field of the option `field`, got `b`"),
        (vec![range("a", 0.0, 1.0), range("a", 0.0, 2.0)], "option `range`: must be given once for `a`"),
        (
            vec![range("a", 1.0, f64::NAN)],
            "option `range`: must have the smaller number before the larger one, from -1e300 to 1e300",
        ),
    ] {
        let options = [("field", "a".into())].into_iter().chain(options);
        assert_eq!(Harness::<HalfSpaceTrees>::start(options).unwrap_err().to_string(), expected);
    }
}

/// Whatever happens to a snapshot: it is refused, or the plugin goes on with something, and does not panic.
#[test]
fn damaged_snapshots_do_no_harm() {
    let start = || start(&["a", "b"], [("trees", 3.into()), ("height", 4.into())]).unwrap();
    let input = |number: u32| {
        let value = f64::from(number.wrapping_mul(2_654_435_761) >> 28);
        point().field("a", value).field("b", value * value)
    };
    let mut harness = start();
    for number in 0..300 {
        verdict(&mut harness, &input(number));
    }
    let (snapshot, refused) = (harness.snapshot(), std::cell::Cell::new(0));
    let damages = proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8);
    let end = proptest::option::weighted(0.1, any::<proptest::sample::Index>());
    let checked = TestRunner::new(ProptestConfig::with_cases(500)).run(&(damages, end), |(damages, end)| {
        let mut damaged = snapshot.clone();
        for (place, byte) in damages {
            damaged[place.index(snapshot.len())] = byte;
        }
        damaged.truncate(end.map_or(snapshot.len(), |end| end.index(snapshot.len())));
        let mut other = start();
        match other.restore(&damaged) {
            Ok(()) => (0..200).for_each(|number| _ = verdict(&mut other, &input(number))),
            Err(_) => refused.set(refused.get() + 1),
        }
        Ok(())
    });
    checked.unwrap();
    assert!(refused.get() > 100, "{refused:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Whatever comes, each point has a finite score, and a restart changes nothing.
    #[test]
    fn scores_are_finite_and_survive(
        values in proptest::collection::vec(
            prop_oneof![
                any::<f64>().prop_filter("is finite", |value| value.is_finite()),
                proptest::sample::select(vec![0.0, f64::MAX, f64::MIN, 5e-324, 1e15]),
                -1.0..1.0,
            ],
            20..120,
        ),
        seed in any::<i64>(),
    ) {
        let start = || {
            let fields = [("field", "a".into()), ("field", "b".into())];
            let small = [("size", 10.into()), ("height", 4.into()), ("seed", seed.into())];
            Harness::<HalfSpaceTrees>::start(fields.into_iter().chain(small)).unwrap()
        };
        let (mut harness, mut restarted) = (start(), start());
        for (number, pair) in values.windows(2).enumerate() {
            let point = point().field("a", pair[0]).field("b", pair[1]);
            let (score, anomaly) = verdict(&mut harness, &point);
            prop_assert_eq!(score.is_some(), number >= 12);
            prop_assert!(score.is_none_or(|score| score.abs() <= 40.0), "{:?}", score);
            prop_assert_eq!(verdict(&mut restarted, &point), (score, anomaly));
            let snapshot = restarted.snapshot();
            restarted = start();
            restarted.restore(&snapshot).unwrap();
        }
    }
}
