use super::*;
use kapacitor_guest::testing::{Harness, OptionArgument, point};

fn start(options: Vec<(&'static str, OptionArgument)>) -> Result<Harness<Geofence>> {
    Harness::start(options)
}

fn fences() -> Vec<(&'static str, OptionArgument)> {
    vec![
        ("polygon", ("city", "52,13 53,13 53,14 52,14").into()),
        ("circle", ("depot", 52.5, 13.5, 1000.0).into()),
    ]
}

/// The fence, the event and the fence that was left, at a place.
fn at(harness: &mut Harness<Geofence>, lat: f64, lon: f64) -> [String; 3] {
    let sent = harness.point(&point().field("lat", lat).field("lon", lon)).unwrap().remove(0);
    let inside = sent.fields["inside"] == true.into();
    let texts = ["fence", "event", "left"].map(|name| match &sent.fields[name] {
        OwnedValue::String(text) => text.clone(),
        other => panic!("{other:?}"),
    });
    assert_eq!(inside, !texts[0].is_empty());
    texts
}

#[test]
fn smallest_fence_counts_and_changes_are_events() {
    let mut harness = start(fences()).unwrap();
    let cases = [
        (52.5, 13.9, ["city", "", ""]),
        (52.5, 13.501, ["depot", "enter", "city"]),
        (52.5, 13.5, ["depot", "", ""]),
        (51.0, 13.5, ["", "leave", "depot"]),
        (51.0, 13.5, ["", "", ""]),
        (52.1, 13.5, ["city", "enter", ""]),
        (52.1, 14.5, ["", "leave", "city"]),
    ];
    for (lat, lon, expected) in cases {
        assert_eq!(at(&mut harness, lat, lon), expected, "{lat} {lon}");
    }
}

#[test]
fn margin_keeps_a_group_within_its_fence() {
    let mut options = vec![("circle", ("depot", 0.0, 0.0, 1000.0).into()), ("margin", 100.0.into())];
    let degrees = |meters: f64| meters / earth::distance_of_latitudes(0.0, 1.0);
    let mut fence = |meters: &[f64]| {
        let mut harness = start(options.clone()).unwrap();
        let fences: Vec<_> = meters.iter().map(|m| at(&mut harness, degrees(*m), 0.0)[0].clone()).collect();
        options[1].1 = 0.0.into();
        fences
    };
    assert_eq!(fence(&[1050.0, 950.0, 1050.0, 1101.0, 1050.0]), ["", "depot", "depot", "", ""]);
    assert_eq!(fence(&[950.0, 1050.0]), ["depot", ""]);
}

#[test]
fn distance_is_that_of_the_nearest_border() {
    let mut harness =
        start([fences(), vec![("prefix", "geo_".into()), ("precision", 5.into())]].concat()).unwrap();
    let input = point().field("lat", 52.5).field("lon", 13.5);
    let sent = harness.point(&input).unwrap().remove(0);
    assert!((sent.number("geo_distance").unwrap() - 1000.0).abs() < 1e-6);
    assert_eq!(sent.fields["geo_geohash"], "u33de".into());
    let input = point().field("lat", 51.9).field("lon", 13.5);
    let expected = earth::distance_of_latitudes(51.9, 52.0);
    let found = harness.point(&input).unwrap().remove(0).number("geo_distance").unwrap();
    assert!((found - expected).abs() < 1e-6, "{found}");
}

#[test]
fn points_without_a_place_are_skipped() {
    let mut harness = start(fences()).unwrap();
    for input in [point().field("lat", 1.0), point().field("lat", 91.0).field("lon", 0.0)] {
        assert!(harness.point(&input).unwrap().is_empty());
    }
    assert_eq!(harness.skips()[1], "the latitude 91 is not from -90 to 90");
}

#[test]
fn options_are_checked() {
    let cases = [
        (vec![], "there is no fence: give at least one `circle` or `polygon`"),
        (vec![("circle", ("city", 1.0, 1.0, 1.0).into())], "two fences have the name 'city'"),
        (vec![("circle", ("", 1.0, 1.0, 1.0).into())], "option `circle`: the name must not be empty"),
        (
            vec![("circle", ("x", 1.0, 1.0, 0.0).into())],
            "option `circle`: 'x': the radius must be above 0 and below 20,015,000 meters",
        ),
        (vec![("polygon", ("x", "1,1").into())], "option `polygon`: 'x': has 1 corners, expected at least 3"),
        (vec![("margin", (-1.0).into())], "option `margin`: must be a number of meters of at least 0"),
        (vec![("precision", 13.into())], "option `precision`: must be from 1 to 12 letters"),
        (
            vec![("prefix", "a\n".into())],
            "option `prefix`: the name of a result: must not have a line break, which InfluxDB takes for the end of a \
             point, got \"a\\nfence\"",
        ),
    ];
    for (more, expected) in cases {
        let fences = if more.is_empty() { Vec::new() } else { fences() };
        assert_eq!(start([fences, more].concat()).unwrap_err().to_string(), expected);
    }
}
