use super::*;
use kapacitor_guest::testing::{Harness, OptionArgument, point};
use proptest::prelude::*;

fn start(
    more: impl IntoIterator<Item = (&'static str, OptionArgument)>,
) -> Result<Harness<SpectralResidual>> {
    Harness::start([("field", "a".into())].into_iter().chain(more))
}

/// What the plugin sends for a batch of these points.
fn sent(harness: &mut Harness<SpectralResidual>, points: Vec<NewPoint>) -> Vec<NewPoint> {
    let mut batches = harness.batch(&NewBatch::new("test").at(9), &points).unwrap();
    assert_eq!(batches.len(), 1);
    batches.remove(0).1
}

fn points(values: impl IntoIterator<Item = f64>) -> Vec<NewPoint> {
    values.into_iter().zip(0..).map(|(value, time)| point().at(time).field("a", value)).collect()
}

/// The times of the anomalies among these values.
fn anomalies(values: impl IntoIterator<Item = f64>) -> Vec<i64> {
    let sent = sent(&mut start([]).unwrap(), points(values));
    sent.iter().filter(|point| point.fields["anomaly"] == true.into()).map(|point| point.time).collect()
}

/// A wave with noise, whose value at `at` is `more` higher.
fn wave(count: u32, at: u32, more: f64) -> impl Iterator<Item = f64> + Clone {
    let noise = |n: u32| f64::from(n.wrapping_mul(2_654_435_761) >> 16) / 65536.0 - 0.5;
    (0..count).map(move |n| (f64::from(n) / 5.0).sin() + 0.1 * noise(n) + if n == at { more } else { 0.0 })
}

#[test]
fn a_value_that_stands_out_is_found() {
    for (unit, offset) in [(1.0, 0.0), (1e-15, 0.0), (1e300, 0.0), (1000.0, 1e15), (-1.0, 5.0)] {
        let found = anomalies(wave(300, 150, 1.0).map(|value| unit * value + offset));
        assert!(found.contains(&150) && found.len() < 5, "{unit} {offset}: {found:?}");
    }
    // At the end, too.
    assert!(anomalies(wave(300, 299, 1.5)).contains(&299));
}

#[test]
fn the_first_points_have_no_score() {
    for count in [0, 3, 6, 20, 21, 22, 60] {
        let sent = sent(&mut start([]).unwrap(), points(wave(count, 0, 0.0)));
        assert_eq!(sent.len(), count as usize);
        for (number, point) in sent.iter().enumerate() {
            assert_eq!(point.number("score").is_ok(), number >= 21);
            assert!(point.fields.contains_key("anomaly"));
        }
    }
}

#[test]
fn where_nothing_changes_nothing_stands_out() {
    for value in [0.0, 7.0, -1e300, 1e-300] {
        assert!(anomalies([value; 100]).is_empty());
    }
    let spike = |at| (0..200).map(move |n| if n == at { 8.0 } else { 7.0 });
    assert_eq!(anomalies(spike(90)), [90]);
}

#[test]
fn a_point_without_the_field_is_left_out() {
    let mut harness = start([]).unwrap();
    let expected = sent(&mut harness, points(wave(100, 60, 1.0)));
    let mut with_gaps = points(wave(100, 60, 1.0));
    with_gaps.insert(50, point().field("b", 1));
    with_gaps.insert(9, point().field("a", f64::NAN).field("b", 1));
    assert_eq!(sent(&mut harness, with_gaps), expected);
}

#[test]
fn large_batches_are_skipped() {
    let mut harness = start([]).unwrap();
    assert!(harness.batch(&NewBatch::new("test"), &points(wave(100_001, 0, 0.0))).unwrap().is_empty());
    assert!(harness.skips()[0].contains("100001 points with the field `a`, and at most 100000"));
}

#[test]
fn options_are_checked() {
    for (option, expected) in [
        (("width", OptionArgument::from(4)), "option `width`: must be an odd number from 1 to 99"),
        (("estimated", 1001.into()), "option `estimated`: must be at most 1000"),
        (("threshold", f64::INFINITY.into()), "option `threshold`: must be a number of at least 0"),
        (("flag", "score".into()), "option `flag`: must be another name than `as`"),
    ] {
        assert_eq!(start([option]).unwrap_err().to_string(), expected);
    }
}

/// The saliency by definition, with a Fourier transform in O(n²).
fn naive(series: &[f64], width: usize, estimated: usize) -> Vec<f64> {
    let (count, last) = (series.len(), series.len() - 2);
    let slope = (1..=5).map(|back| (series[last] - series[last - back]) / back as f64).sum::<f64>() / 5.0;
    let mut values = series.to_vec();
    values.extend(vec![series[last - 4] + 5.0 * slope; estimated]);
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    let wave = |a: usize, b: usize| (std::f64::consts::TAU * (a * b % n) as f64 / n as f64).sin_cos();
    let spectrum: Vec<(f64, f64)> = (0..n)
        .map(|frequency| {
            values.iter().enumerate().fold((0.0, 0.0), |(re, im), (time, value)| {
                let (sin, cos) = wave(frequency, time);
                (re + (value - mean) * cos, im - (value - mean) * sin)
            })
        })
        .collect();
    let logarithm = |frequency: usize| {
        let (re, im) = spectrum[frequency % n];
        (!frequency.is_multiple_of(n)).then(|| f64::hypot(re, im).ln())
    };
    let amplitudes: Vec<f64> = (0..n)
        .map(|frequency| {
            let near: Vec<f64> = (0..width)
                .filter_map(|offset| logarithm(frequency + n * width + offset - width / 2))
                .collect();
            logarithm(frequency).map_or(0.0, |own| (own - near.iter().sum::<f64>() / near.len() as f64).exp())
        })
        .collect();
    let part = |time: usize| {
        let sum = (1..n).fold((0.0, 0.0), |(re, im), frequency| {
            let phase = spectrum[frequency].1.atan2(spectrum[frequency].0);
            let (sin, cos) = wave(frequency, time);
            let (own_sin, own_cos) = phase.sin_cos();
            let amplitude = amplitudes[frequency] / n as f64;
            (
                re + amplitude * (own_cos * cos - own_sin * sin),
                im + amplitude * (own_cos * sin + own_sin * cos),
            )
        });
        f64::hypot(sum.0, sum.1)
    };
    (0..count).map(part).collect()
}

/// With a sum for each point, it would take seconds.
#[test]
fn a_large_size_takes_no_longer() {
    let size = MOST / 2;
    let saliency: Vec<f64> = wave(MOST as u32, 0, 0.0).map(|value| value + 2.0).collect();
    let found = scores(&saliency, NonZeroUsize::new(size).unwrap());
    assert!(found[..size].iter().all(Option::is_none));
    for place in [size, MOST - 1] {
        let mean = saliency[place - size..place].iter().sum::<f64>() / size as f64;
        let expected = (saliency[place] - mean) / mean;
        assert!((found[place].unwrap() - expected).abs() < 1e-9, "{place}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn saliency_is_as_defined(
        series in proptest::collection::vec(-1.0..1.0, 7..80),
        width in 0..4_usize,
        estimated in 0..7_usize,
    ) {
        let width = 2 * width + 1;
        let found = saliency(&series, width, estimated);
        for (found, expected) in found.iter().zip(naive(&series, width, estimated)) {
            prop_assert!((found - expected).abs() < 1e-9, "{found}, expected {expected}");
        }
    }

    /// Whatever the numbers are, scores are finite.
    #[test]
    fn scores_are_finite(series in proptest::collection::vec(any::<f64>(), 0..60), size in 1..30_usize) {
        let series: Vec<f64> = series.into_iter().filter(|value| value.is_finite()).collect();
        for score in scores(&saliency(&series, 3, 5), NonZeroUsize::new(size).unwrap()).into_iter().flatten() {
            prop_assert!(score.is_finite() && score >= -1.0, "{score}");
        }
    }
}
