//! Tests of the plugin.

use std::collections::BTreeMap;

use algorithms::Total;
use kapacitor_guest::statistics::Aggregate as _;
use kapacitor_guest::testing::{Harness, OptionArgument, lines, point};
use proptest::prelude::*;

use super::*;

type Given = (&'static str, OptionArgument);

fn start(options: impl IntoIterator<Item = Given>) -> Result<Harness<Aggregate>> {
    Harness::start([("field", "value".into())].into_iter().chain(options))
}

fn functions(names: &[&'static str]) -> Vec<Given> {
    names.iter().map(|name| ("fn", (*name).into())).collect()
}

/// What a point gets.
fn results(harness: &mut Harness<Aggregate>, time: i64, value: f64) -> BTreeMap<String, OwnedValue> {
    let mut sent = harness.point(&point().at(time).field("value", value)).unwrap().remove(0);
    assert_eq!(sent.fields.remove("value"), Some(value.into()));
    sent.fields
}

fn expected<const N: usize>(results: [(&str, OwnedValue); N]) -> BTreeMap<String, OwnedValue> {
    results.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[test]
fn functions_are_those_of_the_window() {
    let names = ["count", "sum", "mean", "stddev", "min", "max", "spread", "median", "p75"];
    let mut harness = start(functions(&names).into_iter().chain([("size", 4.into())])).unwrap();
    for value in [1e300, 2.0, 4.0, 4.0] {
        results(&mut harness, 0, value);
    }
    let all = expected([
        ("count", 4.into()),
        ("sum", 16.0.into()),
        ("mean", 4.0.into()),
        ("stddev", (8.0_f64 / 3.0).sqrt().into()),
        ("min", 2.0.into()),
        ("max", 6.0.into()),
        ("spread", 4.0.into()),
        ("median", 4.0.into()),
        ("p75", 4.5.into()),
    ]);
    assert_eq!(results(&mut harness, 0, 6.0), all);
}

#[test]
fn functions_have_a_default() {
    let mut harness = start([]).unwrap();
    let first =
        expected([("count", 1.into()), ("min", 3.0.into()), ("max", 3.0.into()), ("mean", 3.0.into())]);
    assert_eq!(results(&mut harness, 0, 3.0), first, "a single number has no standard deviation");
    for _ in 0..20 {
        assert!(results(&mut harness, 0, 3.0)["stddev"] == 0.0.into());
    }
    assert_eq!(results(&mut harness, 0, 3.0)["count"], 10.into());
}

#[test]
fn window_may_be_a_time() {
    for names in [&["count"][..], &["count", "stddev"], &["count", "max"], &["count", "median"]] {
        let period = ("period", Duration::from_nanos(10).into());
        let mut harness = start(functions(names).into_iter().chain([period])).unwrap();
        for (time, count) in [(0, 1), (9, 2), (10, 2), (8, 3), (25, 1)] {
            assert_eq!(results(&mut harness, time, 1.0)["count"], count.into(), "{names:?} at {time}");
        }
        assert_eq!(results(&mut harness, 15, 1.0), expected([]), "older than the window");
        assert_eq!(results(&mut harness, 26, 1.0)["count"], 2.into());
    }
}

#[test]
fn each_function_has_a_window_without_the_others() {
    for name in ["count", "sum", "mean", "stddev", "min", "max", "spread", "median", "p95"] {
        let mut harness = start(functions(&[name])).unwrap();
        results(&mut harness, 0, 1.0);
        let second = results(&mut harness, 0, 2.0);
        assert_eq!(second.into_keys().collect::<Vec<_>>(), [name]);
    }
}

#[test]
fn percentiles_may_be_those_of_influxql() {
    let options = functions(&["p25", "p50"]).into_iter().chain([("percentile", "influxql".into())]);
    let mut harness = start(options).unwrap();
    assert_eq!(results(&mut harness, 0, 3.0), expected([("p50", 3.0.into())]), "a quarter of one is none");
    assert_eq!(results(&mut harness, 0, 1.0), expected([("p25", 1.0.into()), ("p50", 1.0.into())]));
    assert_eq!(results(&mut harness, 0, 2.0), expected([("p25", 1.0.into()), ("p50", 2.0.into())]));
}

#[test]
fn fields_and_groups_have_windows_of_their_own() {
    let options = [("field", "a".into()), ("field", "b".into()), ("fn", "sum".into())];
    let mut harness = Harness::<Aggregate>::start(options).unwrap();
    let input = "m,host=x a=1,b=20i 1\nm,host=y a=9 2\nm,host=x a=3,b=10 3\nm,host=x c=1 4\nm,host=x a=2 5";
    let points = lines(input).unwrap().into_iter().map(|point| point.group_by(&["host"]));
    let sent = harness.points(points).unwrap();
    let of = |name: &str| sent.iter().map(|point| point.number(name).ok()).collect::<Vec<_>>();
    assert_eq!(of("a_sum"), [Some(1.0), Some(9.0), Some(4.0), Some(6.0)]);
    assert_eq!(of("b_sum"), [Some(20.0), None, Some(30.0), None]);
}

#[test]
fn numbers_that_are_not_finite_are_no_numbers() {
    let mut harness = start(functions(&["sum"])).unwrap();
    assert_eq!(results(&mut harness, 0, 1.0), expected([("sum", 1.0.into())]));
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(harness.point(&point().field("value", value)).unwrap().is_empty());
    }
    assert_eq!(results(&mut harness, 0, 2.0), expected([("sum", 3.0.into())]));
}

#[test]
fn options_are_checked() {
    let error = |options: Vec<Given>| start(options).unwrap_err().to_string();
    assert!(error(functions(&["avg"])).contains("option `fn`: must be `count`"));
    let unknown = error(vec![("percentile", "nearest".into())]);
    assert_eq!(unknown, "option `percentile`: must be `linear` or `influxql`, got `nearest`");
}

/// A number that is an int, of any size that a double holds, or a small one.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-1000_i64..1000).prop_map(|number| number as f64),
        (0_i64..1000).prop_map(|number| (1_000_000_000_000_000 + number) as f64),
    ]
}

proptest! {
    /// All functions are those of the last numbers, summed up anew with exact ints.
    #[test]
    fn functions_are_those_of_the_numbers(values in proptest::collection::vec(number(), 1..60), size in 1_usize..20) {
        let names = ["count", "sum", "mean", "stddev", "min", "max", "median"];
        let mut harness = start(functions(&names).into_iter().chain([("size", (size as i64).into())])).unwrap();
        for end in 1..=values.len() {
            let mut window = values[end.saturating_sub(size)..end].to_vec();
            window.sort_unstable_by(f64::total_cmp);
            let (count, largest) = (window.len(), window.iter().fold(0_f64, |most, value| most.max(value.abs())));
            let results = results(&mut harness, 0, values[end - 1]);
            let is = |name: &str, expected: f64, error: f64| {
                let OwnedValue::Double(value) = results[name] else { panic!("{name}: {results:?}") };
                assert!((value - expected).abs() <= error, "{name}: {value} instead of {expected}");
            };
            let sum: i128 = window.iter().map(|value| *value as i128).sum();
            let mean = sum as f64 / count as f64;
            prop_assert_eq!(&results["count"], &OwnedValue::from(count));
            is("sum", sum as f64, 0.0);
            is("mean", mean, 2e-16 * mean.abs());
            is("min", window[0], 0.0);
            is("max", window[count - 1], 0.0);
            is("median", (window[(count - 1) / 2] + window[count / 2]) / 2.0, 1e-15 * largest);
            if count > 1 {
                // Of n numbers, n² times the sum of the squares of the deviations.
                let squares: i128 = window.iter().map(|value| (*value as i128 * count as i128 - sum).pow(2)).sum();
                let variance = squares as f64 / (count as f64).powi(2) / (count - 1) as f64;
                is("stddev", variance.sqrt(), 1e-14 * variance.sqrt());
            }
        }
    }

    /// A sum does not depend on how its parts were merged.
    #[test]
    fn totals_merge_in_any_order(
        values in proptest::collection::vec(prop_oneof![-1e15..1e15, -1e-15..1e-15], 2..40),
        cut in 0_usize..40,
    ) {
        let total = |values: &[f64]| {
            let mut total = Total::default();
            values.iter().for_each(|value| total.push(*value));
            total
        };
        let (first, second) = values.split_at(cut.min(values.len()));
        let (merged, whole) = (total(first).merge(&total(second)), total(&values));
        let size: f64 = values.iter().map(|value| value.abs()).sum();
        prop_assert_eq!(merged.count(), whole.count());
        prop_assert!((merged.sum() - whole.sum()).abs() <= 3e-16 * whole.sum().abs() + 1e-28 * size);
    }
}
