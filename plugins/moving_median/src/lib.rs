//! Moving median, or another quantile, of fields over the last points, or the last minutes, of each group.
//!
//! How it is computed: see `kapacitor_guest::statistics::Quantiles`. A NaN or an infinity is treated like an absent
//! field.

use std::num::NonZeroUsize;
use std::time::Duration;

use algorithms::{FieldNames, PerField};
use kapacitor_guest::prelude::*;
use kapacitor_guest::statistics::{Extent, Quantiles};

/// The number of points if neither `size` nor `period` is given.
const SIZE: NonZeroUsize = NonZeroUsize::new(10).unwrap();

/// The options: `.field(NAME)` for each field, `.size(NUMBER)`, `.period(DURATION)`, `.quantile(NUMBER)` and
/// `.as(NAME)`.
#[derive(Options)]
pub struct MovingMedian {
    field: FieldNames,
    size: Option<NonZeroUsize>,
    period: Option<Duration>,
    #[option(default = 0.5)]
    quantile: f64,
    #[option(default = "median")]
    r#as: FieldName,
}

impl Stream for MovingMedian {
    type Group = PerField<Quantiles>;

    /// A group with the default window of 10 points takes 600 bytes, besides its id.
    const MAX_GROUPS: usize = 50_000;

    fn check(&self) -> Result<()> {
        algorithms::check_period(self.period)?;
        if (0.0..=1.0).contains(&self.quantile) {
            Ok(())
        } else {
            Err("option `quantile`: must be a number from 0 to 1".into())
        }
    }

    fn point(&self, windows: &mut PerField<Quantiles>, point: Point<'_>, out: &mut Output) -> Result<()> {
        let mut edited = point.edit();
        for (place, value) in self.field.numbers(point)? {
            let window = windows.of(place);
            let is_taken = window.push(point.time(), value, self.extent());
            if let Some(quantile) = window.quantile(self.quantile).filter(|_| is_taken) {
                edited = edited.with(self.field.result(place, &self.r#as), quantile);
            }
        }
        out.send(edited)
    }
}

impl MovingMedian {
    fn extent(&self) -> Extent {
        algorithms::extent(self.size, self.period, SIZE)
    }
}

register!(MovingMedian);

#[cfg(test)]
mod tests {
    use kapacitor_guest::testing::{Harness, OptionArgument, lines, point};
    use proptest::prelude::*;

    use super::*;

    type Given = (&'static str, OptionArgument);

    fn start(options: impl IntoIterator<Item = Given>) -> Result<Harness<MovingMedian>> {
        Harness::start([("field", "value".into())].into_iter().chain(options))
    }

    /// What a point gets.
    fn median(harness: &mut Harness<MovingMedian>, time: i64, value: f64) -> Option<f64> {
        harness.point(&point().at(time).field("value", value)).unwrap()[0].number("median").ok()
    }

    #[test]
    fn spikes_do_not_move_it() {
        let mut harness = start([("size", 5.into())]).unwrap();
        let medians: Vec<_> = [10.0, 11.0, 9.0, 1e6, 10.0, 12.0, f64::MAX, 11.0, 10.0]
            .into_iter()
            .map(|value| median(&mut harness, 0, value).unwrap())
            .collect();
        assert_eq!(medians, [10.0, 10.5, 10.0, 10.5, 10.0, 11.0, 12.0, 12.0, 11.0]);
    }

    #[test]
    fn window_is_ten_points_unless_told_otherwise() {
        let mut harness = start([]).unwrap();
        let medians: Vec<_> =
            (0..12).map(|number| median(&mut harness, 0, f64::from(number)).unwrap()).collect();
        assert_eq!(medians[9..], [4.5, 5.5, 6.5]);
    }

    #[test]
    fn window_may_be_a_time() {
        let mut harness = start([("period", Duration::from_nanos(10).into())]).unwrap();
        for (time, value, expected) in
            [(0, 1.0, 1.0), (9, 3.0, 2.0), (10, 7.0, 5.0), (15, 4.0, 4.0), (30, 8.0, 8.0)]
        {
            assert_eq!(median(&mut harness, time, value), Some(expected));
        }
        assert_eq!(median(&mut harness, 25, 10.0), Some(9.0), "late, but within the window");
        assert_eq!(median(&mut harness, 20, 100.0), None, "older than the window");
        assert_eq!(median(&mut harness, 31, 9.5), Some(9.5));
    }

    #[test]
    fn fields_and_groups_have_windows_of_their_own() {
        let options =
            [("field", "a".into()), ("field", "b".into()), ("quantile", 1.0.into()), ("as", "max".into())];
        let mut harness = Harness::<MovingMedian>::start(options).unwrap();
        let input =
            "m,host=x a=1,b=20i 1\nm,host=y a=9 2\nm,host=x a=3,b=10 3\nm,host=x c=1 4\nm,host=x a=2 5";
        let points = lines(input).unwrap().into_iter().map(|point| point.group_by(&["host"]));
        let sent = harness.points(points).unwrap();
        let of = |name: &str| sent.iter().map(|point| point.number(name).ok()).collect::<Vec<_>>();
        assert_eq!(of("a_max"), [Some(1.0), Some(9.0), Some(3.0), Some(3.0)]);
        assert_eq!(of("b_max"), [Some(20.0), None, Some(20.0), None]);
    }

    #[test]
    fn numbers_that_are_not_finite_are_no_numbers() {
        let mut harness = start([("size", 2.into())]).unwrap();
        assert_eq!(median(&mut harness, 0, 1.0), Some(1.0));
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(harness.point(&point().field("value", value)).unwrap().is_empty());
        }
        assert_eq!(median(&mut harness, 0, 2.0), Some(1.5));
    }

    #[test]
    fn quantile_is_a_share() {
        for quantile in [-0.1, 1.1, f64::NAN] {
            let error = start([("quantile", quantile.into())]).unwrap_err().to_string();
            assert_eq!(error, "option `quantile`: must be a number from 0 to 1");
        }
    }

    proptest! {
        /// The quantile is that of the last numbers, sorted anew.
        #[test]
        fn quantile_is_that_of_the_sorted_window(
            values in proptest::collection::vec(prop_oneof![-9.0..9.0, -1e15..1e15, Just(0.0), Just(-0.0)], 1..60),
            size in 1_usize..20,
            quantile in prop_oneof![Just(0.5), Just(0.0), Just(1.0), 0.0..=1.0],
        ) {
            let mut harness = start([("size", (size as i64).into()), ("quantile", quantile.into())]).unwrap();
            for end in 1..=values.len() {
                let mut window = values[end.saturating_sub(size)..end].to_vec();
                window.sort_unstable_by(f64::total_cmp);
                let rank = (window.len() - 1) as f64 * quantile;
                let (low, high) = (window[rank.floor() as usize], window[rank.ceil() as usize]);
                let expected = low + rank.fract() * (high - low);
                prop_assert_eq!(median(&mut harness, 0, values[end - 1]), Some(expected));
            }
        }
    }
}
