use super::*;
use algorithms::MAX_SCORE;
use kapacitor_guest::testing::{Harness, OptionArgument, point};
use proptest::prelude::*;
use proptest::sample::select;

/// Starts the plugin for the field `value` with these options.
fn start(options: &[(&'static str, OptionArgument)]) -> Result<Harness<ThresholdBand>> {
    Harness::start([("field", "value".into())].into_iter().chain(options.iter().cloned()))
}

/// The level of a value.
fn level(harness: &mut Harness<ThresholdBand>, value: f64) -> String {
    let sent = harness.point(&point().field("value", value)).unwrap().remove(0);
    match &sent.fields["level"] {
        OwnedValue::String(level) => level.clone(),
        other => panic!("{other:?}"),
    }
}

fn numbers(limits: &[(&'static str, f64)]) -> Vec<(&'static str, OptionArgument)> {
    limits.iter().map(|(name, limit)| (*name, (*limit).into())).collect()
}

#[test]
fn levels_begin_beyond_their_limits() {
    let limits = [("info", 70.0), ("crit", 90.0), ("warn_low", 10.0), ("crit_low", 5.0)];
    let mut harness = start(&numbers(&limits)).unwrap();
    let expected = [
        (70.0, "OK"),
        (70.1, "INFO"),
        (90.0, "INFO"),
        (90.1, "CRITICAL"),
        (10.0, "OK"),
        (9.9, "WARNING"),
        (4.9, "CRITICAL"),
    ];
    for (value, expected) in expected {
        assert_eq!(level(&mut harness, value), expected, "{value}");
    }
}

#[test]
fn each_field_has_a_level() {
    let options = [("field", "a".into()), ("field", "b".into()), ("warn", 3.0.into()), ("as", "is".into())];
    let mut harness = Harness::<ThresholdBand>::start(options).unwrap();
    let sent = harness.point(&point().field("a", 4).field("b", 2.5)).unwrap();
    assert_eq!(sent[0].fields["a_is"], "WARNING".into());
    assert_eq!(sent[0].fields["b_is"], "OK".into());
}

#[test]
fn deviations_are_those_from_values_before() {
    // The mean of 8, 10 and 12 is 10, and their standard deviation 2; the median absolute deviation is 2, too.
    for (method, spread) in [("stddev", 2.0), ("mad", 2.0 * Quantiles::SIGMA_PER_MAD)] {
        let mut options = numbers(&[("warn", 2.0), ("crit_low", 3.0)]);
        options.extend([("method", method.into()), ("size", 3.into()), ("deviation", "sigmas".into())]);
        for (sigmas, expected) in [(1.9, "OK"), (2.1, "WARNING"), (-2.9, "OK"), (-3.1, "CRITICAL")] {
            let mut harness = start(&options).unwrap();
            for value in [500.0, 8.0, 12.0, 10.0] {
                assert_eq!(level(&mut harness, value), "OK");
            }
            let value = 10.0 + sigmas * spread;
            let sent = harness.point(&point().field("value", value)).unwrap().remove(0);
            assert_eq!(sent.fields["level"], expected.into(), "{method} {sigmas}");
            assert!((sent.number("sigmas").unwrap() - sigmas).abs() < 1e-12);
        }
    }
}

#[test]
fn values_that_were_all_the_same_have_no_spread() {
    for method in ["stddev", "mad"] {
        let mut options = numbers(&[("warn", 2.0)]);
        options.extend([("method", method.into()), ("size", 5.into()), ("deviation", "sigmas".into())]);
        for (least, expected) in [(0.0, "WARNING"), (1.0, "OK")] {
            let mut options = options.clone();
            options.push(("min_spread", least.into()));
            let mut harness = start(&options).unwrap();
            (0..6).for_each(|_| assert_eq!(level(&mut harness, 1e15), "OK"));
            let sent = harness.point(&point().field("value", 1e15 + 1.0)).unwrap().remove(0);
            assert_eq!(sent.fields["level"], expected.into());
            assert_eq!(sent.number("sigmas").unwrap(), if least > 0.0 { 1.0 } else { MAX_SCORE });
        }
    }
}

#[test]
fn late_values_of_a_period_are_ok_and_change_nothing() {
    let mut options = numbers(&[("warn", 2.0)]);
    let minute = Duration::from_secs(60);
    options.extend([("method", "stddev".into()), ("period", minute.into()), ("warmup", 2.into())]);
    let mut harness = start(&options).unwrap();
    let second = 1_000_000_000;
    let mut at = |seconds: i64, value: f64| {
        let sent = harness.point(&point().at(seconds * second).field("value", value)).unwrap().remove(0);
        sent.fields["level"].clone()
    };
    for seconds in 1000..1010 {
        assert_eq!(at(seconds, (seconds % 2) as f64), "OK".into());
    }
    assert_eq!(at(10, 1e9), "OK".into());
    assert_eq!(at(1010, 9.0), "WARNING".into());
}

#[test]
fn values_that_a_window_has_lost_count_no_more() {
    let mut options = numbers(&[("warn", 2.0)]);
    let minute = Duration::from_secs(60);
    options.extend([("method", "mad".into()), ("period", minute.into()), ("warmup", 2.into())]);
    let mut harness = start(&options).unwrap();
    let mut at = |seconds: i64, value: i64| {
        let input = point().at(seconds * 1_000_000_000).field("value", value);
        harness.point(&input).unwrap().remove(0).fields["level"].clone()
    };
    for seconds in 0..10 {
        at(seconds, seconds % 2);
    }
    assert_eq!(at(50, 1000), "WARNING".into());
    assert_eq!(at(500, 1000), "OK".into(), "after a gap of more than the period");
    for seconds in 600..610 {
        at(seconds, seconds % 2);
    }
    assert_eq!(at(668, 1000), "OK".into(), "only one is left, which is less than the warm-up");
}

#[test]
fn numbers_of_any_size_have_a_level() {
    for method in ["stddev", "mad"] {
        let mut options = numbers(&[("crit", 2.0), ("crit_low", 2.0)]);
        options.extend([("method", method.into()), ("size", 3.into()), ("deviation", "sigmas".into())]);
        let mut harness = start(&options).unwrap();
        let values =
            [f64::MAX, f64::MIN, 1.0, f64::MAX, f64::MIN, 5e-324, 0.0, -5e-324, 5e-324, 1e-300, 1e300];
        let levels: Vec<String> = values.iter().map(|value| level(&mut harness, *value)).collect();
        assert_eq!(levels[levels.len() - 2..], ["CRITICAL", "CRITICAL"], "{method}");
        assert_eq!(harness.left_out(), 0, "{method}: nothing that is not finite is sent");
    }
}

#[test]
fn options_are_checked() {
    let refused = |options: Vec<(&'static str, OptionArgument)>| start(&options).unwrap_err().to_string();
    let static_cases = [
        (&[][..], "no level has a limit: give at least one of `info`, `warn`, `crit`, `info_low`"),
        (&[("info", 2.0), ("crit", 1.0)], "option `crit`: must not be below `info`"),
        (&[("info_low", 2.0), ("crit_low", 3.0)], "option `crit_low`: must not be above `info_low`"),
        (&[("warn", 2.0), ("crit_low", 3.0)], "option `crit_low`: must not be above `warn`"),
        (&[("warn", f64::NAN)], "option `warn`: must be a finite number"),
        (&[("warn", 1.0), ("min_spread", 1.0)], "the method 'static' has no window: leave out `size`"),
    ];
    for (limits, expected) in static_cases {
        let error = refused(numbers(limits));
        assert!(error.starts_with(expected), "{error}");
    }
    let adaptive_cases = [
        (&[("warn", -2.0)][..], "option `warn`: must be above 0"),
        (&[("warn_low", 2.0), ("crit_low", 1.0)], "option `crit_low`: must not be below `warn_low`"),
        (&[("warn", 1.0), ("min_spread", -1.0)], "option `min_spread`: must be a number of at least 0"),
    ];
    for (limits, expected) in adaptive_cases {
        let error = refused([numbers(limits), vec![("method", "mad".into())]].concat());
        assert!(error.starts_with(expected), "{error}");
    }
    let sizes = [
        (vec![("size", 1.into())], "option `size`: must be at least 2"),
        (vec![("warmup", 1.into())], "option `warmup`: must be at least 2"),
        (vec![("deviation", "level".into())], "option `deviation`: must be another name than `as`"),
        (vec![("warmup", 101.into())], "option `warmup`: must not be above the number of points"),
    ];
    for (sizes, expected) in sizes {
        let error = refused([numbers(&[("warn", 1.0)]), vec![("method", "mad".into())], sizes].concat());
        assert!(error.starts_with(expected), "{error}");
    }
    let error = refused(vec![("method", "sigma".into())]);
    assert!(error.contains("option `method`: must be 'static', 'stddev' or 'mad', got 'sigma'"), "{error}");
}

/// The deviation of the last value from the others by its definition, and their spread.
fn naive_deviation(values: &[f64], robust: bool) -> (f64, f64) {
    let (value, before) = values.split_last().unwrap();
    let median = |mut values: Vec<f64>| {
        values.sort_unstable_by(f64::total_cmp);
        (values[values.len() / 2] + values[(values.len() - 1) / 2]) / 2.0
    };
    let (middle, spread) = if robust {
        let middle = median(before.to_vec());
        (middle, 1.482_602_218_505_602 * median(before.iter().map(|other| (other - middle).abs()).collect()))
    } else {
        let mean = before.iter().sum::<f64>() / before.len() as f64;
        let squares: f64 = before.iter().map(|other| (other - mean).powi(2)).sum();
        (mean, (squares / (before.len() - 1) as f64).sqrt())
    };
    (if *value == middle { 0.0 } else { (value - middle) / spread }, spread)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The greatest level whose limit a value is beyond, whatever other limits there are.
    #[test]
    fn level_is_the_highest_that_is_reached(
        mut limits in proptest::collection::vec(-50_i32..50, 6),
        given in proptest::collection::vec(any::<bool>(), 6),
        value in -60_i32..60,
    ) {
        limits.sort_unstable();
        let limit = |place: usize| given[place].then_some(f64::from(limits[place]));
        let limits =
            Limits { low: [limit(2), limit(1), limit(0)], high: [limit(3), limit(4), limit(5)] };
        let value = f64::from(value);
        prop_assert!(limits.check().is_ok() || given.iter().all(|given| !given));
        let mut expected = Level::Ok;
        for (place, level) in [Level::Info, Level::Warning, Level::Critical].into_iter().enumerate() {
            let above = limits.high[place].is_some_and(|limit| value > limit);
            if above || limits.low[place].is_some_and(|limit| value < limit) {
                expected = expected.max(level);
            }
        }
        prop_assert_eq!(limits.level(value), expected);
    }

    /// The deviations are those of the definition, at any offset and scale of the values.
    #[test]
    fn deviations_are_exact(
        values in proptest::collection::vec(-1000_i32..1000, 3..60),
        (offset, scale) in select(vec![(0.0, 1.0), (1e15, 1.0), (0.0, 1e-15), (-1e9, 0.125)]),
        robust in any::<bool>(),
        size in 2_i64..20,
    ) {
        let method = if robust { "mad" } else { "stddev" };
        let mut options = numbers(&[("warn", 1.0)]);
        options.extend([("method", method.into()), ("size", size.into())]);
        options.extend([("deviation", "sigmas".into()), ("warmup", 2.into())]);
        let mut harness = start(&options).unwrap();
        for (number, value) in values.iter().enumerate() {
            let input = point().field("value", offset + scale * f64::from(*value));
            let sent = harness.point(&input).unwrap().remove(0);
            if number < 2 {
                prop_assert!(!sent.fields.contains_key("sigmas"));
                continue;
            }
            let window = &values[number.saturating_sub(size as usize)..=number];
            // Without the offset and the scale, which change nothing, so that this is free of their rounding.
            let window: Vec<f64> = window.iter().map(|value| f64::from(*value)).collect();
            let (expected, spread) = naive_deviation(&window, robust);
            // The middle has a rounding error of some of the last digits of the values.
            let digits = 4.0 * f64::EPSILON * offset.abs() / (scale * spread);
            let error = (1e-9 + digits) * (1.0 + expected.abs());
            let found = sent.number("sigmas").unwrap();
            let expected = expected.clamp(-MAX_SCORE, MAX_SCORE);
            prop_assert!(found == expected || (found - expected).abs() <= error, "{} {}", found, expected);
        }
    }
}
