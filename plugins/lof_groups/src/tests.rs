use super::*;
use factor::factors;
use features::make_comparable;
use kapacitor_guest::testing::{Harness, OptionArgument, point};
use proptest::prelude::*;

fn start(options: &[(&'static str, OptionArgument)]) -> Result<Harness<LofGroups>> {
    Harness::start([("field", "value".into())].into_iter().chain(options.iter().cloned()))
}

/// Sends the batch of a host, with these values.
fn send(harness: &mut Harness<LofGroups>, host: &str, tmax: i64, values: &[f64]) -> Vec<NewPoint> {
    let points: Vec<_> = values.iter().map(|value| point().field("value", *value)).collect();
    let batch = NewBatch::new("cpu").at(tmax).tag("host", host);
    harness.batch(&batch, &points).unwrap().into_iter().flat_map(|(_, points)| points).collect()
}

/// Sends the batches of hosts with these numbers; the value is that of a fleet of which host 3 differs.
fn send_all(
    harness: &mut Harness<LofGroups>,
    tmax: i64,
    hosts: impl IntoIterator<Item = u32>,
) -> Vec<NewPoint> {
    let value = |host: u32| if host == 3 { 90.0 } else { 50.0 + f64::from(host * 7 % 10) };
    hosts.into_iter().flat_map(|host| send(harness, &format!("h{host}"), tmax, &[value(host)])).collect()
}

fn hosts(points: &[NewPoint]) -> Vec<&str> {
    points.iter().map(|point| &*point.tags["host"]).collect()
}

#[test]
fn the_host_that_differs_is_found() {
    let mut harness = start(&[]).unwrap();
    assert!(send_all(&mut harness, 10, 0..10).is_empty(), "more hosts may come");
    let sent = send_all(&mut harness, 20, [5]);
    assert_eq!(hosts(&sent), ["h0", "h1", "h2", "h3", "h4", "h5", "h6", "h7", "h8", "h9"]);
    for point in &sent {
        assert_eq!(
            (point.time, point.name.as_str(), point.dimensions.as_slice()),
            (10, "cpu", &["host".to_owned()][..])
        );
        let is_third = point.tags["host"] == "h3";
        assert_eq!(point.fields["anomaly"], is_third.into());
        assert_eq!(point.number("score").unwrap() > 4.0, is_third, "{point:?}");
    }
    assert_eq!(sent[3].number("value_mean").unwrap(), 90.0);
    // Now it is known which hosts there are.
    assert!(send_all(&mut harness, 20, [0, 1, 2, 3, 4, 6, 7, 8]).is_empty());
    assert_eq!(hosts(&send_all(&mut harness, 20, [9])).len(), 10);
}

#[test]
fn hosts_may_come_and_go() {
    let mut harness = start(&[]).unwrap();
    send_all(&mut harness, 10, 0..10);
    assert_eq!(send_all(&mut harness, 20, 0..10).len(), 20, "of both windows");
    // One that was not there before, and comes too late.
    assert!(send_all(&mut harness, 20, [10]).is_empty());
    assert!(harness.skips()[0].contains("was not in the window before"));
    // The next window waits for it, but not for ever.
    assert!(send_all(&mut harness, 30, 0..10).is_empty());
    assert_eq!(send_all(&mut harness, 40, [0]).len(), 10);
    assert_eq!(send_all(&mut harness, 40, 1..10).len(), 10, "host 10 was not there");
    assert!(send_all(&mut harness, 30, [10]).is_empty());
    assert!(harness.skips()[1].contains("a batch of a newer window came before this one"));
    assert!(send_all(&mut harness, 50, [1, 1]).is_empty());
    assert!(harness.skips()[2].contains("the window has a batch of this group already"));
    assert_eq!(harness.skips().len(), 3);
}

#[test]
fn a_new_host_does_not_stand_for_another_one() {
    let mut harness = start(&[]).unwrap();
    send_all(&mut harness, 10, 0..10);
    assert_eq!(send_all(&mut harness, 20, [10]).len(), 10, "of the first window");
    assert!(send_all(&mut harness, 20, 0..9).is_empty());
    assert_eq!(send_all(&mut harness, 20, [9]).len(), 11);
}

#[test]
fn late_batches_between_others_change_nothing() {
    let mut harness = start(&[]).unwrap();
    send_all(&mut harness, 10, 0..10);
    for window in 2..40 {
        assert!(send_all(&mut harness, 1, [window as u32]).is_empty());
        assert!(send_all(&mut harness, window * 10, 0..9).len() % 10 == 0);
        assert_eq!(send_all(&mut harness, window * 10, [9]).len(), 10);
    }
    assert_eq!(harness.skips().len(), 38);
}

#[test]
fn a_wrong_time_in_the_future_is_left_behind() {
    let mut harness = start(&[]).unwrap();
    send_all(&mut harness, 10, 0..10);
    assert_eq!(send_all(&mut harness, 1_000_000, [3]).len(), 10);
    // Ten hosts were there, so the eleventh late batch in a row is believed.
    assert!(send_all(&mut harness, 20, 0..10).is_empty());
    assert_eq!(harness.skips().len(), 10);
    // The groups are those of the last window that was right.
    assert_eq!(send_all(&mut harness, 30, 0..10).len(), 10);
    assert_eq!(harness.skips().len(), 10);
}

#[test]
fn windows_that_are_not_aligned_are_reported() {
    let mut harness = start(&[]).unwrap();
    let mut tmax = 0;
    let mut send_some = |harness: &mut Harness<LofGroups>, count: u32| {
        for host in 0..count {
            tmax += 1;
            send_all(harness, tmax, [host % 3]);
        }
        harness.log().iter().filter(|(_, line)| line.contains("windows need `.align()`")).count()
    };
    assert_eq!(send_some(&mut harness, 9), 0);
    assert_eq!(send_some(&mut harness, 90), 1);
    assert!(harness.skips().is_empty());
    // One group alone is no mistake.
    let mut harness = start(&[]).unwrap();
    (0..99).for_each(|tmax| assert!(send_all(&mut harness, tmax, [1]).len() < 3));
    assert!(harness.log().is_empty());
}

#[test]
fn few_groups_have_no_score() {
    let mut harness = start(&[("min_groups", 5.into())]).unwrap();
    send_all(&mut harness, 10, 0..4);
    let sent = send_all(&mut harness, 20, 0..5);
    assert_eq!(sent.len(), 4 + 4, "without the fifth, which the window before did not have");
    assert!(sent.iter().all(|point| !point.fields.contains_key("score")));
    assert!(sent.iter().all(|point| point.fields["anomaly"] == false.into()));
    let sent = send_all(&mut harness, 30, 0..5);
    assert_eq!(sent.len(), 5);
    assert!(sent.iter().all(|point| point.number("score").is_ok()));
}

#[test]
fn batches_without_values_are_skipped() {
    let mut harness = start(&[("feature", "stddev".into())]).unwrap();
    for (values, reason) in [
        (&[][..], "no point of the batch has a number in field `value`"),
        (&[f64::NAN, f64::INFINITY], "no point of the batch has a number in field `value`"),
        (&[1e300, -1e300], "the stddev of field `value` is no number"),
    ] {
        assert!(send(&mut harness, "a", 1, values).is_empty());
        assert!(harness.skips().last().unwrap().contains(reason), "{:?}", harness.skips());
    }
}

#[test]
fn features_are_fields() {
    let words = ["max", "min", "stddev", "mean"];
    let options = words.map(|word| ("feature", OptionArgument::from(word)));
    let mut harness = start(&options).unwrap();
    send(&mut harness, "a", 1, &[1.0, 3.0, 8.0]);
    let sent = send(&mut harness, "a", 2, &[1.0]);
    let number = |name| sent[0].number(name).unwrap();
    assert_eq!((number("value_max"), number("value_min"), number("value_mean")), (8.0, 1.0, 4.0));
    assert!((number("value_stddev") - (26.0_f64 / 3.0).sqrt()).abs() < 1e-15);
}

#[test]
fn state_survives_a_restart() {
    let mut harness = start(&[]).unwrap();
    send_all(&mut harness, 10, 0..10);
    send_all(&mut harness, 20, 0..4);
    let snapshot = harness.snapshot();
    let mut restored = start(&[]).unwrap();
    restored.restore(&snapshot).unwrap();
    let sent = send_all(&mut restored, 20, 4..10);
    assert_eq!(sent, send_all(&mut harness, 20, 4..10));
    assert_eq!(sent.len(), 10);
}

#[test]
fn options_are_checked() {
    for (option, value, expected) in [
        ("neighbors", OptionArgument::from(101), "option `neighbors`: must be at most 100"),
        ("min_groups", 2.into(), "option `min_groups`: must be from 3 to 5000"),
        ("threshold", f64::NAN.into(), "option `threshold`: must be a number of at least 0"),
        ("feature", "sum".into(), "option `feature`: must be 'mean', 'stddev', 'min' or 'max', got 'sum'"),
    ] {
        assert_eq!(start(&[(option, value)]).unwrap_err().to_string(), expected);
    }
    let twice = start(&[("feature", "max".into()), ("feature", "max".into())]).unwrap_err();
    assert_eq!(twice.to_string(), "option `feature`: 'max' is given twice");
    let hidden = start(&[("feature", "max".into()), ("as", "value_max".into())]).unwrap_err();
    assert_eq!(hidden.to_string(), "two results have the name `value_max`: choose another");
}

#[test]
fn windows_with_many_features_have_fewer_groups() {
    let fields = |count: usize| (0..count).map(|number| ("field", format!("f{number}").as_str().into()));
    let start = |count, min_groups: i64| {
        Harness::<LofGroups>::start(fields(count).chain([("min_groups", min_groups.into())]))
    };
    assert!(start(4, 5000).is_ok() && start(100, 1000).is_ok());
    for (count, too_many) in [(5, 4473), (100, 1001)] {
        assert_eq!(
            start(count, too_many).unwrap_err().to_string(),
            "option `min_groups`: a window with so many features has fewer groups"
        );
    }
    let mut harness = start(100, 3).unwrap();
    let values = (0..100).fold(point(), |point, number| point.field(format!("f{number}"), number));
    for host in 0..1001 {
        let batch = NewBatch::new("cpu").at(9).tag("host", format!("h{host}"));
        harness.batch(&batch, std::slice::from_ref(&values)).unwrap();
    }
    assert_eq!(harness.skips().len(), 1);
    assert!(harness.skips()[0].contains("the window has 1000 groups already"));
}

#[test]
fn features_are_comparable_in_any_unit() {
    let numbers = [1.0, 2.0, 4.0, 7.0, 100.0];
    for (origin, unit) in [(0.0, 1.0), (1e15, 8.0), (0.0, 1e-300), (0.0, 1.7e306)] {
        let mut column = numbers.map(|number| origin + unit * number);
        make_comparable(&mut column);
        // The median of the deviations 3, 2, 0, 3 and 96 is 3.
        for (found, number) in column.iter().zip(numbers) {
            assert!((found - (number - 4.0) / 3.0).abs() < 1e-12, "{column:?}");
        }
    }
    let mut mostly_zero = [0.0, 0.0, 0.0, 0.0, 10.0];
    make_comparable(&mut mostly_zero);
    assert_eq!(mostly_zero, [0.0, 0.0, 0.0, 0.0, 5.0]);
    let mut same = [7.0; 3];
    make_comparable(&mut same);
    assert_eq!(same, [0.0; 3]);
    let mut extreme = [f64::MAX, f64::MIN, 0.0, 1.0, 2.0];
    make_comparable(&mut extreme);
    assert_eq!(extreme, [1e100, -1e100, -1.0, 0.0, 1.0]);
    let mut far_apart = [f64::MAX, f64::MAX, f64::MAX, f64::MIN, f64::MIN / 2.0];
    make_comparable(&mut far_apart);
    for (found, expected) in far_apart.into_iter().zip([0.0, 0.0, 0.0, -2.0 / 0.7, -1.5 / 0.7]) {
        assert!((found - expected).abs() < 1e-12, "{far_apart:?}");
    }
}

/// The definition: all vectors in order of their distance.
fn naive(columns: &[Vec<f64>], k: usize) -> Vec<f64> {
    let count = columns[0].len();
    let distance =
        |a: usize, b: usize| columns.iter().map(|column| (column[a] - column[b]).powi(2)).sum::<f64>().sqrt();
    let neighbors = |a: usize| {
        let mut others: Vec<usize> = (0..count).filter(|b| *b != a).collect();
        others.sort_by(|b, c| distance(a, *b).total_cmp(&distance(a, *c)));
        others.truncate(k);
        others
    };
    let furthest = |a: usize| distance(a, neighbors(a)[k - 1]);
    let density = |a: usize| {
        let reach = |b: usize| distance(a, b).max(furthest(b));
        1.0 / (neighbors(a).into_iter().map(reach).sum::<f64>() / k as f64 + 1e-10)
    };
    let factor = |a: usize| neighbors(a).into_iter().map(density).sum::<f64>() / k as f64 / density(a);
    (0..count).map(factor).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Numbers with few digits have many that are equal, and distances that are.
    #[test]
    fn factors_are_those_of_the_definition(
        rows in proptest::collection::vec((0..12_i8, -1.0..1.0_f64, 0..3_i8), 3..25),
        k in 1..8_usize,
        components in 1..4_usize,
    ) {
        let k = k.min(rows.len() - 1);
        let all = [
            rows.iter().map(|row| f64::from(row.0)).collect(),
            rows.iter().map(|row| f64::from(row.2)).collect(),
            rows.iter().map(|row| row.1).collect::<Vec<f64>>(),
        ];
        let columns = &all[..components];
        for (found, expected) in factors(columns, k).into_iter().zip(naive(columns, k)) {
            prop_assert!((found / expected - 1.0).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn results_are_numbers(values in proptest::collection::vec(prop_oneof![any::<f64>(), -1.0..1.0, Just(f64::MAX), Just(f64::MIN)], 0..30), neighbors in 1..9_i64) {
        let mut harness = start(&[("min_groups", 3.into()), ("neighbors", neighbors.into())]).unwrap();
        for tmax in 0..3 {
            for (host, value) in values.iter().enumerate() {
                for point in send(&mut harness, &host.to_string(), tmax, &[*value]) {
                    prop_assert!(point.fields.len() != 1);
                }
            }
        }
        prop_assert_eq!(harness.left_out(), 0);
    }
}
