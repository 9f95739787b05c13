//! The average of a field.

use std::time::Duration;

use kapacitor_guest::statistics::ExponentialMoments;

/// Number of numbers in a row that must be late before the average begins anew.
const BELIEVED: u32 = 8;

/// The exponential moving average of the numbers of a field.
#[derive(Debug, Default)]
pub struct Average {
    moments: ExponentialMoments,
    /// The time of the newest number.
    newest: i64,
    /// Number of numbers in a row that were late.
    late: u32,
}

impl Average {
    /// Adds a number with the weight `alpha`; returns the average.
    pub fn push(&mut self, value: f64, alpha: f64) -> Option<f64> {
        self.moments.push(value, alpha)
    }

    /// Adds a number with its time, in nanoseconds since 1970; returns the average, or `None` if the number is late by
    /// the half-life or more. After eight of them in a row the average begins anew with the eighth, since then a wrong
    /// time in the future came before.
    pub fn push_at(&mut self, time: i64, value: f64, half_life: Duration) -> Option<f64> {
        let is_first = self.moments.mean().is_none();
        let behind = self.newest.saturating_sub(time);
        if !is_first && behind > 0 && u128::from(behind.unsigned_abs()) >= half_life.as_nanos() {
            self.late += 1;
            if self.late < BELIEVED {
                return None;
            }
            *self = Self { newest: time, ..Self::default() };
        } else {
            self.newest = if is_first { time } else { self.newest.max(time) };
            self.late = 0;
        }
        self.moments.push_at(time, value, half_life)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten million numbers beside the same in fixed point, with 60 binary digits behind the point: the error stays
    /// below what the documentation of `ExponentialMoments` says.
    #[test]
    fn averages_do_not_drift() {
        let (mut average, mut exact) = (Average::default(), None);
        let mut state = 1_u64;
        for _ in 0..10_000_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = 1_000_000_000_000_000 + i64::from((state >> 40) as u32);
            let fixed = i128::from(number) << 60;
            let expected = *exact.insert(exact.map_or(fixed, |mean: i128| mean + ((fixed - mean) >> 4)));
            let mean = average.push(number as f64, 1.0 / 16.0).unwrap();
            let error = (mean * 2_f64.powi(60)) as i128 - expected;
            assert!(error.abs() < (1_000_000_000_000_000 << 60) / 200_000_000_000_000, "{mean}");
        }
    }

    #[test]
    fn weights_fall_to_half_within_the_half_life() {
        let (mut average, second) = (Average::default(), Duration::from_secs(1));
        let mut push = |millis: i64, value| average.push_at(millis * 1_000_000, value, second);
        assert_eq!(push(0, 0.0), Some(0.0));
        assert_eq!(push(1000, 8.0), Some(4.0));
        assert_eq!(push(3000, 8.0), Some(7.0));
        assert_eq!(push(3000, 100.0), Some(7.0), "no time has passed");
        assert_eq!(push(2500, 100.0), Some(7.0), "late by half a half-life");
        assert_eq!(push(2000, 100.0), None, "late by a half-life");
        assert_eq!(push(4000, 3.0), Some(5.0));
    }

    #[test]
    fn wrong_time_in_the_future_is_forgotten() {
        let (mut average, hour) = (Average::default(), Duration::from_secs(3600));
        assert_eq!(average.push_at(i64::MAX, 5.0, hour), Some(5.0));
        for time in 0..7 {
            assert_eq!(average.push_at(time, 1.0, hour), None);
        }
        assert_eq!(average.push_at(7, 1.0, hour), Some(1.0));
        assert_eq!(average.push_at(7 + 3_600_000_000_000, 2.0, hour), Some(1.5));
    }

    #[test]
    fn late_numbers_between_others_are_forgotten() {
        let (mut average, second) = (Average::default(), Duration::from_secs(1));
        for time in (1..20).map(|number| number * 10_000_000_000) {
            assert!(average.push_at(time, 5.0, second).is_some());
            assert_eq!(average.push_at(0, 1.0, second), None);
        }
    }

    #[test]
    fn times_before_1970_are_times() {
        let (mut average, hour) = (Average::default(), Duration::from_secs(3600));
        assert_eq!(average.push_at(-8_000_000_000_000, 1.0, hour), Some(1.0));
        assert_eq!(average.push_at(-4_400_000_000_000, 2.0, hour), Some(1.5));
        assert_eq!(Average::default().push_at(i64::MIN, 1.0, hour), Some(1.0));
    }
}
