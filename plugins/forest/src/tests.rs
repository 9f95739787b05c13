//! The options with the models of `models/`. What the models predict is compared with their libraries in the cases.

use kapacitor_guest::testing::{self, Harness, OptionArgument, flag, point};

use super::*;

const TURBINE: &[u8] = include_bytes!("../models/turbine/turbine.kwf");
const WELD: &[u8] = include_bytes!("../models/weld/weld.kwf");
const PUMP: &[u8] = include_bytes!("../../forest_batch/models/pump/pump.kwf");

fn start(
    model: &[u8],
    options: impl IntoIterator<Item = (&'static str, OptionArgument)>,
) -> Result<Harness<Forest>> {
    testing::pack(model);
    Harness::start(options)
}

/// Why a task does not start.
fn refused(model: &[u8], options: impl IntoIterator<Item = (&'static str, OptionArgument)>) -> String {
    start(model, options).unwrap_err().to_string()
}

fn wind(speed: f64) -> NewPoint {
    point().field("wind_speed", speed).field("air_density", 1.225)
}

fn good_weld() -> NewPoint {
    point().field("current", 180).field("voltage", 24).field("wire_speed", 7.5).field("gas_flow", 15)
}

#[test]
fn regression_adds_a_number_and_keeps_all_else() {
    let mut harness = start(TURBINE, []).unwrap();
    let sent = harness.point(&wind(9.0).tag("turbine", "T1").field("state", "on").at(5)).unwrap();
    let power = sent[0].number("prediction").unwrap();
    // The curve says 823 kW.
    assert!((power - 823.0).abs() < 60.0, "{power}");
    assert_eq!((sent[0].fields.len(), sent[0].time), (4, 5));
    let mut renamed = start(TURBINE, [("as", "expected".into())]).unwrap();
    assert_eq!(renamed.point(&wind(9.0)).unwrap()[0].number("expected").unwrap(), power);
}

#[test]
fn residual_is_an_anomaly_beyond_both_tolerances() {
    let options: [(_, OptionArgument); 5] = [
        ("actual", "power".into()),
        ("tolerance", 100.0.into()),
        ("relative_tolerance", 0.2.into()),
        ("residual", "off".into()),
        ("flag", "odd".into()),
    ];
    let mut harness = start(TURBINE, options).unwrap();
    let mut at = |speed: f64, off: f64| {
        let expected = harness.point(&wind(speed)).unwrap()[0].number("prediction").unwrap();
        let sent = harness.point(&wind(speed).field("power", expected + off)).unwrap().remove(0);
        assert!((sent.number("off").unwrap() - off).abs() < 1e-9);
        sent.fields["odd"].clone()
    };
    // A fifth of 2,000 kW is more than 100.
    for (speed, off, odd) in
        [(14.0, 390.0, false), (14.0, -410.0, true), (4.0, 99.0, false), (4.0, 101.0, true)]
    {
        assert_eq!(at(speed, off), OwnedValue::Bool(odd), "{speed} {off}");
    }
    // Nothing was measured, so nothing is odd.
    for point in [wind(14.0), wind(14.0).field("power", f64::NAN), wind(14.0).field("power", "none")] {
        let sent = harness.point(&point).unwrap().remove(0);
        assert_eq!(sent.fields["odd"], OwnedValue::Bool(false));
        assert!(!sent.fields.contains_key("off"));
    }
}

#[test]
fn class_has_its_probability_and_may_be_unknown() {
    let mut harness = start(WELD, []).unwrap();
    let sent = harness.point(&good_weld()).unwrap().remove(0);
    assert_eq!(sent.fields["class"], OwnedValue::String("ok".into()));
    let probability = sent.number("probability").unwrap();
    assert!(probability > 0.7 && probability < 1.0, "{probability}");

    let unknown: [(_, OptionArgument); 2] = [("min_probability", 0.999.into()), ("unknown", "ask".into())];
    let mut harness = start(WELD, unknown).unwrap();
    let sent = harness.point(&good_weld()).unwrap().remove(0);
    assert_eq!(sent.fields["class"], OwnedValue::String("ask".into()));
    assert_eq!(sent.number("probability").unwrap(), probability);
}

#[test]
fn each_class_may_have_its_probability() {
    let options: [(_, OptionArgument); 2] = [("probabilities", flag()), ("probability", "p".into())];
    let sent = start(WELD, options).unwrap().point(&good_weld()).unwrap().remove(0);
    let of = |class: &str| sent.number(&format!("p_{class}")).unwrap();
    let all = of("ok") + of("cold") + of("porosity") + of("burn_through");
    assert!((all - 1.0).abs() < 1e-12, "{all}");
    assert_eq!(of("ok"), sent.number("p").unwrap());
}

#[test]
fn isolation_forest_has_a_score_and_the_threshold_of_the_model() {
    let usual =
        point().field("pressure", 6.0).field("flow", 100).field("vibration", 2.0).field("temperature", 60);
    let odd =
        point().field("pressure", 4.0).field("flow", 80).field("vibration", 9.0).field("temperature", 75);
    let mut harness = start(PUMP, []).unwrap();
    for (point, anomaly) in [(&usual, false), (&odd, true)] {
        let sent = harness.point(point).unwrap().remove(0);
        assert_eq!(sent.fields["anomaly"], OwnedValue::Bool(anomaly), "{}", sent.number("score").unwrap());
    }
    let mut strict = start(PUMP, [("threshold", 0.99.into()), ("flag", "odd".into())]).unwrap();
    assert_eq!(strict.point(&odd).unwrap()[0].fields["odd"], OwnedValue::Bool(false));
}

#[test]
fn points_that_lack_a_feature_are_skipped_or_have_nan() {
    let mut harness = start(WELD, []).unwrap();
    let without = || point().field("current", 180).field("voltage", 24).field("wire_speed", 7.5);
    for value in [None, Some(f64::NAN), Some(f64::INFINITY)] {
        let point = value.map_or_else(without, |value| without().field("gas_flow", value));
        assert!(harness.point(&point).unwrap().is_empty());
    }
    assert!(harness.skips()[0].contains("no field `gas_flow`"), "{:?}", harness.skips());
    let mut harness = start(WELD, [("missing", "nan".into())]).unwrap();
    let sent = harness.point(&without()).unwrap();
    assert_eq!(
        harness.point(&without().field("gas_flow", f64::INFINITY)).unwrap()[0].fields["class"],
        sent[0].fields["class"]
    );
    assert_eq!(sent[0].fields["class"], OwnedValue::String("ok".into()));
}

#[test]
fn features_that_never_occur_are_said_once() {
    let mut harness =
        start(WELD, [("missing", "nan".into()), ("feature", ("gas_flow", "gas").into())]).unwrap();
    let mut warnings = |points: usize| {
        for _ in 0..points {
            harness.point(&good_weld()).unwrap();
        }
        harness
            .log()
            .iter()
            .filter(|(level, _)| *level == log::Level::Warn)
            .map(|(_, text)| text.clone())
            .collect::<Vec<_>>()
    };
    assert!(warnings(99).is_empty());
    let said = warnings(200);
    assert_eq!(
        said,
        [
            "none of the first 100 points has a number in field `gas`, which is feature `gas_flow` of the model"
        ]
    );
}

#[test]
fn fields_may_have_other_names_than_features() {
    let mut harness = start(TURBINE, [("feature", ("wind_speed", "v").into())]).unwrap();
    assert_eq!(harness.point(&point().field("v", 9.0).field("air_density", 1.2)).unwrap().len(), 1);
    assert!(harness.point(&wind(9.0)).unwrap().is_empty());
    assert_eq!(
        refused(TURBINE, [("feature", ("wind", "v").into())]),
        "option `feature`: the model has no feature `wind`; it has: wind_speed, air_density"
    );
}

#[test]
fn two_features_are_not_in_one_field() {
    assert_eq!(
        refused(TURBINE, [("feature", ("wind_speed", "air_density").into())]),
        "option `feature`: features `wind_speed` and `air_density` of the model can't both be in field `air_density`"
    );
}

#[test]
fn damaged_models_and_no_model_are_refused() {
    let error = Harness::<Forest>::start([]).unwrap_err().to_string();
    assert!(
        error.starts_with("no model was packed into this plugin: pack one with `kapacitor-wasm pack"),
        "{error}"
    );
    let mut damaged = TURBINE.to_vec();
    damaged[5000] ^= 1;
    assert_eq!(refused(&damaged, []), "the packed model is damaged: its checksum is that of other bytes");
    assert_eq!(refused(b"text", []), "the packed model is no .kwf file");
}

#[test]
fn options_for_other_models_are_refused() {
    for (model, name, value, expected) in [
        (TURBINE, "min_probability", 0.5.into(), "is for classification, and the packed model is regression"),
        (TURBINE, "threshold", 0.5.into(), "is for an isolation forest, and the packed model is regression"),
        (TURBINE, "tolerance", 0.5.into(), "needs option `actual`"),
        (TURBINE, "flag", "odd".into(), "needs option `actual`"),
        (WELD, "actual", "class".into(), "is for regression, and the packed model is classification"),
        (WELD, "min_probability", 1.5.into(), "must be a number from 0 to 1"),
        (PUMP, "threshold", f64::NAN.into(), "must be a number from 0 to 1"),
        (
            PUMP,
            "probability",
            "p".into(),
            "is for classification, and the packed model is an isolation forest",
        ),
        (PUMP, "missing", "zero".into(), "must be `skip` or `nan`, got `zero`"),
    ] {
        assert_eq!(refused(model, [(name, value)]), format!("option `{name}`: {expected}"));
    }
    let actual = || ("actual", OptionArgument::from("power"));
    assert_eq!(
        refused(TURBINE, [actual(), ("relative_tolerance", (-0.1).into())]),
        "option `relative_tolerance`: must be a number of at least 0"
    );
    assert_eq!(
        refused(TURBINE, [actual(), ("flag", "odd".into())]),
        "option `flag`: needs option `tolerance` or `relative_tolerance`"
    );
    assert_eq!(
        refused(WELD, [("min_probability", 0.5.into()), ("unknown", "ok".into())]),
        "option `unknown`: the model has a class `ok`: choose another word"
    );
    assert_eq!(
        refused(PUMP, [("as", "x".into()), ("flag", "x".into())]),
        "two results have the name `x`: choose another"
    );
}

#[test]
fn a_task_goes_on_with_another_model() {
    let mut old = start(WELD, []).unwrap();
    old.point(&good_weld()).unwrap();
    let snapshot = old.snapshot();
    let mut new = start(TURBINE, []).unwrap();
    new.restore(&snapshot).unwrap();
    assert!(new.point(&wind(9.0)).unwrap()[0].fields.contains_key("prediction"));
}
