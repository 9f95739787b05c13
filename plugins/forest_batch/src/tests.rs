//! What is particular to batches. The options are tested with the plugin `forest`.

use kapacitor_guest::testing::{self, Harness, point};

use super::*;

const PUMP: &[u8] = include_bytes!("../models/pump/pump.kwf");

fn pump(number: i64) -> NewPoint {
    let vibration = 2.0 + number as f64 / 200.0;
    let usual = point().at(number).field("pressure", 6.0).field("flow", 100).field("temperature", 60);
    usual.field("vibration", vibration)
}

fn scores(harness: &mut Harness<ForestBatch>, points: &[NewPoint]) -> Vec<(i64, f64)> {
    let batch = NewBatch::new("pump").at(1_000);
    let (out, points) = harness.batch(&batch, points).unwrap().remove(0);
    assert_eq!(out, batch);
    points.iter().map(|point| (point.time, point.number("score").unwrap())).collect()
}

#[test]
fn each_point_has_its_own_score_however_large_the_batch_is() {
    testing::pack(PUMP);
    let mut harness = Harness::<ForestBatch>::start([]).unwrap();
    let points: Vec<_> = (0..1_000).map(pump).collect();
    let alone: Vec<_> =
        points.iter().flat_map(|point| scores(&mut harness, std::slice::from_ref(point))).collect();
    assert!(alone.windows(2).any(|pair| pair[0].1 != pair[1].1), "all scores are the same");
    for count in [0, 2, 3, 4, 5, 255, 256, 257, 1_000] {
        assert_eq!(scores(&mut harness, &points[..count]), alone[..count], "{count}");
    }
}

#[test]
fn points_that_lack_a_feature_are_left_out_and_said() {
    testing::pack(PUMP);
    let mut harness = Harness::<ForestBatch>::start([]).unwrap();
    let whole: Vec<_> = (0..600).step_by(2).map(pump).collect();
    let expected = scores(&mut harness, &whole);
    // The model asks for it last, when it has the others.
    let mut points: Vec<_> = (0..600).map(pump).collect();
    points.iter_mut().skip(1).step_by(2).for_each(|point| drop(point.fields.remove("temperature")));
    for _ in 0..20 {
        assert_eq!(scores(&mut harness, &points), expected);
    }
    let log: Vec<_> = harness.log().iter().map(|(_, text)| &text[..]).collect();
    let said: Vec<_> =
        log.iter().filter(|text| text.contains("300 of 600 points of a batch have no prediction")).collect();
    assert_eq!(said.len(), 2, "{log:?}");
    assert!(said[1].contains("no field `temperature`"), "{said:?}");
    assert!(said[1].ends_with("(10 such batches so far)"), "{said:?}");
}

#[test]
fn a_batch_in_which_all_points_lack_a_feature_comes_out_empty() {
    testing::pack(PUMP);
    let mut harness = Harness::<ForestBatch>::start([]).unwrap();
    assert_eq!(scores(&mut harness, &[point(), point()]), []);
}
