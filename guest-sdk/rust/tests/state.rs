use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::time::Duration;

use kapacitor_guest::prelude::*;
use kapacitor_guest::statistics::{
    ExponentialMoments, Extent, Extremes, Moments, MovingAverage, Profile, Quantiles, Season, Sliding, Window,
};
use kapacitor_guest::testing::{Harness, Registered, point};
use kapacitor_guest_tests::protocol::InfoResponse;
use proptest::prelude::*;
use prost::Message;
use serde::{Deserialize, Serialize};

use crate::numbers::number_or_not;

/// One of each of the statistics.
#[derive(Default, Serialize, Deserialize)]
struct Statistics {
    average: MovingAverage,
    moments: Moments,
    exponential: ExponentialMoments,
    sliding: Sliding<Moments>,
    extremes: Sliding<Extremes>,
    quantiles: Quantiles,
    window: Window<Option<bool>>,
    profile: Profile<Moments>,
    newest: Option<f64>,
}

impl Statistics {
    /// Adds a number; returns all results as bits.
    fn push(&mut self, time: i64, value: f64) -> Vec<u64> {
        let size = NonZeroUsize::new(5).unwrap();
        let extent = Extent::within(Duration::from_nanos(50)).at_most(size);
        self.moments.push(value);
        self.sliding.push(time, value, extent);
        self.extremes.push(time, value, extent);
        self.quantiles.push(time, value, extent);
        self.window.push(time, Some(value > 0.0), extent);
        let season = Season::new(Duration::from_nanos(70), size);
        self.profile.slot(season, time).push(value);
        let before = self.newest.replace(value);
        let sliding = self.sliding.aggregate();
        let results = [
            before,
            Some(self.average.push(value, size)),
            self.moments.mean(),
            self.moments.population_variance(),
            self.exponential.push_at(time, value, Duration::from_nanos(30)),
            self.exponential.variance(),
            sliding.and_then(|moments| moments.mean()),
            sliding.and_then(|moments| moments.sample_variance()),
            self.extremes.aggregate().map(|extremes| extremes.max() - extremes.min()),
            self.quantiles.quantile(0.3),
            self.quantiles.median_absolute_deviation(),
            Some(self.window.iter().filter(|(_, up)| **up == Some(true)).count() as f64),
            self.profile.slot(season, time).mean(),
        ];
        results
            .map(|result| result.map_or(1, |number| if number.is_nan() { 2 } else { number.to_bits() }))
            .to_vec()
    }
}

/// Has a state of every kind in a format that serde makes.
#[derive(Options)]
struct Saved {
    #[option(default = Shared::new(0))]
    points: Shared<u64>,
    names: Shared<BTreeMap<String, u64>>,
}

impl Stream for Saved {
    type Group = Statistics;

    fn point(&self, statistics: &mut Statistics, point: Point<'_>, out: &mut Output) -> Result<()> {
        self.points.set(self.points.get() + 1);
        *self.names.borrow_mut().entry(point.group().to_owned()).or_default() += 1;
        let results = statistics.push(point.time(), point.any_number("x")?);
        match point.tag("then") {
            Some("panic") => panic!("told to"),
            Some("fail") => Err(Error::new("told to")),
            _ => {
                let names = format!("{:?}", self.names.borrow());
                out.send(point.with("results", format!("{results:?} {} {names}", self.points.get())))
            }
        }
    }
}

impl SerdeSnapshot<Statistics> for Saved {
    fn save_shared(&self, state: &mut StateWriter) -> Result<()> {
        state.write(&self.points.get())?;
        state.write(&*self.names.borrow())
    }

    fn restore_shared(&self, _: u32, state: &mut StateReader<'_>) -> Result<()> {
        self.points.set(state.read()?);
        self.names.set(state.read()?);
        Ok(())
    }
}

register!(Saved, snapshot);

fn send(harness: &mut Harness<Saved>, host: u8, time: i64, value: f64) -> OwnedValue {
    let point = point().tag("host", host.to_string()).group_by(&["host"]).at(time).field("x", value);
    harness.point(&point).unwrap()[0].fields["results"].clone()
}

proptest! {
    /// A plugin that is restored goes on exactly as the one that was saved, after failures, too.
    #[test]
    fn restored_state_goes_on_as_before(
        before in proptest::collection::vec((0..3_u8, number_or_not()), 0..40),
        after in proptest::collection::vec((0..3_u8, number_or_not()), 1..20),
    ) {
        let mut first = Harness::<Saved>::start([]).unwrap();
        for (time, (host, value)) in (0..).zip(&before) {
            send(&mut first, *host, time * 10, *value);
        }
        let mut second = Harness::<Saved>::start([]).unwrap();
        second.restore(&first.snapshot()).unwrap();
        prop_assert_eq!(first.snapshot(), second.snapshot());
        for (time, (host, value)) in (50..).zip(after) {
            let failing = point().tag("then", "panic").field("x", 1.0);
            second.point(&failing).unwrap_err();
            prop_assert_eq!(send(&mut first, host, time * 10, value), send(&mut second, host, time * 10, value));
        }
    }
}

#[test]
fn shared_state_is_of_all_groups_and_comes_back_after_failures() {
    let mut harness = Harness::<Saved>::start([]).unwrap();
    let text = |value| match value {
        OwnedValue::String(text) => text,
        other => panic!("{other:?}"),
    };
    send(&mut harness, 1, 0, 1.0);
    for then in ["fail", "panic"] {
        harness.point(&point().tag("then", then).field("x", 1.0)).unwrap_err();
    }
    let found = text(send(&mut harness, 2, 0, 1.0));
    assert!(found.ends_with(r#"] 2 {"host=1": 1, "host=2": 1}"#), "{found}");
}

#[test]
fn shared_state_is_no_option() {
    let mut calls = Saved::calls();
    calls.info();
    assert!(InfoResponse::decode(calls.result()).unwrap().options.is_empty());
    let error = Harness::<Saved>::start([("points", 1.into())]).unwrap_err().to_string();
    assert_eq!(error, "there is no option `points`");
}

/// A plugin in three versions, of which the last one reads the last two.
#[derive(Options)]
struct Versions<const VERSION: u32> {}

#[derive(Default, Serialize, Deserialize)]
struct Newest {
    sum: f64,
    count: u64,
}

impl<const VERSION: u32> Stream for Versions<VERSION> {
    type Group = Newest;

    fn point(&self, group: &mut Newest, point: Point<'_>, out: &mut Output) -> Result<()> {
        group.sum += point.any_number("x")?;
        group.count += 1;
        out.send(point.with("sum", group.sum).with("count", group.count))
    }
}

impl<const VERSION: u32> SerdeSnapshot<Newest> for Versions<VERSION> {
    const VERSION: u32 = VERSION;
    const READS: RangeInclusive<u32> = if VERSION == 3 { 2..=3 } else { VERSION..=VERSION };

    fn migrate(&self, version: u32, state: &mut StateReader<'_>) -> Result<Newest> {
        assert_eq!(version, 2);
        Ok(Newest { sum: state.read()?, count: 0 })
    }
}

register!(Versions<1>, snapshot);
register!(Versions<3>, snapshot);

/// A snapshot of a group with this state.
fn snapshot_of(state: &[u8]) -> Vec<u8> {
    let group = [&[10, 6][..], b"host=a", &[18, state.len() as u8], state].concat();
    [&[10, 0, 18, group.len() as u8][..], &group].concat()
}

fn point_of_a() -> NewPoint {
    point().tag("host", "a").group_by(&["host"]).field("x", 1.0)
}

#[test]
fn older_versions_are_migrated() {
    let mut harness = Harness::<Versions<3>>::start([]).unwrap();
    harness.restore_version(2, &snapshot_of(&2.5_f64.to_le_bytes())).unwrap();
    let sent = harness.point(&point_of_a()).unwrap();
    assert_eq!((sent[0].number("sum"), sent[0].number("count")), (Ok(3.5), Ok(1.0)));
    let snapshot = harness.snapshot();
    assert_eq!(snapshot, snapshot_of(&[&3.5_f64.to_le_bytes()[..], &[1]].concat()));
    harness.restore(&snapshot).unwrap();
    assert_eq!(harness.point(&point_of_a()).unwrap()[0].number("count"), Ok(2.0));
}

#[test]
fn states_that_are_not_read_are_refused() {
    let mut three = Harness::<Versions<3>>::start([]).unwrap();
    let mut one = Harness::<Versions<1>>::start([]).unwrap();
    let state = snapshot_of(&2.5_f64.to_le_bytes());
    let error = three.restore_version(1, &state).unwrap_err().to_string();
    assert_eq!(error, "the state has version 1 of the plugin's format, and the plugin reads version 2 to 3");
    let error = one.restore_version(3, &state).unwrap_err().to_string();
    assert_eq!(error, "the state has version 3 of the plugin's format, and the plugin reads version 1");
    let error = one.restore(&state).unwrap_err().to_string();
    assert!(
        error.starts_with("group `host=a`: it holds no ") && error.contains("Newest, because "),
        "{error}"
    );
    let error = three.restore_version(2, &snapshot_of(&[0; 9])).unwrap_err().to_string();
    let expected =
        "group `host=a`: 1 bytes of it were not read: its types have changed, so it needs another version";
    assert_eq!(error, expected);
    let mut saved = Harness::<Saved>::start([]).unwrap();
    let error = saved.restore(&[10, 1, 7]).unwrap_err().to_string();
    assert!(error.starts_with("the shared state: it holds no "), "{error}");
    // After a refusal the plugin is clean.
    assert_eq!(three.point(&point_of_a()).unwrap()[0].number("count"), Ok(1.0));
}

#[test]
fn numbers_keep_their_bits() {
    for value in [f64::NAN, -f64::NAN, f64::INFINITY, -0.0, f64::from_bits(1)] {
        let mut harness = Harness::<Versions<1>>::start([]).unwrap();
        harness.restore(&snapshot_of(&[&value.to_le_bytes()[..], &[1]].concat())).unwrap();
        assert_eq!(harness.snapshot(), snapshot_of(&[&value.to_le_bytes()[..], &[1]].concat()));
    }
}
