use super::*;
use proptest::prelude::*;

pub fn smoothing(season: usize) -> Smoothing {
    Smoothing {
        season,
        multiplicative: false,
        alpha: 0.3,
        beta: 0.1,
        gamma: 0.2,
        delta: 0.05,
        damping: 1.0,
        clip: f64::INFINITY,
        min_spread: 0.0,
    }
}

const SEASON: [f64; 4] = [5.0, -3.0, 2.0, -4.0];

/// A line with a season of four steps.
fn line(step: usize) -> f64 {
    100.0 + 3.0 * step as f64 + SEASON[step % 4]
}

fn started(smoothing: &Smoothing, number: impl Fn(usize) -> f64) -> Model {
    Model::start(&(0..smoothing.warmup()).map(number).collect::<Vec<_>>(), smoothing).unwrap()
}

#[test]
fn a_line_with_a_season_is_foretold() {
    let smoothing = smoothing(4);
    let mut model = started(&smoothing, line);
    for step in 8..100 {
        assert!((model.expected(&smoothing).value - line(step)).abs() < 1e-10, "{step}");
        assert!(model.learn(line(step), &smoothing));
    }
    assert!(model.variance < 1e-20);
}

#[test]
fn a_line_with_factors_is_foretold() {
    let smoothing = Smoothing { multiplicative: true, ..smoothing(4) };
    // The factors are those of a level, since two seasons tell a trend only nearly.
    let number = |step: usize| 100.0 * [0.5, 1.5, 1.2, 0.8][step % 4];
    let mut model = started(&smoothing, number);
    for step in 8..100 {
        assert!((model.expected(&smoothing).value / number(step) - 1.0).abs() < 1e-12, "{step}");
        assert!(model.learn(number(step), &smoothing));
    }
}

#[test]
fn without_a_season_the_first_line_is_that_of_the_least_squares() {
    let smoothing = Smoothing { alpha: 1e-9, ..smoothing(0) };
    let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0, 3.0];
    let model = Model::start(&values, &smoothing).unwrap();
    // By numpy.polyfit(range(1, 11), values, 1): 2.4 and 3 / 11, hence 2.4 + 3 at the next step.
    assert!((model.expected(&smoothing).value - 5.4).abs() < 1e-6);
}

#[test]
fn steps_without_numbers_move_the_season_and_the_trend() {
    let smoothing = smoothing(4);
    for missing in [1, 2, 3, 4] {
        let mut model = started(&smoothing, line);
        assert!(model.pass(missing, &smoothing));
        let expected = line(8 + missing as usize);
        assert!((model.expected(&smoothing).value - expected).abs() < 1e-10, "{missing}");
    }
    // The trend goes on for four steps, and the season for all.
    let mut model = started(&smoothing, line);
    assert!(model.pass(401, &smoothing));
    let expected = line(8 + 4) + SEASON[1] - SEASON[0];
    assert!((model.expected(&smoothing).value - expected).abs() < 1e-10);
}

#[test]
fn a_number_changes_level_and_trend() {
    let smoothing = Smoothing { damping: 0.5, alpha: 0.5, beta: 0.5, ..smoothing(0) };
    let mut model = Model { level: 10.0, trend: 4.0, ..started(&smoothing, |step| step as f64) };
    assert!(model.learn(13.0, &smoothing));
    // Half of 13 and of the forecast 12; half of the slope 2.5 and of the damped trend 2.
    assert_eq!((model.level, model.trend), (12.5, 2.25));
}

#[test]
fn a_damped_trend_ends() {
    let smoothing = Smoothing { damping: 0.5, ..smoothing(0) };
    let mut model = started(&smoothing, |step| step as f64);
    model = Model { level: 10.0, trend: 4.0, ..model };
    assert_eq!(model.expected(&smoothing).value, 12.0);
    assert!(model.pass(2, &smoothing));
    assert_eq!(model.expected(&smoothing).value, 13.5);
}

#[test]
fn what_is_beyond_the_clip_is_learnt_as_if_it_were_there() {
    let smoothing = Smoothing { clip: 2.0, ..smoothing(0) };
    let mut model =
        Model { level: 10.0, trend: 0.0, variance: 4.0, count: 1000, ..started(&smoothing, |_| 1.0) };
    assert!(model.learn(1e9, &smoothing));
    assert!((model.level - 11.2).abs() < 1e-12, "{model:?}");
    assert!((model.variance - (4.0 + 0.05 * (16.0 - 4.0))).abs() < 1e-12, "{model:?}");
}

#[test]
fn a_smaller_spread_counts_as_the_least() {
    let smoothing = Smoothing { min_spread: 2.0, clip: 3.0, ..smoothing(0) };
    let mut model = started(&smoothing, |_| 10.0);
    assert_eq!(model.expected(&smoothing), Expected { value: 10.0, spread: 2.0 });
    // What is within the clip of it is learnt as it is.
    assert!(model.learn(14.0, &smoothing));
    assert!((model.level - 11.2).abs() < 1e-12, "{model:?}");
}

#[test]
fn a_level_that_stays_is_learnt_after_eight_points() {
    let smoothing = Smoothing { clip: 3.0, beta: 0.0, ..smoothing(0) };
    // Without a spread, nothing would be learnt otherwise.
    let mut model = started(&smoothing, |_| 10.0);
    for number in 0..30 {
        assert_eq!(model.level > 10.0, number > 8, "{number}: {model:?}");
        assert!(model.learn(20.0, &smoothing));
    }
    assert!((model.level - 20.0).abs() < 0.1);
}

#[test]
fn factors_need_numbers_above_zero() {
    let smoothing = Smoothing { multiplicative: true, ..smoothing(2) };
    let mut model = started(&smoothing, |step| [5.0, 15.0][step % 2]);
    let before = model.clone();
    for value in [0.0, -1.0] {
        assert!(model.learn(value, &smoothing));
    }
    assert_eq!(model, before, "two steps are a season");
    assert_eq!(Model::start(&[0.0; 4], &smoothing), None);
    // The line falls below zero.
    assert!(!Model { trend: -10.0, ..model }.pass(2, &smoothing));
}

#[test]
fn the_spread_begins_with_that_of_new_numbers() {
    // Noise of the standard deviation 1 around a season: four numbers tell little, a thousand much.
    let smoothing = Smoothing { alpha: 1e-6, beta: 0.0, gamma: 1e-6, ..smoothing(1000) };
    let mut random = 7_u64;
    let mut noise = || {
        // The sum of twelve uniform numbers.
        (0..12).fold(-6.0, |sum, _| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            sum + (random >> 11) as f64 / (1_u64 << 53) as f64
        })
    };
    let numbers: Vec<f64> = (0..2000).map(|step| f64::from(step % 1000) + noise()).collect();
    let model = Model::start(&numbers, &smoothing).unwrap();
    let mut squares = 0.0;
    let mut next = model.clone();
    for step in 0..1000 {
        let number = f64::from(step) + noise();
        squares += (number - next.expected(&smoothing).value).powi(2);
        assert!(next.learn(number, &smoothing));
    }
    let found = squares / 1000.0;
    assert!((model.variance / found - 1.0).abs() < 0.15, "{} is not {found}", model.variance);
}

#[test]
fn numbers_of_any_size_are_sound_or_begin_anew() {
    for size in [f64::MAX, 1e200, 1e15, 1e-15, 1e-320] {
        for smoothing in [smoothing(0), smoothing(4), Smoothing { multiplicative: true, ..smoothing(4) }] {
            let number = |step: usize| size * [0.4, 0.3, 0.5, 0.45][step % 4];
            let values: Vec<_> = (0..smoothing.warmup()).map(number).collect();
            let Some(mut model) = Model::start(&values, &smoothing) else { continue };
            for step in 0..100 {
                let expected = model.expected(&smoothing);
                assert!(expected.value.is_finite() && !expected.spread.is_nan(), "{size}: {expected:?}");
                if !model.learn(number(step), &smoothing) {
                    break;
                }
            }
        }
    }
}

#[test]
fn ten_million_points_leave_no_error() {
    // Whole numbers, whose forecasts are known exactly.
    let smoothing = Smoothing { clip: 3.0, ..smoothing(24) };
    let number = |step: usize| 1e9 + (step % 24 * 7 % 24) as f64;
    let mut model = started(&smoothing, number);
    for step in 48..10_000_000 {
        assert!(model.learn(number(step), &smoothing));
    }
    for step in 10_000_000..10_000_024 {
        let error = model.expected(&smoothing).value - number(step);
        assert!(error.abs() < 1e-5, "{step}: {error}");
        model.learn(number(step), &smoothing);
    }
}

proptest! {
    /// What is added to all numbers, or multiplies them, does so with all forecasts.
    #[test]
    fn forecasts_follow_units(
        values in proptest::collection::vec(1.0..100.0, 20..60),
        shift in -1000.0..1000.0_f64,
        factor in 0.01..100.0_f64,
        season in 0_usize..5,
        multiplicative: bool,
    ) {
        let season = if season == 1 { 0 } else { season };
        let multiplicative = multiplicative && season > 0;
        let smoothing = Smoothing { multiplicative, clip: 2.0, ..smoothing(season) };
        let shift = if multiplicative { 0.0 } else { shift };
        let changed: Vec<f64> = values.iter().map(|value| factor * value + shift).collect();
        let warmup = smoothing.warmup();
        let models = (Model::start(&values[..warmup], &smoothing), Model::start(&changed[..warmup], &smoothing));
        let (Some(mut model), Some(mut other)) = models else { return Ok(()) };
        for (value, changed) in values[warmup..].iter().zip(&changed[warmup..]) {
            let (a, b) = (model.expected(&smoothing), other.expected(&smoothing));
            let error = 1e-7 * (1.0 + factor * (a.value.abs() + a.spread) + shift.abs());
            prop_assert!((factor * a.value + shift - b.value).abs() < error, "{a:?} {b:?}");
            prop_assert!((factor * a.spread - b.spread).abs() < error, "{a:?} {b:?}");
            if !model.learn(*value, &smoothing) || !other.learn(*changed, &smoothing) {
                break;
            }
        }
    }
}
