use std::collections::BTreeMap;
use std::time::Duration;

use kapacitor_guest::prelude::*;
use kapacitor_guest::testing::{Harness, point};
use proptest::prelude::*;

/// In the unit of the times of these tests.
const SPAN: i64 = 300;

/// Counts the points and the silences of each group, and fails in the way that the group's name asks for.
#[derive(Options)]
struct Deadman {
    #[option(default = Duration::from_nanos(SPAN as u64))]
    period: Duration,
}

#[derive(Default)]
struct Counts {
    points: i64,
    silences: i64,
}

impl Stream for Deadman {
    type Group = Counts;

    const MAX_GROUPS: usize = 20;

    fn silence(&self) -> Option<Duration> {
        Some(self.period)
    }

    fn point(&self, counts: &mut Counts, point: Point<'_>, out: &mut Output) -> Result<()> {
        counts.points += 1;
        if point.field("skip").is_some() {
            return Err(Error::skip("told to skip"));
        }
        out.send(point.with("points", counts.points))
    }

    fn silent(&self, counts: &mut Counts, last: Point<'_>, now: i64, out: &mut Output) -> Result<()> {
        counts.silences += 1;
        let new = NewPoint::like(last).at(now).field("silences", counts.silences);
        out.send(new.field("points", counts.points).field("for", now - last.time()))?;
        match last.tag("host") {
            Some("skips") => Err(Error::skip("told to skip")),
            Some("fails") => Err(Error::new("told to fail")),
            _ => Ok(()),
        }
    }
}

impl Snapshot<Counts> for Deadman {
    fn snapshot(&self, groups: &Groups<Counts>) -> Result<Vec<u8>> {
        let lines = groups.iter().map(|(id, counts)| format!("{id} {} {}", counts.points, counts.silences));
        Ok(lines.collect::<Vec<_>>().join("\n").into_bytes())
    }

    fn restore(&self, _: u32, snapshot: &[u8], groups: &mut Groups<Counts>) -> Result<()> {
        for line in std::str::from_utf8(snapshot)?.lines() {
            let mut words = line.split(' ');
            let id = words.next().unwrap_or_default();
            let mut number = || -> Result<i64> { Ok(words.next().unwrap_or_default().parse()?) };
            groups.insert(id, Counts { points: number()?, silences: number()? });
        }
        Ok(())
    }
}

register!(Deadman, snapshot);

fn start() -> Harness<Deadman> {
    Harness::start([]).unwrap()
}

fn at(host: &str, time: i64) -> NewPoint {
    point().tag("host", host).tag("rack", "1").group_by(&["host"]).field("x", 1).at(time)
}

/// Sends a point; returns the hosts that fell silent, and for how long they had been.
fn send(harness: &mut Harness<Deadman>, host: &str, time: i64) -> Vec<(String, i64)> {
    let sent = harness.point(&at(host, time)).unwrap();
    assert_eq!(sent.last().map(|point| (point.tags["host"].as_str(), point.time)), Some((host, time)));
    silences(&sent)
}

fn silences(sent: &[NewPoint]) -> Vec<(String, i64)> {
    let silent = sent.iter().filter(|point| point.fields.contains_key("silences"));
    silent.map(|point| (point.tags["host"].clone(), point.number("for").unwrap() as i64)).collect()
}

#[test]
fn silence_is_reported_once_with_a_point_like_the_last() {
    let mut harness = start();
    send(&mut harness, "a", 10);
    for time in (0..300).step_by(50) {
        assert_eq!(send(&mut harness, "b", 10 + time), []);
    }
    assert_eq!(send(&mut harness, "b", 309), []);
    let sent = harness.point(&at("b", 310)).unwrap();
    assert_eq!(sent.len(), 2);
    let (silent, input) = (&sent[0], at("a", 310));
    assert_eq!(
        (&silent.name, &silent.tags, &silent.dimensions, &silent.group, silent.time),
        (&input.name, &input.tags, &input.dimensions, &input.group, input.time)
    );
    assert_eq!(silent.number("points"), Ok(1.0));
    for time in (310..2000).step_by(50) {
        assert_eq!(send(&mut harness, "b", time), [], "once");
    }
    // The group has kept its state, and is silent once more.
    send(&mut harness, "a", 2000);
    let again: Vec<_> = (2000..2400).step_by(50).map(|time| send(&mut harness, "b", time)).collect();
    assert_eq!(again.iter().filter(|silent| !silent.is_empty()).count(), 1);
    let last = harness.point(&at("a", 2400)).unwrap();
    assert_eq!(last[0].number("points"), Ok(3.0));
}

#[test]
fn group_that_comes_late_by_itself_is_not_silent() {
    let mut harness = start();
    for time in (0..3000).step_by(140) {
        send(&mut harness, "a", time);
    }
    // Whose points are the only ones: nothing else shows that time passes.
    for time in (10_000..100_000).step_by(1000) {
        assert_eq!(send(&mut harness, "a", time), []);
    }
}

#[test]
fn gaps_and_wrong_times_make_no_silence() {
    let mut harness = start();
    for time in (0..1000).step_by(20) {
        for (host, step) in [("a", 0), ("b", 1), ("c", 2)] {
            assert_eq!(send(&mut harness, host, time + step), []);
        }
        let wrong = [i64::MAX, 1_000_000, time + 10_000, i64::MIN, -5_000][(time / 20 % 5) as usize];
        assert_eq!(send(&mut harness, "wrong clock", wrong), []);
    }
    // No data for a day, and then only that of one host until the others come.
    for time in (86_400..86_700).step_by(20) {
        assert_eq!(send(&mut harness, "a", time), []);
    }
    for host in ["b", "c"] {
        assert_eq!(send(&mut harness, host, 86_700), []);
    }
}

#[test]
fn skips_and_failures_concern_what_they_are_about() {
    let mut harness = start();
    for host in ["other", "skips"] {
        send(&mut harness, host, 0);
    }
    send(&mut harness, "a", 150);
    // A point that is skipped shows the silence of others.
    let sent = harness.point(&at("a", 300).field("skip", 1)).unwrap();
    assert_eq!(silences(&sent), [("other".to_owned(), 300)]);
    assert_eq!(harness.skips(), ["group `host=skips`: told to skip", "told to skip"]);
    send(&mut harness, "fails", 300);
    send(&mut harness, "a", 450);
    for _ in 0..2 {
        let error = harness.point(&at("a", 600)).unwrap_err().to_string();
        assert_eq!(error, "group `host=fails`: told to fail");
    }
    assert_eq!(send(&mut harness, "fails", 600), []);
    assert_eq!(send(&mut harness, "a", 601), []);
}

#[test]
fn silences_survive_snapshots() {
    let mut harness = start();
    send(&mut harness, "a", 10);
    send(&mut harness, "b", 100);
    send(&mut harness, "b", 200);
    let snapshot = harness.snapshot();
    let mut restored = start();
    restored.restore(&snapshot).unwrap();
    assert_eq!(send(&mut restored, "b", 309), []);
    let sent = restored.point(&at("b", 310)).unwrap();
    assert_eq!(silences(&sent), [("a".to_owned(), 300)]);
    assert_eq!((sent[0].number("points"), sent[1].number("points")), (Ok(1.0), Ok(4.0)));
    // A version of the plugin without silences wrote only its own bytes.
    restored.restore(b"host=a 7 1").unwrap();
    for time in (1000..2000).step_by(100) {
        assert_eq!(send(&mut restored, "b", time), []);
    }
    assert_eq!(restored.point(&at("a", 2000)).unwrap()[0].number("points"), Ok(8.0));
}

#[test]
fn groups_that_are_too_many_are_not_reported() {
    let mut harness = start();
    for host in 0..30 {
        send(&mut harness, &host.to_string(), host);
    }
    let mut silent = Vec::new();
    for time in (100..500).step_by(100) {
        silent.extend(send(&mut harness, "a", time));
    }
    // Some of those that came last.
    assert!(
        (15..=20).contains(&silent.len()) && silent.iter().all(|(host, _)| host.len() == 2),
        "{silent:?}"
    );
}

#[test]
fn silence_that_no_group_lives_to_see_is_refused() {
    let day = Duration::from_secs(24 * 60 * 60);
    let error = Harness::<Deadman>::start([("period", day.into())]).unwrap_err().to_string();
    let expected =
        "no group can be silent for 86400s, because the plugin gives up groups after 86400s: choose less";
    assert_eq!(error, expected);
    assert!(Harness::<Deadman>::start([("period", (day - Duration::from_nanos(1)).into())]).is_ok());
}

/// Reports batches that don't come.
#[derive(Options)]
struct NoBatch {}

impl Batch for NoBatch {
    type Group = ();

    fn silence(&self) -> Option<Duration> {
        Some(Duration::from_nanos(SPAN as u64))
    }

    fn batch(&self, _: &mut (), points: &Points<'_>, out: &mut Output) -> Result<()> {
        let mut batch = out.batch(points)?;
        points.iter().for_each(|point| batch.send(point));
        drop(batch);
        if points.is_empty() { Err(Error::skip("no points")) } else { Ok(()) }
    }

    fn silent(&self, _: &mut (), last: &Points<'_>, now: i64, out: &mut Output) -> Result<()> {
        assert_eq!((last.len(), last.iter().count()), (0, 0));
        let mut batch = out.batch(last)?;
        batch.send(NewPoint::like(last).field("silent_for", now - last.tmax()));
        Ok(())
    }
}

register!(NoBatch);

#[test]
fn batches_fall_silent_too() {
    let mut harness = Harness::<NoBatch>::start([]).unwrap();
    let mut send = |host: &str, tmax: i64, points: usize| {
        let batch = NewBatch::new("load").tag("host", host).at(tmax);
        let points = vec![NewPoint::default().tag("host", host).field("x", 1); points];
        harness.batch(&batch, &points).unwrap()
    };
    send("a", 0, 2);
    assert_eq!(send("b", 100, 1).len(), 1);
    assert_eq!(send("b", 200, 1).len(), 1);
    // Also if the batch that shows it is skipped.
    let sent = send("b", 300, 0);
    assert_eq!(sent.len(), 1);
    let (batch, points) = &sent[0];
    assert_eq!(batch, &NewBatch::new("load").tag("host", "a").at(0));
    assert_eq!((points.len(), points[0].number("silent_for")), (1, Ok(300.0)));
    let sent = send("b", 400, 3);
    assert_eq!((sent.len(), sent[0].1.len()), (1, 3));
}

/// The rules of the documentation, without a list.
#[derive(Default)]
struct Model {
    time: Option<i64>,
    passed: i64,
    far: u32,
    last: BTreeMap<String, (i64, i64)>,
}

impl Model {
    fn send(&mut self, host: &str, time: i64) -> Vec<(String, i64)> {
        let now = *self.time.get_or_insert(time);
        if time - now > SPAN / 2 || now - time > SPAN {
            self.far += 1;
            if self.far == 8 {
                (self.far, self.time) = (0, Some(time));
            }
        } else {
            self.far = 0;
            self.passed += (time - now).max(0);
            self.time = Some(now.max(time));
        }
        self.last.insert(host.to_owned(), (self.passed, time));
        let silent = |(passed, _): &(i64, i64)| self.passed - passed >= SPAN;
        let mut found: Vec<_> = self.last.iter().filter(|(_, last)| silent(last)).collect();
        found.sort_by_key(|(_, (passed, _))| *passed);
        let now = self.time.unwrap();
        let found: Vec<_> = found.into_iter().map(|(host, (_, time))| (host.clone(), now - time)).collect();
        self.last.retain(|host, _| !found.iter().any(|(silent, _)| silent == host));
        found
    }
}

proptest! {
    #[test]
    fn silences_are_those_of_the_rules(
        points in proptest::collection::vec(
            (0..8_u8, prop_oneof![12 => 0_i64..60, 2 => -400_i64..0, 1 => -5000_i64..5000]), 0..120,
        ),
        restart in 0..120_usize,
    ) {
        let mut harness = start();
        let mut model = Model::default();
        let mut time = 10_000;
        for (index, (host, step)) in points.into_iter().enumerate() {
            if index == restart {
                let snapshot = harness.snapshot();
                harness = start();
                harness.restore(&snapshot).unwrap();
                // How many were far in a row is not worth a place in a snapshot.
                model.far = 0;
            }
            time += step;
            let host = format!("h{host}");
            let mut expected = model.send(&host, time);
            let mut found = send(&mut harness, &host, time);
            expected.sort();
            found.sort();
            prop_assert_eq!(found, expected);
        }
    }
}
