//! Tests of the plugin.

use kapacitor_guest::testing::{Harness, OptionArgument, point};
use proptest::prelude::*;

use super::*;

type Given = (&'static str, OptionArgument);

fn functions(names: &[&'static str]) -> Vec<Given> {
    names.iter().map(|name| ("fn", (*name).into())).collect()
}

fn start(options: Vec<Given>) -> Result<Harness<AggregateBatch>> {
    Harness::start([("field", "value".into())].into_iter().chain(options))
}

/// The points that come out for a batch of values.
fn aggregate(harness: &mut Harness<AggregateBatch>, values: &[f64]) -> Vec<NewPoint> {
    let batch = NewBatch::new("cpu").tag("host", "a").at(99);
    let points: Vec<_> =
        (0..).zip(values).map(|(time, value)| point().at(time).field("value", *value)).collect();
    let batches = harness.batch(&batch, &points).unwrap();
    batches.into_iter().flat_map(|(_, points)| points).collect()
}

#[test]
fn batch_becomes_a_point_of_its_group() {
    let names = ["count", "sum", "mean", "stddev", "min", "max", "spread", "median", "p75"];
    let mut harness = start(functions(&names)).unwrap();
    let sent = aggregate(&mut harness, &[2.0, 6.0, f64::NAN, 4.0, f64::INFINITY, 4.0]);
    let expected = NewPoint::new("cpu")
        .at(99)
        .tag("host", "a")
        .group_by(&["host"])
        .field("count", 4)
        .field("sum", 16.0)
        .field("mean", 4.0)
        .field("stddev", (8.0_f64 / 3.0).sqrt())
        .field("min", 2.0)
        .field("max", 6.0)
        .field("spread", 4.0)
        .field("median", 4.0)
        .field("p75", 4.5);
    assert_eq!(sent, [expected]);
}

#[test]
fn functions_have_a_default() {
    let mut harness = start(vec![]).unwrap();
    let sent = aggregate(&mut harness, &[3.0, 5.0]).remove(0);
    let names: Vec<_> = sent.fields.keys().map(String::as_str).collect();
    assert_eq!(names, ["count", "max", "mean", "min", "stddev"]);
}

#[test]
fn several_fields_have_results_of_their_own() {
    let options =
        [("field", "a".into()), ("field", "b".into()), ("fn", "mean".into()), ("fn", "count".into())];
    let mut harness = Harness::<AggregateBatch>::start(options).unwrap();
    let points = [point().field("a", 1).field("b", 10.0), point().field("a", 2.0), point().field("c", "x")];
    let (_, sent) = harness.batch(&NewBatch::new("cpu"), &points).unwrap().remove(0);
    let expected = NewPoint::new("cpu")
        .field("a_mean", 1.5)
        .field("a_count", 2)
        .field("b_mean", 10.0)
        .field("b_count", 1);
    assert_eq!(sent, [expected]);
}

#[test]
fn empty_batch_has_a_count_and_a_sum() {
    let mut harness = start(functions(&["count", "sum", "mean", "p50"])).unwrap();
    let sent = aggregate(&mut harness, &[]);
    assert_eq!(sent[0].fields, NewPoint::new("").field("count", 0).field("sum", 0.0).fields);
    assert!(aggregate(&mut start(functions(&["mean"])).unwrap(), &[]).is_empty());
}

#[test]
fn batch_without_a_number_is_skipped() {
    let mut harness = start(vec![]).unwrap();
    assert!(aggregate(&mut harness, &[f64::NAN, f64::INFINITY]).is_empty());
    let skips = harness.skips();
    assert!(skips[0].contains("no point of the batch has a number in field `value`"), "{skips:?}");
}

#[test]
fn percentiles_may_be_those_of_influxql() {
    let options = functions(&["p25", "p75"]);
    let fields = |definition: &'static str| {
        let options = options.iter().cloned().chain([("percentile", definition.into())]);
        aggregate(&mut start(options.collect()).unwrap(), &[4.0, 1.0, 3.0, 2.0]).remove(0).fields
    };
    assert_eq!(fields("linear"), NewPoint::new("").field("p25", 1.75).field("p75", 3.25).fields);
    assert_eq!(fields("influxql"), NewPoint::new("").field("p25", 1.0).field("p75", 3.0).fields);
}

proptest! {
    /// The results are those of ints that are summed up exactly, also far from 0.
    #[test]
    fn results_are_exact(
        numbers in proptest::collection::vec(-1000_i64..1000, 2..200),
        level in prop_oneof![Just(0_i64), Just(1_000_000_000_000_000)],
    ) {
        let values: Vec<f64> = numbers.iter().map(|number| (level + number) as f64).collect();
        let names = ["count", "sum", "mean", "stddev", "min", "max", "median"];
        let sent = aggregate(&mut start(functions(&names)).unwrap(), &values).remove(0);
        let number = |name| sent.number(name).unwrap();
        let (count, sum) = (numbers.len() as i64, numbers.iter().sum::<i64>());
        let squares: i64 = numbers.iter().map(|number| (number * count - sum).pow(2)).sum();
        let std_dev = (squares as f64 / (count * count) as f64 / (count - 1) as f64).sqrt();
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        let middle = sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2];
        prop_assert_eq!(number("count"), count as f64);
        prop_assert_eq!(number("sum"), (level * count + sum) as f64);
        prop_assert!((number("mean") - (level * count + sum) as f64 / count as f64).abs() <= 2e-16 * number("mean").abs());
        prop_assert!((number("stddev") - std_dev).abs() <= 1e-14 * std_dev);
        prop_assert_eq!(number("min"), (level + sorted[0]) as f64);
        prop_assert_eq!(number("max"), (level + sorted[sorted.len() - 1]) as f64);
        prop_assert_eq!(number("median"), (2 * level + middle) as f64 / 2.0);
    }
}
