use super::*;
use kapacitor_guest::testing::{Harness, OptionArgument, point};
use proptest::prelude::*;

fn start(more: impl IntoIterator<Item = (&'static str, OptionArgument)>) -> Result<Harness<MatrixProfile>> {
    Harness::start([("field", "a".into())].into_iter().chain(more))
}

/// What the plugin sends for a batch of these points.
fn sent(harness: &mut Harness<MatrixProfile>, points: Vec<NewPoint>) -> Vec<NewPoint> {
    let mut batches = harness.batch(&NewBatch::new("test").at(9), &points).unwrap();
    assert_eq!(batches.len(), 1);
    batches.remove(0).1
}

fn points(values: impl IntoIterator<Item = f64>) -> Vec<NewPoint> {
    values.into_iter().zip(0..).map(|(value, time)| point().at(time).field("a", value)).collect()
}

/// A wave with noise.
fn wave(count: u32) -> impl Iterator<Item = f64> + Clone {
    let noise = |n: u32| f64::from(n.wrapping_mul(2_654_435_761) >> 16) / 65536.0 - 0.5;
    (0..count).map(move |n| (f64::from(n) / 5.0).sin() + 0.1 * noise(n))
}

#[test]
fn the_part_with_another_shape_is_found() {
    for (unit, offset) in [(1.0, 0.0), (1e-15, 0.0), (1e300, 0.0), (1000.0, 1e15)] {
        let values =
            wave(400).zip(0..).map(|(value, n)| if (200..210).contains(&n) { -value } else { value });
        let mut harness = start([("length", 30.into())]).unwrap();
        let sent = sent(&mut harness, points(values.map(|value| unit * value + offset)));
        assert_eq!(sent.len(), 1, "{unit} {offset}");
        assert!((171..210).contains(&sent[0].time), "{}", sent[0].time);
        assert_eq!(sent[0].fields["anomaly"], true.into());
    }
}

#[test]
fn a_wave_without_a_discord_has_no_anomaly() {
    let mut harness = start([("length", 30.into()), ("discords", 3.into())]).unwrap();
    let sent = sent(&mut harness, points(wave(400)));
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|point| point.fields["anomaly"] == false.into()), "{sent:?}");
}

#[test]
fn discords_do_not_overlap() {
    let series: Vec<f64> = wave(300).collect();
    let found = discords(&series, 20, 1000);
    assert!(found.len() > 7 && found.windows(2).all(|pair| pair[0].distance >= pair[1].distance));
    let mut starts: Vec<usize> = found.iter().map(|discord| discord.start).collect();
    starts.sort_unstable();
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= 20), "{starts:?}");
}

#[test]
fn a_point_without_the_field_is_as_if_it_were_not_there() {
    let values: Vec<f64> = wave(100).chain([5.0; 3]).chain(wave(100)).collect();
    let mut harness = start([("length", 12.into())]).unwrap();
    let expected = sent(&mut harness, points(values.iter().copied()));
    let mut with_gaps = points(values);
    for at in [0, 50, 99] {
        with_gaps.insert(at, point().field("b", 1));
        with_gaps.insert(at, point().field("a", f64::NAN).field("b", 1));
    }
    assert_eq!(sent(&mut harness, with_gaps), expected);
}

#[test]
fn small_batches_have_no_discords() {
    let mut harness = start([("length", 8.into())]).unwrap();
    for count in 0..=10 {
        assert_eq!(sent(&mut harness, points(wave(count))), [], "{count}");
    }
    // Parts 0 and 3 are the first that may be compared.
    assert_eq!(sent(&mut harness, points(wave(11))).len(), 1);
}

#[test]
fn large_batches_are_skipped() {
    let mut harness = start([("length", 8.into())]).unwrap();
    let batch = harness.batch(&NewBatch::new("test"), &points(wave(10_001))).unwrap();
    assert!(batch.is_empty());
    assert!(harness.skips()[0].contains("10001 points with the field `a`, and at most 10000"));
}

#[test]
fn options_are_checked() {
    for (options, expected) in [
        (vec![("length", 2.into())], "option `length`: must be at least 3 points"),
        (
            vec![("length", 9.into()), ("threshold", (-1.0).into())],
            "option `threshold`: must be a number of at least 0",
        ),
        (
            vec![("length", 9.into()), ("flag", "score".into())],
            "option `flag`: must be another name than `as`",
        ),
        (
            vec![("length", 9.into()), ("as", "distance".into())],
            "option `as`: must not be `distance`, which is another result",
        ),
        (
            vec![("length", 9.into()), ("flag", "distance".into())],
            "option `flag`: must not be `distance`, which is another result",
        ),
    ] {
        assert_eq!(start(options).unwrap_err().to_string(), expected);
    }
}

/// The profile by definition.
fn naive(series: &[f64], length: usize) -> Vec<f64> {
    let parts: Vec<Option<Vec<f64>>> = series
        .windows(length)
        .map(|part| {
            let mean = part.iter().sum::<f64>() / length as f64;
            let sigma = (part.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / length as f64).sqrt();
            let is_constant = part.iter().all(|x| *x == part[0]);
            (!is_constant).then(|| part.iter().map(|x| (x - mean) / sigma).collect())
        })
        .collect();
    let distance = |a: &Option<Vec<f64>>, b: &Option<Vec<f64>>| match (a, b) {
        (None, None) => 0.0,
        (Some(a), Some(b)) => a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt(),
        _ => (length as f64).sqrt(),
    };
    let nearest = |(at, part): (usize, &Option<Vec<f64>>)| {
        let others = parts.iter().enumerate().filter(|(other, _)| other.abs_diff(at) > length.div_ceil(4));
        others.map(|(_, other)| distance(part, other)).fold(f64::INFINITY, f64::min)
    };
    parts.iter().enumerate().map(nearest).map(|d| if d.is_finite() { d } else { 0.0 }).collect()
}

/// How much the square of a distance is rounded because numbers of a part are far from the median of the series, but close
/// to each other: numbers have 53 binary digits, and the distance from the median takes some of them.
fn rounding(series: &[f64], length: usize) -> f64 {
    let mut sorted = series.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    let lost = series.windows(length).map(|part| {
        let mean = part.iter().sum::<f64>() / length as f64;
        let norm = part.iter().map(|x| (x - mean).powi(2)).sum::<f64>().sqrt();
        let furthest = part.iter().map(|x| (x - median).abs().max(x.abs())).fold(0.0, f64::max);
        if part.iter().all(|x| *x == part[0]) { 0.0 } else { furthest / norm }
    });
    lost.fold(0.0, f64::max) * f64::EPSILON * 8.0 * length as f64
}

/// Series with constant parts, nearly constant ones, and numbers that are much larger than others.
fn series() -> impl Strategy<Value = Vec<f64>> {
    let stretch = prop_oneof![
        proptest::collection::vec(-1.0..1.0, 1..20),
        (0..3, 1..20_usize).prop_map(|(value, count)| vec![f64::from(value); count]),
        proptest::collection::vec(-1e-5..1e-5, 1..20),
        proptest::collection::vec(-1e6..1e6, 1..4),
    ];
    proptest::collection::vec(stretch, 1..12).prop_map(|stretches| stretches.concat())
}

proptest! {
    /// The distances are those of the definition, also where large numbers have left a part. Their squares are compared,
    /// since these are what correlations with rounding errors are chosen by.
    #[test]
    fn profiles_are_as_defined(series in series(), length in 3..12_usize) {
        let profile = Parts::of(&series, length).and_then(|parts| parts.profile());
        let Some(profile) = profile else {
            prop_assert!(series.len() < length + length.div_ceil(4) + 1);
            return Ok(());
        };
        let tolerance = 1e-6 + rounding(&series, length);
        for (number, (found, expected)) in profile.iter().zip(naive(&series, length)).enumerate() {
            let apart = (found * found - expected * expected).abs();
            prop_assert!(apart < tolerance, "part {number}: {found}, expected {expected}");
        }
    }

    /// Whatever the numbers are, distances and scores are finite.
    #[test]
    fn scores_are_finite(series in proptest::collection::vec(any::<f64>(), 0..60), length in 3..12_usize) {
        let series: Vec<f64> = series.into_iter().filter(|value| value.is_finite()).collect();
        for discord in discords(&series, length, 3) {
            prop_assert!(discord.score.is_finite() && discord.distance >= 0.0, "{discord:?}");
            prop_assert!(discord.distance <= 2.0 * (length as f64).sqrt() + 1e-9, "{discord:?}");
        }
    }
}
