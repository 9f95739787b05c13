use std::collections::BTreeMap;
use std::time::Duration;

use kapacitor_guest::options::{Occurrence, OptionValue, Scalar, ValueType};
use kapacitor_guest::prelude::*;
use kapacitor_guest::testing::{Harness, OptionArgument, point};
use kapacitor_guest_tests::protocol::{InfoResponse, ValueType as Wanted};
use prost::Message;

/// A type of a plugin's own, with one value.
#[derive(Debug)]
enum Direction {
    Up,
    Down,
}

impl Scalar for Direction {
    const TYPE: ValueType = ValueType::String;

    fn convert(value: &OptionValue<'_>) -> Option<Result<Self, String>> {
        match value {
            OptionValue::String("up") => Some(Ok(Self::Up)),
            OptionValue::String("down") => Some(Ok(Self::Down)),
            OptionValue::String(_) => Some(Err("must be `up` or `down`".to_owned())),
            _ => None,
        }
    }
}

/// A type of a plugin's own, with two values.
#[derive(Debug)]
#[expect(dead_code, reason = "read by Debug")]
struct Range(f64, f64);

impl Occurrence for Range {
    const VALUES: &'static [ValueType] = <(f64, f64)>::VALUES;

    fn from_values(values: &[OptionValue<'_>]) -> Result<Self, String> {
        let (low, high) = Occurrence::from_values(values)?;
        if low < high { Ok(Self(low, high)) } else { Err("the first must be the smaller one".to_owned()) }
    }
}

#[derive(Options, Debug)]
#[expect(dead_code, reason = "read by Debug")]
struct Many {
    pair: Option<(i64, String)>,
    #[option(default = (0.5, 1, true))]
    triple: (f64, u8, bool),
    quad: Vec<(String, i64, f64, Duration)>,
    label: BTreeMap<String, u16>,
    #[option(default = BTreeMap::from([("a".to_owned(), 1)]))]
    preset: BTreeMap<String, i64>,
    #[option(default = Duration::from_secs(60))]
    every: Duration,
    #[option(default = vec![1, 2])]
    sizes: Vec<u32>,
    single: Option<f32>,
    small: Option<i8>,
    way: Option<Direction>,
    ranges: Vec<Range>,
}

impl Stream for Many {
    type Group = ();

    fn point(&self, _: &mut (), point: Point<'_>, out: &mut Output) -> Result<()> {
        out.send(point.with("options", format!("{self:?}")))
    }
}

register!(Many);

fn read(options: Vec<(&'static str, OptionArgument)>) -> Result<String> {
    let mut sent = Harness::<Many>::start(options)?.point(&point())?;
    match sent.remove(0).fields.remove("options") {
        Some(OwnedValue::String(options)) => Ok(options),
        other => panic!("{other:?}"),
    }
}

fn error(name: &'static str, value: impl Into<OptionArgument>) -> String {
    read(vec![(name, value.into())]).unwrap_err().to_string()
}

#[test]
fn options_with_several_values_are_read() {
    let minute = Duration::from_secs(60);
    let options = vec![
        ("pair", (1, "x").into()),
        ("triple", (1.5, 255, false).into()),
        ("quad", ("a", 1, 0.5, minute).into()),
        ("quad", ("b", 2, 1.5, minute).into()),
        ("label", ("y", 2).into()),
        ("label", ("x", 1).into()),
        ("preset", ("b", 2).into()),
        ("sizes", 3.into()),
        ("single", 0.5.into()),
        ("small", (-128).into()),
        ("way", "down".into()),
        ("ranges", (0.0, 1.0).into()),
    ];
    let expected = "Many { pair: Some((1, \"x\")), triple: (1.5, 255, false), \
                    quad: [(\"a\", 1, 0.5, 60s), (\"b\", 2, 1.5, 60s)], label: {\"x\": 1, \"y\": 2}, \
                    preset: {\"b\": 2}, every: 60s, sizes: [3], single: Some(0.5), small: Some(-128), \
                    way: Some(Down), ranges: [Range(0.0, 1.0)] }";
    assert_eq!(read(options).unwrap(), expected);
}

#[test]
fn options_that_are_omitted_have_their_defaults() {
    let expected = "Many { pair: None, triple: (0.5, 1, true), quad: [], label: {}, preset: {\"a\": 1}, \
                    every: 60s, sizes: [1, 2], single: None, small: None, way: None, ranges: [] }";
    assert_eq!(read(vec![]).unwrap(), expected);
}

#[test]
fn wrong_values_are_named() {
    assert_eq!(error("pair", 1), "option `pair`: expected 2 values (int, string), got 1");
    assert_eq!(error("pair", ("x", 1)), "option `pair`: value 1: expected int, got string");
    assert_eq!(error("triple", (0.5, 256, true)), "option `triple`: value 2: must be from 0 to 255, got 256");
    let negative = OptionValue::Duration(-90_000_000_000);
    assert_eq!(error("every", negative.clone()), "option `every`: must not be negative, got -90s");
    let quad = ("a", 1, 0.5, negative);
    assert_eq!(error("quad", quad), "option `quad`: value 4: must not be negative, got -90s");
    let twice = vec![("label", ("x", 1).into()), ("label", ("x", 2).into())];
    assert_eq!(read(twice).unwrap_err().to_string(), "option `label`: the key 'x' is given twice");
    assert_eq!(
        error("single", 1e39),
        "option `single`: must be from -3.4028235e38 to 3.4028235e38, got 1e39"
    );
    assert_eq!(error("small", 128), "option `small`: must be from -128 to 127, got 128");
    assert_eq!(error("way", "left"), "option `way`: must be `up` or `down`");
    assert_eq!(error("way", 1), "option `way`: expected string, got int");
    assert_eq!(error("ranges", (1.0, 0.0)), "option `ranges`: the first must be the smaller one");
    assert_eq!(
        error("ranges", OptionValue::None),
        "option `ranges`: expected 2 values (double, double), got 1"
    );
}

#[test]
fn kapacitor_is_told_the_types_of_all_values() {
    use kapacitor_guest::testing::Registered;
    let mut calls = Many::calls();
    calls.info();
    let info = InfoResponse::decode(calls.result()).unwrap();
    let types = |name: &str| info.options[name].value_types().collect::<Vec<_>>();
    assert_eq!(types("pair"), [Wanted::Int, Wanted::String]);
    assert_eq!(types("triple"), [Wanted::Double, Wanted::Int, Wanted::Bool]);
    assert_eq!(types("quad"), [Wanted::String, Wanted::Int, Wanted::Double, Wanted::Duration]);
    assert_eq!(types("label"), [Wanted::String, Wanted::Int]);
    assert_eq!(types("way"), [Wanted::String]);
    assert_eq!(types("ranges"), [Wanted::Double, Wanted::Double]);
}
