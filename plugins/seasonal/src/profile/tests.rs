use std::num::NonZeroUsize;

use super::*;
use proptest::prelude::*;

const HOUR: i64 = 3_600_000_000_000;

fn learning(slots: usize) -> Learning {
    Learning {
        season: Season::day(NonZeroUsize::new(slots).unwrap()),
        slot_length: 24 * HOUR / slots as i64,
        alpha: 0.1,
        warmup: 2,
        clip: f64::INFINITY,
        min_spread: 0.0,
    }
}

/// Pushes a number in each hour of days.
fn push_days(usual: &mut Usual, days: std::ops::Range<i64>, learning: &Learning, value: impl Fn(i64) -> f64) {
    for hour in days.start * 24..days.end * 24 {
        usual.push(hour * HOUR, value(hour), learning);
    }
}

#[test]
fn each_hour_of_the_day_has_a_mean_of_its_own() {
    let (learning, mut usual) = (learning(24), Usual::default());
    // In the first two days nothing is known but the last two hours, which are between known ones.
    for hour in 0..24 * 5 {
        let (day, of_day) = (hour / 24, hour % 24);
        let expected = usual.push(hour * HOUR, (100 * of_day + day) as f64, &learning);
        assert_eq!(expected.is_some(), hour >= 46, "{hour}");
        if let Some(expected) = expected.filter(|_| day >= 2) {
            assert_eq!(expected.value, 100.0 * of_day as f64 + (day - 1) as f64 / 2.0);
        }
    }
}

#[test]
fn the_spread_is_that_of_a_new_visit() {
    let (learning, mut usual) = (learning(24), Usual::default());
    push_days(&mut usual, 0..3, &learning, |hour| (hour / 24) as f64);
    // The sample variance of 0, 1 and 2 is 1 in each hour, and the mean of three has a third of that.
    let expected = usual.push(3 * 24 * HOUR, 0.0, &learning).unwrap();
    assert!((expected.spread - (4.0_f64 / 3.0).sqrt()).abs() < 1e-15, "{expected:?}");
}

#[test]
fn a_smaller_spread_counts_as_the_least() {
    let learning = Learning { min_spread: 2.0, clip: 3.0, ..learning(24) };
    let mut usual = Usual::default();
    push_days(&mut usual, 0..4, &learning, |_| 10.0);
    assert_eq!(usual.push(4 * 24 * HOUR, 14.0, &learning), Some(Expected { value: 10.0, spread: 2.0 }));
    // What is within the clip of it is learnt as it is.
    let next_day = usual.push(5 * 24 * HOUR, 10.0, &learning).unwrap();
    assert!((next_day.value - 10.8).abs() < 1e-12, "{next_day:?}");
}

#[test]
fn a_variance_is_mixed_with_those_of_the_slots_near_it() {
    let (learning, mut usual) = (learning(24), Usual::default());
    // Hours 4 to 8 have the sample variances 1, 0, 16, 9 and 4.
    let factor = |hour: i64| [1.0, 0.0, 4.0, 3.0, 2.0][(hour % 24 - 4) as usize];
    for hour in (0..72).filter(|hour| (4..=8).contains(&(hour % 24))) {
        usual.push(hour * HOUR, (hour / 24) as f64 * factor(hour), &learning);
    }
    usual.push(3 * 24 * HOUR, 0.0, &learning);
    let spread = usual.expected(6, &learning).unwrap().spread;
    assert!((spread.powi(2) - (2.0 * 16.0 + 4.0 * 4.0) / 6.0 * 4.0 / 3.0).abs() < 1e-12, "{spread}");
}

#[test]
fn points_of_one_visit_are_compared_with_visits_before() {
    let (learning, mut usual) = (learning(24), Usual::default());
    push_days(&mut usual, 0..2, &learning, |_| 5.0);
    for minute in 0..50 {
        let expected = usual.push(48 * HOUR + minute * HOUR / 60, 9.0, &learning).unwrap();
        assert_eq!(expected.value, 5.0);
    }
    let next_day = usual.push(72 * HOUR, 5.0, &learning).unwrap();
    assert!((next_day.value - (5.0 + 5.0 + 9.0) / 3.0).abs() < 1e-14);
}

#[test]
fn what_is_beyond_the_clip_is_learnt_as_if_it_were_there() {
    let learning = Learning { clip: 2.0, ..learning(24) };
    let mut usual = Usual::default();
    push_days(&mut usual, 0..4, &learning, |hour| (hour / 24 % 2) as f64);
    let before = usual.push(4 * 24 * HOUR, 1e6, &learning).unwrap();
    let after = usual.push(5 * 24 * HOUR, 0.0, &learning).unwrap();
    let learnt = before.value + 0.2 * 2.0 * before.spread;
    assert!((after.value - learnt).abs() < 1e-12, "{after:?} is not {learnt}");
}

#[test]
fn a_level_that_stays_is_learnt_after_three_visits() {
    let learning = Learning { clip: 3.0, ..learning(24) };
    let mut usual = Usual::default();
    push_days(&mut usual, 0..10, &learning, |_| 10.0);
    push_days(&mut usual, 10..13, &learning, |_| 11.0);
    // The last hour of the day is still open.
    let expected = usual.push(13 * 24 * HOUR, 11.0, &learning).unwrap();
    assert_eq!(usual.expected(0, &learning), Some(Expected { value: 11.0, spread: 0.0 }));
    // The usual distance stands in for a spread of 0.
    assert!(expected.value == 11.0 && (0.4..0.6).contains(&expected.spread), "{expected:?}");
    // Numbers of the new level differ: so does what is learnt.
    let mut usual = Usual::default();
    push_days(&mut usual, 0..10, &learning, |_| 10.0);
    for minute in (10 * 24 * 60..13 * 24 * 60).step_by(20) {
        usual.push(minute * HOUR / 60, if minute % 60 == 20 { 12.0 } else { 11.0 }, &learning);
    }
    let expected = usual.push(13 * 24 * HOUR, 11.0, &learning).unwrap();
    assert!((expected.value - 34.0 / 3.0).abs() < 1e-12 && expected.spread > 0.1, "{expected:?}");
    // Two are not enough.
    let mut usual = Usual::default();
    push_days(&mut usual, 0..10, &learning, |_| 10.0);
    push_days(&mut usual, 10..12, &learning, |_| 11.0);
    assert_eq!(usual.push(12 * 24 * HOUR, 11.0, &learning).unwrap().value, 10.0);
}

#[test]
fn a_new_slot_is_between_its_neighbours() {
    let (learning, mut usual) = (learning(24), Usual::default());
    for hour in (0..24 * 3).filter(|hour| hour % 24 != 7) {
        usual.push(hour * HOUR, (hour % 24) as f64, &learning);
    }
    let hour_of_four = |hour: i64| (3 * 24 + hour) * HOUR;
    // The hours beside it have 6 and 8.
    assert_eq!(usual.push(hour_of_four(7), 0.0, &learning), Some(Expected { value: 7.0, spread: 1.0 }));
    // None is known within two hours.
    let mut usual = Usual::default();
    for hour in (0..24 * 3).filter(|hour| !(7..12).contains(&(hour % 24))) {
        usual.push(hour * HOUR, 1.0, &learning);
    }
    let known = [7, 8, 9, 10, 11].map(|hour| usual.push(hour_of_four(hour), 1.0, &learning).is_some());
    assert_eq!(known, [false; 5]);
}

#[test]
fn late_points_are_compared_and_not_learnt() {
    let (learning, mut usual) = (learning(24), Usual::default());
    push_days(&mut usual, 0..3, &learning, |_| 1.0);
    usual.push(72 * HOUR + 5, 1.0, &learning);
    let before = usual.clone();
    let expected = usual.push(70 * HOUR, 1e9, &learning);
    assert_eq!(expected.unwrap().value, 1.0);
    assert_eq!(usual.visit.as_ref().unwrap().begin, before.visit.as_ref().unwrap().begin);
    // A point of the same hour is not late.
    usual.push(72 * HOUR, 3.0, &learning);
    assert_eq!(usual.visit.as_ref().unwrap().seen.mean(), Some(2.0));
}

#[test]
fn a_wrong_time_in_the_future_is_given_up() {
    let (learning, mut usual) = (learning(24), Usual::default());
    push_days(&mut usual, 0..3, &learning, |_| 1.0);
    usual.push(1000 * 24 * HOUR, 1e9, &learning);
    for minute in 0..8 {
        assert_eq!(usual.visit.as_ref().unwrap().begin, 1000 * 24 * HOUR);
        usual.push(72 * HOUR + minute, 2.0, &learning);
    }
    assert_eq!(usual.visit.as_ref().unwrap().begin, 72 * HOUR + 7);
    assert_eq!(usual.push(73 * HOUR, 1.0, &learning).unwrap().value, 1.0);
}

#[test]
fn another_season_begins_anew() {
    let (day, mut usual) = (learning(24), Usual::default());
    push_days(&mut usual, 0..3, &day, |_| 1.0);
    let shifted = Learning { season: day.season.shifted(HOUR), ..day };
    assert_eq!(usual.push(72 * HOUR, 1.0, &shifted), None);
}

#[test]
fn numbers_of_any_size_leave_finite_states() {
    for size in [f64::MAX, 1e200, 1e15, 1e-15, 1e-320] {
        let (learning, mut usual) = (Learning { clip: 3.0, ..learning(24) }, Usual::default());
        push_days(&mut usual, 0..20, &learning, |hour| if hour % 5 == 0 { -size } else { size });
        let expected = usual.push(20 * 24 * HOUR, size, &learning).unwrap();
        assert!(expected.value.is_finite() && !expected.spread.is_nan(), "{size}: {expected:?}");
        assert!(!expected.score(size).is_nan());
    }
}

#[test]
fn ten_million_points_leave_no_error() {
    // Each visit of a slot has 1000 numbers, whose sums are known exactly.
    let (mut usual, mut sums) = (Usual::default(), [0_i128; 2]);
    let learning = Learning { alpha: 1e-9, ..learning(2) };
    let mut random = 1_u64;
    const VISITS: i64 = 10_000;
    for number in 0..VISITS * 1000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let value = 1_000_000_000_000_000 + (random >> 44) as i64;
        sums[(number / 1000 % 2) as usize] += i128::from(value);
        usual.push(number / 1000 * 12 * HOUR + number % 1000, value as f64, &learning);
    }
    for (place, sum) in (0..).zip(sums) {
        let expected = usual.push((VISITS + place) * 12 * HOUR, 0.0, &learning).unwrap().value;
        let exact = sum / i128::from(VISITS / 2);
        let difference = (expected * 1000.0) as i128 - exact;
        assert!(difference.abs() < 2000, "the mean of slot {place} is {difference} thousandths off");
    }
}

proptest! {
    /// The mean and the variance of a slot, as two passes over all visits make them.
    #[test]
    fn slots_are_as_all_their_visits_make_them(
        visits in proptest::collection::vec(proptest::collection::vec(-100.0..100.0, 1..4), 2..40),
        alpha in 0.01..0.5,
    ) {
        let (learning, mut usual) = (Learning { alpha, ..learning(24) }, Usual::default());
        for (day, visit) in (0..).zip(&visits) {
            for (minute, value) in (0..).zip(visit) {
                usual.push(day * 24 * HOUR + minute * HOUR / 60, *value, &learning);
            }
        }
        let expected = usual.push(visits.len() as i64 * 24 * HOUR, 0.0, &learning).unwrap();
        // The weights of the visits, from the newest on.
        let (mut weights, mut left) = (vec![0.0; visits.len()], 1.0);
        for place in (0..visits.len()).rev() {
            let weight: f64 = f64::max(alpha, 1.0 / (place + 1) as f64);
            weights[place] = left * weight;
            left *= 1.0 - weight;
        }
        let weighted = |of: &dyn Fn(f64) -> f64| -> f64 {
            let mean_of = |visit: &Vec<f64>| visit.iter().map(|value| of(*value)).sum::<f64>() / visit.len() as f64;
            visits.iter().zip(&weights).map(|(visit, weight)| weight * mean_of(visit)).sum()
        };
        let mean = weighted(&|value| value);
        let variance = weighted(&|value| (value - mean) * (value - mean));
        let count = (visits.len() as f64).min(2.0 / alpha - 1.0);
        // No other slot is known.
        let spread = (variance * (count + 1.0) / (count - 1.0)).sqrt();
        prop_assert!((expected.value - mean).abs() < 1e-10, "{} is not {mean}", expected.value);
        prop_assert!((expected.spread - spread).abs() < 1e-9 * (1.0 + spread), "{} is not {spread}", expected.spread);
    }
}
