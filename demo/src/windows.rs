//! Cuts a stream into windows, as `|window().period(10m).every(10m).align()` does.

use std::collections::BTreeMap;
use std::time::Duration;

use kapacitor_wasm::protocol::{BeginBatch, EndBatch, Point, RequestMessage};

/// The windows of all groups in the order in which Kapacitor sends them, each as one batch.
///
/// A window is complete when a later point of its group comes. The last ones are sent too, which
/// Kapacitor does only if a point follows.
pub fn cut(points: &[Point], period: Duration) -> Vec<Vec<RequestMessage>> {
    let period = i64::try_from(period.as_nanos()).unwrap_or(i64::MAX).max(1);
    let end = |time: i64| time.saturating_sub(time.rem_euclid(period)).saturating_add(period);
    let mut open: BTreeMap<&str, Vec<&Point>> = BTreeMap::new();
    let mut batches = Vec::new();
    for point in points {
        let window = open.entry(&point.group).or_default();
        if let [first, ..] = window[..]
            && point.time >= end(first.time)
        {
            batches.push(batch(window, end(first.time)));
            window.clear();
        }
        window.push(point);
    }
    batches.extend(open.values().filter_map(|window| Some(batch(window, end(window.first()?.time)))));
    batches
}

/// One window as it is on the wire: its points have only time, group, tags and fields.
fn batch(points: &[&Point], tmax: i64) -> Vec<RequestMessage> {
    let Some(first) = points.first() else { return Vec::new() };
    let Point { name, group, by_name, .. } = first;
    let tags = || {
        let tag = |key: &String| Some((key.clone(), first.tags.get(key)?.clone()));
        first.dimensions.iter().filter_map(tag).collect()
    };
    let mut messages = vec![RequestMessage::Begin(BeginBatch {
        name: name.clone(),
        group: group.clone(),
        tags: tags(),
        size: points.len() as i64,
        by_name: *by_name,
    })];
    messages.extend(points.iter().map(|point| {
        RequestMessage::Point(Point {
            name: String::new(),
            database: String::new(),
            retention_policy: String::new(),
            dimensions: Vec::new(),
            by_name: false,
            ..(*point).clone()
        })
    }));
    messages.push(RequestMessage::End(EndBatch {
        name: name.clone(),
        group: group.clone(),
        tmax,
        tags: tags(),
        by_name: false,
    }));
    messages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::read;

    /// Group, times and tmax of each batch.
    fn times(text: &str) -> Vec<(String, Vec<i64>, i64)> {
        let points = read(text, "x.lp", "host").unwrap();
        let times = |batch: Vec<RequestMessage>| {
            let (Some(RequestMessage::Begin(begin)), Some(RequestMessage::End(end))) =
                (batch.first(), batch.last())
            else {
                panic!()
            };
            let times: Vec<_> = batch
                .iter()
                .filter_map(|message| match message {
                    RequestMessage::Point(point) => Some(point.time),
                    _ => None,
                })
                .collect();
            assert_eq!(begin.size, times.len() as i64);
            assert_eq!((&begin.name, &begin.group, &begin.tags), (&end.name, &end.group, &end.tags));
            (begin.group.clone(), times, end.tmax)
        };
        cut(&points, Duration::from_nanos(10)).into_iter().map(times).collect()
    }

    #[test]
    fn a_window_ends_at_a_later_point_of_its_group() {
        let text = "x,host=a v=1 13\nx,host=b v=1 14\nx,host=a v=1 19\nx,host=a v=1 20\nx,host=a v=1 41\n";
        assert_eq!(
            times(text),
            [
                ("host=a".to_owned(), vec![13, 19], 20),
                ("host=a".to_owned(), vec![20], 30),
                ("host=a".to_owned(), vec![41], 50),
                ("host=b".to_owned(), vec![14], 20),
            ]
        );
        assert_eq!(times("x v=1 -1\nx v=1 0\n").len(), 2);
        assert_eq!(times("x v=1 9223372036854775807\n").len(), 1);
        assert_eq!(times("x v=1 -9223372036854775808\n").len(), 1);
        assert_eq!(cut(&[], Duration::ZERO), Vec::<Vec<RequestMessage>>::new());
    }

    #[test]
    fn batch_points_have_only_what_kapacitor_sends() {
        let points = read("x,host=a,cpu=0 v=1,n=2i 13\n", "x.lp", "host").unwrap();
        let batch = cut(&points, Duration::from_nanos(10)).remove(0);
        let RequestMessage::Point(point) = &batch[1] else { panic!() };
        let Point { time, group, tags, fields_double, fields_int, .. } = points[0].clone();
        assert_eq!(*point, Point { time, group, tags, fields_double, fields_int, ..Point::default() });
    }
}
