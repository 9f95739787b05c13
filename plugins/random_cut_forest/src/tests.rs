use super::*;
use kapacitor_guest::testing::{Harness, OptionArgument, point};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// A plugin for the fields `a` and `b`, or `a` alone, with small trees.
fn start(
    fields: &[&'static str],
    more: impl IntoIterator<Item = (&'static str, OptionArgument)>,
) -> Result<Harness<RandomCutForest>> {
    let fields = fields.iter().map(|field| ("field", (*field).into()));
    let small = [("trees", 10.into()), ("size", 64.into())];
    Harness::start(fields.chain(small).chain(more))
}

/// The score of a point, and whether it is an anomaly.
fn verdict(harness: &mut Harness<RandomCutForest>, point: &NewPoint) -> (Option<f64>, bool) {
    let sent = harness.point(point).unwrap().remove(0);
    let OwnedValue::Bool(anomaly) = sent.fields["anomaly"] else { panic!("the flag is a bool") };
    (sent.number("score").ok(), anomaly)
}

fn verdicts(
    harness: &mut Harness<RandomCutForest>,
    values: impl IntoIterator<Item = f64>,
) -> Vec<(Option<f64>, bool)> {
    values.into_iter().map(|value| verdict(harness, &point().field("a", value))).collect()
}

/// Numbers from 0 to 15 without a pattern.
fn noise(count: u32) -> impl Iterator<Item = f64> + Clone {
    (0..count).map(|number| f64::from(number.wrapping_mul(2_654_435_761) >> 28))
}

#[test]
fn a_value_far_from_all_others_is_an_anomaly() {
    let mut harness = start(&["a"], []).unwrap();
    let usual = verdicts(&mut harness, noise(400));
    assert!(usual[..64].iter().all(|verdict| *verdict == (None, false)));
    assert!(usual[64..].iter().all(|(score, anomaly)| score.is_some() && !anomaly));
    assert!(matches!(verdicts(&mut harness, [100.0])[..], [(Some(score), true)] if score > 20.0));
    assert!(matches!(verdicts(&mut harness, [7.0])[..], [(Some(score), false)] if score < 2.0));
}

#[test]
fn the_order_of_values_counts_with_a_shingle() {
    // 0 to 15 in turn, and then one that comes too early.
    let series = (0..640).map(|number| f64::from(number % 16)).chain([9.0]);
    let last = |shingle: i64| {
        let mut harness = start(&["a"], [("shingle", shingle.into())]).unwrap();
        verdicts(&mut harness, series.clone()).pop().unwrap()
    };
    let [alone, in_turn] = [1, 4].map(|shingle| last(shingle).0.unwrap());
    assert!(alone < 0.0 && in_turn > 5.0, "{alone} {in_turn}");
}

#[test]
fn fields_are_looked_at_together() {
    let mut harness = start(&["a", "b"], []).unwrap();
    for value in noise(400) {
        verdict(&mut harness, &point().field("a", value).field("b", 1e6 * value));
    }
    assert!(!verdict(&mut harness, &point().field("a", 14).field("b", 14e6)).1);
    assert!(verdict(&mut harness, &point().field("a", 14).field("b", 1e6)).1);
    assert!(harness.point(&point().field("a", 14)).unwrap().is_empty());
    assert!(harness.skips()[0].contains("no field `b`"));
}

#[test]
fn units_have_no_effect() {
    let scores = |a: f64, b: f64| {
        let mut harness = start(&["a", "b"], []).unwrap();
        let values = noise(300).zip(noise(301).skip(1));
        let points = values.map(|(x, y)| point().field("a", a * x).field("b", b * (8.0 * x + 40.0 * y)));
        points.map(|point| verdict(&mut harness, &point).0).collect::<Vec<_>>()
    };
    // Powers of two, with which there is no rounding; `a` has the lesser deviation in all cases.
    let expected = scores(1.0, 1.0);
    for (a, b) in [(1.0, 1_073_741_824.0), (2.0_f64.powi(-50), 1.0), (2.0_f64.powi(50), 2.0_f64.powi(50))] {
        assert_eq!(scores(a, b), expected, "{a} {b}");
    }
}

#[test]
fn small_noise_on_large_numbers_is_seen() {
    let mut harness = start(&["a"], []).unwrap();
    let usual = verdicts(&mut harness, noise(400).map(|value| 1e15 + value));
    assert!(usual.iter().all(|(_, anomaly)| !anomaly));
    assert!(verdicts(&mut harness, [1e15 + 100.0])[0].1);
}

#[test]
fn a_change_after_nothing_has_changed_is_an_anomaly() {
    let mut harness = start(&["a"], []).unwrap();
    assert!(verdicts(&mut harness, [5.0; 300])[64..].iter().all(|verdict| *verdict == (Some(0.0), false)));
    assert_eq!(verdicts(&mut harness, [5.001]), [(Some(64.0), true)]);
}

#[test]
fn other_options_begin_anew() {
    let mut harness = start(&["a"], []).unwrap();
    verdicts(&mut harness, noise(100));
    let snapshot = harness.snapshot();
    assert!(verdicts(&mut harness, [1.0])[0].0.is_some());
    for (options, keeps) in [(vec![("threshold", 3.0.into())], true), (vec![("shingle", 2.into())], false)] {
        let mut other = start(&["a"], options).unwrap();
        other.restore(&snapshot).unwrap();
        assert_eq!(verdicts(&mut other, [1.0])[0].0.is_some(), keeps);
    }
}

#[test]
fn options_are_checked() {
    for (options, expected) in [
        (vec![("size", 1.into())], "option `size`: must be from 2 to 32767"),
        (vec![("threshold", f64::NAN.into())], "option `threshold`: must be a number of at least 0"),
        (
            vec![("trees", 1000.into()), ("size", 1000.into())],
            "option `trees`: must be less, together with `size`, `shingle` and the number of fields: a group would take \
             65 MiB, and at most 32 MiB are allowed",
        ),
    ] {
        let options = [("field", "a".into())].into_iter().chain(options);
        assert_eq!(Harness::<RandomCutForest>::start(options).unwrap_err().to_string(), expected);
    }
    let huge = i64::from(u32::MAX);
    let options = [("field", "a".into()), ("trees", huge.into()), ("shingle", huge.into())];
    assert!(Harness::<RandomCutForest>::start(options).is_err());
}

/// Whatever happens to a snapshot: it is refused, or the plugin goes on with something, and does not panic.
#[test]
fn damaged_snapshots_do_no_harm() {
    let start = || start(&["a", "b"], []).unwrap();
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
        shingle in 1..4_i64,
        history in 1..100_i64,
    ) {
        let start = || {
            let more = [("shingle", shingle.into()), ("history", history.into()), ("warmup", 10.into())];
            start(&["a", "b"], more).unwrap()
        };
        let (mut harness, mut restarted) = (start(), start());
        for (number, pair) in values.windows(2).enumerate() {
            let point = point().field("a", pair[0]).field("b", pair[1]);
            let (score, anomaly) = verdict(&mut harness, &point);
            prop_assert_eq!(score.is_some(), number >= 10);
            prop_assert!(score.is_none_or(|score| score.abs() <= 64.0), "{:?}", score);
            prop_assert_eq!(verdict(&mut restarted, &point), (score, anomaly));
            let snapshot = restarted.snapshot();
            restarted = start();
            restarted.restore(&snapshot).unwrap();
        }
    }
}
