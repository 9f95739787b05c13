//! By how much a counter has risen.

use std::ops::{Add, Sub};

use algorithms::{Number, Step};

/// By how much a counter has risen in a step; `max` is its greatest value, after which it goes on with 0. Exact for
/// ints, and then rounded once.
pub fn of(step: Step, max: Option<i64>) -> f64 {
    match (step.from, step.to) {
        (Number::Int(from), Number::Int(to)) => {
            rise::<i128>(from.into(), to.into(), max.map(|max| i128::from(max) + 1)) as f64
        }
        (from, to) => rise(from.as_double(), to.as_double(), max.map(|max| max as f64 + 1.0)),
    }
}

/// A counter that falls has wrapped around at `range` if it has then risen by half of that at most. Otherwise it has
/// begun anew with 0, as it does in a process that starts: the rule of `rate()` in Prometheus.
fn rise<T: Copy + Default + PartialOrd + Add<Output = T> + Sub<Output = T>>(
    from: T,
    to: T,
    range: Option<T>,
) -> T {
    if to >= from {
        return to - from;
    }
    match range.map(|range| (range, range - from + to)) {
        Some((range, wrapped)) if from < range && wrapped + wrapped <= range => wrapped,
        _ => to,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rise_of(from: Number, to: Number, max: Option<i64>) -> f64 {
        of(Step { from, to, nanoseconds: 1 }, max)
    }

    #[test]
    fn counters_that_fall_have_begun_anew() {
        assert_eq!(rise_of(Number::Int(100), Number::Int(7), None), 7.0);
        assert_eq!(rise_of(Number::Double(100.5), Number::Double(0.5), None), 0.5);
        assert_eq!(rise_of(Number::Int(i64::MAX), Number::Int(0), None), 0.0);
    }

    #[test]
    fn counters_with_a_maximum_wrap_around() {
        let max = Some(i64::from(u32::MAX));
        let rise = |from, to| rise_of(Number::Int(from), Number::Int(to), max);
        assert_eq!(rise(4_294_967_290, 4), 10.0);
        assert_eq!(rise(4_294_967_295, 0), 1.0);
        assert_eq!(rise(1 << 31, 0), 2_f64.powi(31), "by half of the range");
        assert_eq!(rise((1 << 31) - 1, 0), 0.0, "by more, which is a new beginning");
        assert_eq!(rise(5_000_000_000, 4), 4.0, "not from a number beyond the maximum");
        assert_eq!(rise_of(Number::Double(4_294_967_290.0), Number::Double(4.0), max), 10.0);
        assert_eq!(rise_of(Number::Int(4_294_967_290), Number::Double(4.0), max), 10.0);
    }

    #[test]
    fn ints_keep_all_their_digits() {
        let (from, max) = (i64::MAX - 1, Some(i64::MAX));
        assert_eq!(rise_of(Number::Int(from), Number::Int(from + 1), None), 1.0);
        assert_eq!(rise_of(Number::Int(from), Number::Int(3), max), 5.0);
    }

    proptest! {
        /// A counter that rises by less than half of its range has the same rise with and without a wrap.
        #[test]
        fn wraps_are_seen_through(from in 0_i64..1000, rise in 0_i64..=500) {
            let to = (from + rise) % 1000;
            prop_assert_eq!(rise_of(Number::Int(from), Number::Int(to), Some(999)), rise as f64);
        }

        #[test]
        fn rises_are_never_negative(from in 0..i64::MAX, to in 0..i64::MAX, max in proptest::option::of(1..i64::MAX)) {
            prop_assert!(rise_of(Number::Int(from), Number::Int(to), max) >= 0.0);
            prop_assert!(rise_of(Number::Double(from as f64), Number::Double(to as f64), max) >= 0.0);
        }
    }
}
