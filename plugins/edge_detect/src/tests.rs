use super::*;
use kapacitor_guest::testing::{Harness, OptionArgument, flag, point};
use proptest::prelude::*;

const SECOND: i64 = 1_000_000_000;

fn start(options: &[(&'static str, OptionArgument)]) -> Result<Harness<EdgeDetect>> {
    Harness::start([("field", "value".into())].into_iter().chain(options.iter().cloned()))
}

/// The edge, the value before and the seconds since the last edge, of each point that is passed on, of values that come each
/// second.
fn edges(
    options: &[(&'static str, OptionArgument)],
    values: &[OwnedValue],
) -> Vec<(String, Option<OwnedValue>, Option<f64>)> {
    let mut harness = start(options).unwrap();
    let points = (0..).zip(values).map(|(time, value)| {
        let mut input = point().at(time * SECOND);
        input.fields.insert("value".to_owned(), value.clone());
        input
    });
    let sent = harness.points(points).unwrap().into_iter().map(|mut sent| {
        let OwnedValue::String(edge) = sent.fields["edge"].clone() else { panic!("{sent:?}") };
        (edge, sent.fields.remove("edge_previous"), sent.number("edge_seconds").ok())
    });
    sent.collect()
}

fn owned<T: Into<OwnedValue> + Copy>(values: &[T]) -> Vec<OwnedValue> {
    values.iter().map(|value| (*value).into()).collect()
}

#[test]
fn changes_of_any_type_are_edges() {
    let bools = edges(&[], &owned(&[false, false, true, true, false]));
    assert_eq!(
        bools,
        [
            ("rising".to_owned(), Some(false.into()), None),
            ("falling".to_owned(), Some(true.into()), Some(2.0))
        ]
    );
    let strings = edges(&[], &owned(&["open", "open", "closed", ""]));
    assert_eq!(
        strings,
        [
            ("change".to_owned(), Some("open".into()), None),
            ("change".to_owned(), Some("closed".into()), Some(1.0))
        ]
    );
    let ints = edges(&[], &owned(&[i64::MAX - 1, i64::MAX, i64::MIN]));
    assert_eq!(
        ints,
        [
            ("rising".to_owned(), Some((i64::MAX - 1).into()), None),
            ("falling".to_owned(), Some(i64::MAX.into()), Some(1.0))
        ]
    );
    let mixed = [3.into(), 3.0.into(), "3".into(), (-0.0).into(), 0.0.into(), 0.into()];
    let names: Vec<_> = edges(&[], &mixed).into_iter().map(|(edge, ..)| edge).collect();
    assert_eq!(names, ["change", "change"]);
}

#[test]
fn level_is_crossed_by_numbers_only() {
    let values = [1.0.into(), 5.into(), 5.5.into(), "x".into(), f64::NAN.into(), 9.into(), 5.0.into()];
    let found = edges(&[("level", 5.0.into())], &values);
    assert_eq!(
        found,
        [("rising".to_owned(), Some(5.into()), None), ("falling".to_owned(), Some(9.into()), Some(4.0))]
    );
}

#[test]
fn only_edges_of_the_direction_count() {
    let values = owned(&[0, 1, 0, 1, 0]);
    let seconds = |direction: &'static str| {
        let found = edges(&[("direction", direction.into())], &values);
        found.into_iter().map(|(edge, _, seconds)| (edge, seconds)).collect::<Vec<_>>()
    };
    assert_eq!(seconds("rising"), [("rising".to_owned(), None), ("rising".to_owned(), Some(2.0))]);
    assert_eq!(seconds("falling"), [("falling".to_owned(), None), ("falling".to_owned(), Some(2.0))]);
    assert_eq!(seconds("both").len(), 4);
    assert_eq!(edges(&[("direction", "rising".into())], &owned(&["a", "b"])), []);
}

#[test]
fn marked_points_all_pass() {
    let found = edges(&[("mark", flag())], &owned(&[1, 1, 2]));
    assert_eq!(
        found,
        [
            (String::new(), None, None),
            (String::new(), None, None),
            ("rising".to_owned(), Some(1.into()), None)
        ]
    );
}

#[test]
fn each_field_has_edges_of_its_own() {
    let options = [("field", "a".into()), ("field", "b".into()), ("as", "x".into())];
    let mut harness = Harness::<EdgeDetect>::start(options).unwrap();
    harness.point(&point().field("a", true).field("b", "on")).unwrap();
    let sent = harness.point(&point().field("a", true).field("b", "off")).unwrap();
    let expected = point()
        .field("a", true)
        .field("b", "off")
        .field("a_x", "")
        .field("b_x", "change")
        .field("b_x_previous", "on");
    assert_eq!(sent, [expected]);
    assert!(harness.point(&point().field("c", 1)).unwrap().is_empty());
    assert_eq!(harness.skips(), ["the point has no value in `a`, `b`"]);
}

#[test]
fn options_are_checked() {
    let error = start(&[("level", f64::NAN.into())]).unwrap_err().to_string();
    assert_eq!(error, "option `level`: must be a finite number");
    let error = start(&[("direction", "up".into())]).unwrap_err().to_string();
    assert_eq!(error, "option `direction`: must be 'rising', 'falling' or 'both', got 'up'");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// The edges are those that looking at each pair of neighbours finds.
    #[test]
    fn edges_are_between_neighbours(
        values in proptest::collection::vec(-3_i64..4, 1..60),
        level in proptest::option::of(-3_i32..4),
        direction in 0_usize..3,
    ) {
        let direction = ["rising", "falling", "both"][direction];
        let mut options = vec![("direction", direction.into())];
        options.extend(level.map(|level| ("level", f64::from(level).into())));
        let height = |value: i64| level.map_or(value, |level| i64::from(value > i64::from(level)));
        let mut expected = Vec::new();
        let mut before = None;
        for (place, pair) in values.windows(2).enumerate() {
            let (last, next) = (height(pair[0]), height(pair[1]));
            let name = if next > last { "rising" } else { "falling" };
            if next != last && (direction == "both" || direction == name) {
                let seconds = before.map(|before| (place - before) as f64);
                expected.push((name.to_owned(), Some(pair[0].into()), seconds));
                before = Some(place);
            }
        }
        prop_assert_eq!(edges(&options, &owned(&values)), expected);
    }
}
