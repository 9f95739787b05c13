use super::*;
use kapacitor_guest::testing::{Harness, OptionArgument, flag, point};
use proptest::prelude::*;

const SECOND: i64 = 1_000_000_000;

fn start(seconds: u64, more: &[(&'static str, OptionArgument)]) -> Result<Harness<NoData>> {
    Harness::start([("period", Duration::from_secs(seconds).into())].into_iter().chain(more.iter().cloned()))
}

/// A point of a host.
fn of(host: &str, seconds: i64) -> NewPoint {
    point().tag("host", host).group_by(&["host"]).at(seconds * SECOND)
}

#[test]
fn silence_and_its_end_are_reported_once() {
    let mut harness = start(60, &[]).unwrap();
    let input = |host, seconds| of(host, seconds).tag("dc", "x").field("load", 1.0).field("name", "text");
    let mut sent = Vec::new();
    sent.extend(harness.point(&input("a", 0)).unwrap());
    for seconds in (0..=200).step_by(10) {
        sent.extend(harness.point(&input("b", seconds)).unwrap());
    }
    sent.extend(harness.point(&input("a", 205)).unwrap());
    sent.extend(harness.point(&input("a", 206)).unwrap());
    let report = |silent: bool, at: i64, silent_for: f64| {
        of("a", at).tag("dc", "x").field("silent", silent).field("silent_for", silent_for)
    };
    assert_eq!(sent, [report(true, 60, 60.0), report(false, 205, 205.0)]);
    assert_eq!(["silences", "returns", "groups"].map(|name| harness.metric(name)), [1.0, 1.0, 2.0]);
}

#[test]
fn all_points_are_passed_on_if_asked_for() {
    let mut harness = start(60, &[("all", flag()), ("as", "gone".into())]).unwrap();
    let input = |host, seconds| of(host, seconds).field("load", 1.0);
    let mut sent = harness.point(&input("a", 0)).unwrap();
    for seconds in [25, 50, 75] {
        sent.extend(harness.point(&input("b", seconds)).unwrap());
    }
    sent.extend(harness.point(&input("a", 80)).unwrap());
    let gone: Vec<_> = sent.iter().map(|point| (point.time / SECOND, point.fields["gone"].clone())).collect();
    let expected = [(0, false), (25, false), (50, false), (75, true), (75, false), (80, false)];
    assert_eq!(gone, expected.map(|(time, gone)| (time, gone.into())));
    assert_eq!(sent[0], input("a", 0).field("gone", false));
    assert_eq!(sent[5], input("a", 80).field("gone", false).field("silent_for", 80.0));
}

#[test]
fn wrong_times_make_no_negative_silence() {
    let mut harness = start(60, &[]).unwrap();
    harness.point(&of("a", 1_000_000).field("x", 1)).unwrap();
    let sent = harness.points((0..20).map(|number| of("b", number * 20).field("x", 1))).unwrap();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].fields["silent_for"], 0.0.into());
}

#[test]
fn state_goes_on_after_a_restart() {
    let mut harness = start(60, &[]).unwrap();
    let input = |host, seconds| of(host, seconds).field("x", 1);
    let early = [input("a", 0), input("b", 20), input("b", 40), input("b", 60)];
    assert_eq!(harness.points(early).unwrap().len(), 1);
    let snapshot = harness.snapshot();
    let mut harness = start(60, &[]).unwrap();
    harness.restore(&snapshot).unwrap();
    assert_eq!(harness.point(&input("a", 70)).unwrap()[0].fields["silent_for"], 70.0.into());
}

#[test]
fn period_is_at_least_twice_the_interval_of_the_points() {
    for (period, reports) in [(60, 0), (80, 1)] {
        let mut harness = start(period, &[]).unwrap();
        let both = ["a", "b"].map(|host| of(host, 0).field("x", 1));
        let only_a = (1..100).map(|step| of("a", 40 * step).field("x", 1));
        assert_eq!(harness.points(both.into_iter().chain(only_a)).unwrap().len(), reports, "{period}");
    }
}

#[test]
fn options_are_checked() {
    assert_eq!(start(0, &[]).unwrap_err().to_string(), "option `period`: must be above 0");
    let error = start(1, &[("as", "silent_for".into())]).unwrap_err().to_string();
    assert_eq!(error, "option `silent_for`: must be another name than `as`");
    assert!(start(8 * 24 * 60 * 60, &[]).is_err(), "longer than states are kept");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// While the steps of the time are at most half of the period, the reports are those that looking at all groups with
    /// each point finds.
    #[test]
    fn reports_are_those_of_the_definition(
        points in proptest::collection::vec((0_i64..=5, 0_usize..6), 1..120),
    ) {
        const PERIOD: i64 = 10;
        let names = ["a", "b", "c", "d", "e", "f"];
        let mut harness = start(PERIOD as u64, &[]).unwrap();
        // The time of the last point of each group, and whether it was reported.
        let mut groups: [Option<(i64, bool)>; 6] = [None; 6];
        let mut time = 0;
        for (step, host) in points {
            time += step;
            let mut expected = Vec::new();
            for (place, group) in groups.iter_mut().enumerate() {
                if let Some((last, reported @ false)) = group
                    && place != host
                    && time - *last >= PERIOD
                {
                    *reported = true;
                    expected.push((names[place], true, (time - *last) as f64));
                }
            }
            if let Some((last, true)) = groups[host] {
                expected.push((names[host], false, (time - last) as f64));
            }
            groups[host] = Some((time, false));
            let sent = harness.point(&of(names[host], time).field("x", 1)).unwrap();
            prop_assert!(sent.iter().all(|point| point.time == time * SECOND));
            let mut found: Vec<_> = sent
                .iter()
                .map(|point| {
                    let silent = point.fields["silent"] == true.into();
                    (point.tags["host"].as_str(), silent, point.number("silent_for").unwrap())
                })
                .collect();
            found.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
            prop_assert_eq!(found, expected);
        }
    }
}
