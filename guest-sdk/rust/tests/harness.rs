use kapacitor_guest::log::Level;
use kapacitor_guest::prelude::*;
use kapacitor_guest::testing::{Harness, lines, point};
use proptest::prelude::*;

/// Adds up a field of each group, and fails in the way that a point asks for after that.
#[derive(Options)]
struct Fragile {
    #[option(default = 1.0)]
    scale: f64,
}

impl Stream for Fragile {
    type Group = f64;

    fn point(&self, sum: &mut f64, point: Point<'_>, out: &mut Output) -> Result<()> {
        *sum += self.scale * point.number("value")?;
        info!("sum {sum}");
        out.send(point.with("sum", *sum))?;
        match point.tag("then") {
            Some("skip") => Err(Error::skip("told to")),
            Some("fail") => Err(Error::new("told to fail")),
            Some("panic") => panic!("told to {}", "panic"),
            Some("divide") => out.send(point.edit().with("sum", *sum / 0.0)),
            Some("divide all") => out.send(point.without("value").with("sum", f64::NAN)),
            _ => Ok(()),
        }
    }
}

register!(Fragile);

fn input(host: &str, value: f64, then: &str) -> NewPoint {
    let point = point().tag("host", host).group_by(&["host"]).field("value", value);
    if then.is_empty() { point } else { point.tag("then", then) }
}

fn start(scale: f64) -> Harness<Fragile> {
    Harness::start([("scale", scale.into())]).unwrap()
}

fn sum(harness: &mut Harness<Fragile>, host: &str, value: f64) -> f64 {
    harness.point(&input(host, value, "")).unwrap()[0].number("sum").unwrap()
}

#[test]
fn state_before_a_failure_comes_back() {
    let mut harness = start(1.0);
    assert_eq!(sum(&mut harness, "a", 1.0), 1.0);
    assert_eq!(
        harness.point(&input("a", 10.0, "fail")).unwrap_err().to_string(),
        "group `host=a`: told to fail"
    );
    assert_eq!(sum(&mut harness, "a", 2.0), 3.0);
    let error = harness.point(&input("a", 10.0, "panic")).unwrap_err();
    assert_eq!(error, Error::new("the plugin panicked: told to panic"));
    assert_eq!(sum(&mut harness, "a", 3.0), 6.0);
    // What a skip has changed stays.
    assert!(harness.point(&input("a", 10.0, "skip")).unwrap().is_empty());
    assert_eq!(sum(&mut harness, "a", 4.0), 20.0);
}

#[test]
fn lines_and_skips_are_kept_once() {
    let mut harness = start(1.0);
    sum(&mut harness, "a", 1.0);
    harness.point(&input("a", 1.0, "panic")).unwrap_err();
    for _ in 0..2 {
        harness.point(&input("a", 1.0, "skip")).unwrap();
    }
    harness.point(&point().tag("host", "b").group_by(&["host"])).unwrap();
    let expected = [
        (Level::Info, "sum 1"),
        (Level::Info, "sum 2"),
        (Level::Info, "sum 2"),
        (Level::Warn, "1 skipped so far, now because: group `host=a`: told to"),
        (Level::Info, "sum 3"),
    ];
    assert_eq!(harness.log(), expected.map(|(level, text)| (level, text.to_owned())));
    assert_eq!(
        harness.skips(),
        ["group `host=a`: told to", "told to", "the point has no field `value`; it has: "]
    );
}

#[test]
fn numbers_that_are_not_finite_are_left_out() {
    let mut harness = start(1.0);
    let sent = harness.point(&input("a", 1.0, "divide")).unwrap();
    assert_eq!(sent.iter().map(|point| point.fields.len()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(harness.left_out(), 1);
    assert_eq!(harness.point(&input("a", 1.0, "divide all")).unwrap().len(), 1);
    assert_eq!(harness.left_out(), 3);
}

#[test]
fn snapshot_of_memory_fits_the_same_options() {
    let mut harness = start(2.0);
    sum(&mut harness, "a", 1.0);
    sum(&mut harness, "b", 1.0);
    let snapshot = harness.snapshot();
    let mut other = start(2.0);
    sum(&mut other, "a", 50.0);
    other.restore(&snapshot).unwrap();
    assert!(other.log().iter().all(|(_, line)| line == "sum 100"));
    assert_eq!(sum(&mut other, "a", 1.0), 4.0);
    other.point(&input("a", 1.0, "fail")).unwrap_err();
    assert_eq!([sum(&mut other, "a", 1.0), sum(&mut other, "b", 0.0)], [6.0, 2.0]);
    let mut other = start(3.0);
    sum(&mut other, "a", 1.0);
    for wrong in [&snapshot[..], b"", b"x"] {
        let error = other.restore(wrong).unwrap_err().to_string();
        assert_eq!(error, "a snapshot of memory fits only the same plugin with the same options");
        assert_eq!(sum(&mut other, "a", 1.0), 3.0, "a clean start");
    }
    let error = other.restore_version(1, &snapshot).unwrap_err().to_string();
    assert_eq!(error, "the plugin has no snapshot format of its own");
}

/// Passes on which group each point is in.
#[derive(Options)]
struct Names;

impl Stream for Names {
    type Group = ();

    fn point(&self, _: &mut (), point: Point<'_>, out: &mut Output) -> Result<()> {
        out.send(point.with("group", point.group()))
    }
}

register!(Names);

#[test]
fn groups_are_those_of_kapacitor() {
    let mut harness = Harness::<Names>::start([]).unwrap();
    let mut group = |point: &NewPoint| harness.point(point).unwrap()[0].fields["group"].clone();
    let mut one = point().tag("b", "1").group_by(&["b", "a"]);
    assert_eq!(group(&one), "a=,b=1".into());
    // Whatever is changed afterwards.
    one = one.tag("a", "2");
    one.by_name = true;
    assert_eq!(group(&one), "test\na=2,b=1".into());
    one.dimensions.clear();
    assert_eq!(group(&one), "test".into());
    let text = "cpu,host=a x=1 1\ncpu,host=b x=2 2";
    let points = lines(text).unwrap().into_iter().map(|point| point.group_by(&["host"]));
    let groups: Vec<_> = harness.points(points).unwrap().iter().map(|p| p.fields["group"].clone()).collect();
    assert_eq!(groups, ["host=a", "host=b"].map(OwnedValue::from));
}

proptest! {
    /// Points that fail leave nothing behind.
    #[test]
    fn failures_change_nothing(inputs in proptest::collection::vec((0..3u8, -9..9i8, 0..6usize), 0..30)) {
        let mut harness = start(1.0);
        let mut clean = start(1.0);
        for (host, value, then) in inputs {
            let then = ["", "", "", "skip", "fail", "panic"][then];
            let point = input(&host.to_string(), value.into(), then);
            let result = harness.point(&point);
            prop_assert_eq!(result.is_err(), matches!(then, "fail" | "panic"));
            if let Ok(sent) = result {
                prop_assert_eq!(sent, clean.point(&point).unwrap());
            }
        }
        prop_assert_eq!(harness.snapshot(), clean.snapshot());
    }
}
