use kapacitor_guest::prelude::*;
use kapacitor_guest::testing::{Harness, point};

use crate::support::{process, requests, start};

/// Counts points, and fails in the way that a point asks for.
#[derive(Options)]
struct Counting {
    #[option(default = 1)]
    step: u64,
    /// Points that were
    /// counted.
    ///
    /// That is all.
    counted: Counter,
    #[option(name = "other_name")]
    renamed: Gauge,
}

impl Stream for Counting {
    type Group = u8;

    fn point(&self, _: &mut u8, point: Point<'_>, out: &mut Output) -> Result<()> {
        self.counted.add(self.step);
        self.renamed.set(point.number("value")?);
        self.renamed.add(0.5);
        match point.tag("then") {
            Some("fail") => Err(Error::new("told to fail")),
            Some("panic") => panic!("told to panic"),
            _ => out.send(point),
        }
    }
}

register!(Counting);

fn value(host: &str, value: f64, then: &str) -> NewPoint {
    let point = point().tag("host", host).group_by(&["host"]).field("value", value);
    if then.is_empty() { point } else { point.tag("then", then) }
}

fn values(harness: &mut Harness<Counting>) -> [f64; 3] {
    ["groups", "counted", "other_name"].map(|name| harness.metric(name))
}

#[test]
fn metrics_are_fields_of_the_plugin() {
    let mut harness = Harness::<Counting>::start([("step", 2.into())]).unwrap();
    assert_eq!(values(&mut harness), [0.0; 3]);
    harness.point(&value("a", 1.0, "")).unwrap();
    harness.point(&value("b", -3.0, "")).unwrap();
    assert_eq!(values(&mut harness), [2.0, 4.0, -2.5]);
    // A skip keeps what was counted before it.
    harness.point(&point().tag("host", "b").group_by(&["host"]).field("other", 1)).unwrap();
    assert_eq!(values(&mut harness), [2.0, 6.0, -2.5]);
}

#[test]
fn failures_count_nothing() {
    let mut harness = Harness::<Counting>::start([]).unwrap();
    harness.point(&value("a", 1.0, "")).unwrap();
    for then in ["fail", "panic"] {
        harness.point(&value("c", 7.0, then)).unwrap_err();
        assert_eq!(values(&mut harness), [1.0, 1.0, 1.5]);
    }
    harness.point(&value("a", 2.0, "")).unwrap();
    assert_eq!(values(&mut harness), [1.0, 2.0, 2.5]);
}

#[test]
fn metrics_are_no_options() {
    let error = Harness::<Counting>::start([("counted", 1.into())]).unwrap_err();
    assert_eq!(error.to_string(), "there is no option `counted`");
}

#[test]
#[should_panic(expected = "the plugin has no metric `x`; it has: groups, counted, other_name")]
fn metric_that_is_not_there_is_named() {
    Harness::<Counting>::start([]).unwrap().metric("x");
}

#[test]
fn host_reads_descriptions_and_values() {
    let mut calls = <Counting as kapacitor_guest::runtime::Registered>::calls();
    // Before the plugin has its options.
    calls.metrics();
    let expected = "gauge groups Groups that the plugin keeps a state of.\n\
                    counter counted Points that were counted.\ngauge other_name \n";
    assert_eq!(str::from_utf8(calls.result()).unwrap(), expected);
    let mut calls = start(calls);
    let numbers =
        |calls: &dyn kapacitor_guest::runtime::Calls| [0, 1, 2, 3].map(|index| calls.metric_value(index));
    assert_eq!(numbers(&*calls), [Some(0), Some(0), Some(0), None]);
    let mut point = kapacitor_guest_tests::protocol::Point::default();
    point.fields_double.insert("value".to_owned(), 2.0);
    let point = kapacitor_guest_tests::protocol::request::Message::Point(point);
    process(&mut *calls, &requests([point.clone(), point]));
    assert_eq!(numbers(&*calls), [Some(1f64.to_bits()), Some(2), Some(2.5f64.to_bits()), None]);
}

macro_rules! plugin {
    ($name:ident { $($(#[$attribute:meta])* $field:ident)* }) => {
        #[derive(Options)]
        struct $name { $($(#[$attribute])* $field: Counter),* }

        impl Stream for $name {
            type Group = ();

            fn point(&self, _: &mut (), point: Point<'_>, out: &mut Output) -> Result<()> {
                $(self.$field.inc();)*
                out.send(point)
            }
        }

        register!($name);
    };
}

#[test]
fn wrong_metrics_are_refused() {
    plugin!(Many { a b c d e f g h i j k l m n o p q });
    plugin!(Enough { a b c d e f g h i j k l m n o p });
    plugin!(Groups { groups });
    plugin!(Upper {
        #[option(name = "Points")]
        points
    });
    let error = Harness::<Many>::start([]).unwrap_err().to_string();
    assert_eq!(error, "the plugin has 17 metrics of its own, more than 16");
    assert!(Harness::<Enough>::start([]).is_ok());
    let error = Harness::<Groups>::start([]).unwrap_err().to_string();
    assert_eq!(error, "the metric `groups` is the SDK's own: choose another name");
    let error = Harness::<Upper>::start([]).unwrap_err().to_string();
    assert!(error.contains("`Points` is no name of a metric"), "{error}");
}
