use std::time::Duration;

use kapacitor_guest::prelude::*;
use kapacitor_guest::testing::{Harness, point};

const MINUTE: i64 = 60_000_000_000;

/// Numbers the points of each of a few groups.
#[derive(Options)]
struct Few {
    #[option(default = Few::MAX_GROUPS)]
    max_groups: usize,
}

impl Stream for Few {
    type Group = i64;

    const MAX_GROUPS: usize = 8;

    fn max_groups(&self) -> usize {
        self.max_groups
    }

    fn point(&self, number: &mut i64, point: Point<'_>, out: &mut Output) -> Result<()> {
        *number += 1;
        out.send(point.with("number", *number))
    }

    fn finish(&self, groups: &mut Groups<i64>, out: &mut Output) -> Result<()> {
        for (id, number) in groups.iter() {
            out.send(NewPoint::new(id).field("number", *number))?;
        }
        Ok(())
    }
}

impl Snapshot<i64> for Few {
    fn snapshot(&self, _: &Groups<i64>) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// Restores as many groups as the snapshot has bytes.
    fn restore(&self, _: u32, snapshot: &[u8], groups: &mut Groups<i64>) -> Result<()> {
        (0..snapshot.len()).for_each(|number| groups.insert(&format!("host={number}"), 100));
        Ok(())
    }
}

register!(Few, snapshot);

/// The number of the next point of a host.
fn number(harness: &mut Harness<Few>, host: usize) -> OwnedValue {
    let point = point().tag("host", host.to_string()).group_by(&["host"]);
    harness.point(&point).unwrap().remove(0).fields["number"].clone()
}

#[test]
fn group_that_was_silent_longest_begins_anew() {
    let mut few = Harness::<Few>::start([]).unwrap();
    for host in (0..8).chain([0]) {
        number(&mut few, host);
    }
    assert_eq!([0, 8, 2, 1].map(|host| number(&mut few, host)), [3, 1, 2, 1].map(OwnedValue::Int));
    assert_eq!(few.finish().unwrap().len(), 8);
}

#[test]
fn restored_groups_that_are_too_many_go() {
    let mut few = Harness::<Few>::start([]).unwrap();
    few.restore(&[0; 20]).unwrap();
    assert_eq!([19, 12, 11].map(|host| number(&mut few, host)), [101, 101, 1].map(OwnedValue::Int));
    assert_eq!(few.finish().unwrap().len(), 8);
}

#[test]
fn most_groups_follow_an_option() {
    let mut few = Harness::<Few>::start([("max_groups", 16.into())]).unwrap();
    for host in (0..16).chain([0]) {
        number(&mut few, host);
    }
    // The sixteenth is the last that fits; with one more, an eighth goes.
    assert_eq!([0, 16, 3, 2].map(|host| number(&mut few, host)), [3, 1, 2, 1].map(OwnedValue::Int));
    few.restore(&[0; 20]).unwrap();
    assert_eq!([19, 4, 3].map(|host| number(&mut few, host)), [101, 101, 1].map(OwnedValue::Int));
    let mut one = Harness::<Few>::start([("max_groups", 0.into())]).unwrap();
    assert_eq!([0, 0, 1, 0].map(|host| number(&mut one, host)), [1, 2, 1, 1].map(OwnedValue::Int));
}

/// Numbers the batches of each group, and forgets it after a while.
#[derive(Options)]
struct Forgetful;

impl Batch for Forgetful {
    type Group = i64;

    const PROVIDES: Edge = Edge::Stream;
    const IDLE: Duration = Duration::from_secs(3600);

    fn max_groups(&self) -> usize {
        4
    }

    fn batch(&self, number: &mut i64, points: &Points<'_>, out: &mut Output) -> Result<()> {
        *number += 1;
        out.send(NewPoint::like(points).field("number", *number))
    }
}

register!(Forgetful);

#[test]
fn idle_group_begins_anew() {
    let mut forgetful = Harness::<Forgetful>::start([]).unwrap();
    let mut number = |host: &str, tmax: i64| {
        let batch = NewBatch::new("load").tag("host", host).at(tmax);
        forgetful.batch(&batch, &[]).unwrap().remove(0).1.remove(0).fields["number"].clone()
    };
    // The time of the data is known after a few batches.
    for count in 1..=200 {
        assert_eq!(number("steady", count), OwnedValue::Int(count));
    }
    assert_eq!(number("other", MINUTE), OwnedValue::Int(1));
    for minute in 1..=45 {
        number("steady", minute * MINUTE);
    }
    assert_eq!(number("other", 45 * MINUTE), OwnedValue::Int(2));
    // Every 17th batch is looked at, and an hour is eight steps.
    for minute in 46..=300 {
        number("steady", minute * MINUTE);
    }
    assert_eq!(number("other", 300 * MINUTE), OwnedValue::Int(1));
    assert_eq!(number("steady", 300 * MINUTE), OwnedValue::Int(501));
}

#[test]
fn most_groups_of_batches_are_what_the_method_says() {
    let mut forgetful = Harness::<Forgetful>::start([]).unwrap();
    let numbers = [0, 1, 2, 3, 0, 4, 0, 1].map(|host| {
        let batch = NewBatch::new("load").tag("host", host.to_string());
        forgetful.batch(&batch, &[]).unwrap().remove(0).1.remove(0).fields["number"].clone()
    });
    assert_eq!(numbers, [1, 1, 1, 1, 2, 1, 3, 1].map(OwnedValue::Int));
}
