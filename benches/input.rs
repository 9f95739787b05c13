//! What Kapacitor sends in the measurements.

use kapacitor_wasm::protocol::client::{option, text};
use kapacitor_wasm::protocol::option_value::Value;
use kapacitor_wasm::protocol::{
    BeginBatch, EndBatch, Option as UdfOption, Point, RequestMessage, put_request,
};

/// Requests, one after the other.
pub struct Input {
    /// Their frames.
    pub frames: Vec<u8>,
    /// Points among them.
    pub points: usize,
    /// What comes back for them.
    pub answers: Answers,
}

/// How one knows that all has come back.
#[derive(Clone, Copy)]
pub enum Answers {
    /// So many points.
    Points(usize),
    /// So many Ends of batches.
    Ends(usize),
}

impl Input {
    /// Points as Telegraf's CPU plugin writes them, of 10 hosts in turn. Tags and fields are in any order, as
    /// Kapacitor writes them.
    pub fn stream(points: usize) -> Self {
        Self::stream_from(0, points)
    }

    /// The same from that point on.
    pub fn stream_from(first: usize, points: usize) -> Self {
        let mut frames = Vec::new();
        for i in first..first + points {
            put_request(RequestMessage::Point(point(i, i % 10)), &mut frames);
        }
        Self { frames, points, answers: Answers::Points(points) }
    }

    /// Batches of so many points, of 10 hosts in turn. One point in a hundred is an outlier.
    pub fn batches(batches: usize, size: usize) -> Self {
        let mut frames = Vec::new();
        for batch in 0..batches {
            let host = format!("web{:02}", batch % 10);
            let tags = || [("host".to_owned(), host.clone())].into();
            let group = format!("host={host}");
            put_request(
                RequestMessage::Begin(BeginBatch {
                    name: "cpu".to_owned(),
                    group: group.clone(),
                    tags: tags(),
                    size: size as i64,
                    by_name: false,
                }),
                &mut frames,
            );
            for i in 0..size {
                let at = batch * size + i;
                let value = if i % 100 == 50 { 1000.0 } else { 10.0 + ((at * 31) % 97) as f64 / 16.0 };
                let point = Point {
                    time: time(at),
                    tags: point(at, batch % 10).tags,
                    fields_double: [("usage_user".to_owned(), value), ("usage_idle".to_owned(), 90.0)].into(),
                    ..Point::default()
                };
                put_request(RequestMessage::Point(point), &mut frames);
            }
            let tmax = time((batch + 1) * size);
            let end = EndBatch { name: "cpu".to_owned(), group, tmax, tags: tags(), by_name: false };
            put_request(RequestMessage::End(end), &mut frames);
        }
        Self { frames, points: batches * size, answers: Answers::Ends(batches) }
    }
}

/// One point of the stream.
pub fn point(i: usize, host: usize) -> Point {
    let host = format!("web{host:02}");
    let field = |name: &str, value: f64| (name.to_owned(), value);
    Point {
        time: time(i),
        name: "cpu".to_owned(),
        database: "telegraf".to_owned(),
        retention_policy: "autogen".to_owned(),
        group: format!("host={host}"),
        dimensions: vec!["host".to_owned()],
        tags: [("host", host.as_str()), ("cpu", "cpu-total"), ("region", "eu-west")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        fields_double: [
            field("usage_idle", 80.0 + (i % 17) as f64),
            field("usage_iowait", 0.5),
            field("usage_system", 4.0 + (i % 7) as f64),
            field("usage_user", 10.0 + (i % 13) as f64),
        ]
        .into(),
        ..Point::default()
    }
}

fn time(i: usize) -> i64 {
    1_700_000_000_000_000_000 + i as i64 * 1_000_000_000
}

/// The options of a moving average over so many points.
pub fn averages_over(size: i64) -> Vec<UdfOption> {
    vec![text("field", "usage_user"), option("size", Value::IntValue(size)), text("as", "mean")]
}

/// The options of outliers.
pub fn outliers() -> Vec<UdfOption> {
    vec![text("field", "usage_user"), option("scale", Value::DoubleValue(1.5))]
}
