//! Scores how far a field is from what is usual at that time of the day or the week.
//!
//! How it is learnt: see [`profile`].

use std::num::NonZeroUsize;
use std::time::Duration;

use algorithms::{Comparison, FieldNames, PerField};
use kapacitor_guest::prelude::*;
use kapacitor_guest::statistics::Season;

mod options;
mod profile;

use options::{Offset, SeasonLength};
use profile::{Learning, Usual};

/// The most slots: the minutes of a week.
const MOST_SLOTS: usize = 7 * 24 * 60;

/// The options: see README.md.
#[derive(Options)]
pub struct Seasonal {
    field: FieldNames,
    #[option(default = SeasonLength::Day)]
    season: SeasonLength,
    slots: Option<NonZeroUsize>,
    #[option(default = Offset(0))]
    offset: Offset,
    #[option(default = 0.1)]
    alpha: f64,
    #[option(default = 3)]
    warmup: u32,
    #[option(default = 3.0)]
    clip: f64,
    #[option(default = 5.0)]
    threshold: f64,
    #[option(default = 0.0)]
    min_spread: f64,
    #[option(default = "score")]
    r#as: FieldName,
    #[option(default = "anomaly")]
    flag: FieldName,
    #[option(default = "expected")]
    expected: FieldName,
    #[option(default = "lower")]
    lower: FieldName,
    #[option(default = "upper")]
    upper: FieldName,
    max_groups: Option<NonZeroUsize>,
}

impl Seasonal {
    fn slots(&self) -> usize {
        self.slots.map_or_else(
            || match self.season {
                SeasonLength::Day => 96,
                SeasonLength::Week => 168,
                SeasonLength::Other(_) => 60,
            },
            NonZeroUsize::get,
        )
    }

    fn learning(&self) -> Learning {
        const HOURS: u64 = 60 * 60;
        let slots = NonZeroUsize::new(self.slots()).unwrap_or(NonZeroUsize::MIN);
        let (season, length) = match self.season {
            SeasonLength::Day => (Season::day(slots), Duration::from_secs(24 * HOURS)),
            SeasonLength::Week => (Season::week(slots), Duration::from_secs(7 * 24 * HOURS)),
            SeasonLength::Other(length) => (Season::new(length, slots), length),
        };
        let slot_length = (length.as_nanos() as u64).div_ceil(slots.get() as u64) as i64;
        Learning {
            season: season.shifted(self.offset.0),
            slot_length,
            alpha: self.alpha,
            warmup: self.warmup,
            clip: if self.clip == 0.0 { f64::INFINITY } else { self.clip },
            min_spread: self.min_spread,
        }
    }

    fn comparison(&self) -> Comparison<'_> {
        Comparison {
            field: &self.field,
            threshold: self.threshold,
            expected: &self.expected,
            bounds: (&self.lower, &self.upper),
            score: &self.r#as,
            flag: &self.flag,
        }
    }
}

impl Stream for Seasonal {
    type Group = PerField<Usual>;

    /// A machine that is away for a month is still the same.
    const IDLE: Duration = Duration::from_secs(60 * 24 * 60 * 60);

    /// For each field: the state, what it was restored from, and a snapshot.
    fn max_groups(&self) -> usize {
        let bytes = 3 * (24 * self.slots() + 400);
        algorithms::max_groups(self.max_groups, bytes.saturating_mul(self.field.names().len()))
    }

    fn check(&self) -> Result<()> {
        algorithms::different_names(&[&self.r#as, &self.flag, &self.expected, &self.lower, &self.upper])?;
        let slots = self.slots.map_or(2, NonZeroUsize::get);
        algorithms::rule("slots", (2..=MOST_SLOTS).contains(&slots), "must be from 2 to 10080")?;
        let alpha = self.alpha > 0.0 && self.alpha <= 0.5;
        algorithms::rule("alpha", alpha, "must be a number above 0 and at most 0.5")?;
        algorithms::rule("warmup", self.warmup >= 2, "must be at least 2")?;
        algorithms::at_least_zero("clip", self.clip)?;
        algorithms::at_least_zero("threshold", self.threshold)?;
        algorithms::at_least_zero("min_spread", self.min_spread)
    }

    fn point(&self, usual: &mut PerField<Usual>, point: Point<'_>, out: &mut Output) -> Result<()> {
        let (learning, comparison, time) = (self.learning(), self.comparison(), point.time());
        let mut edited = point.edit();
        for (place, value) in self.field.numbers(point)? {
            let expected = usual.of(place).push(time, value, &learning);
            edited = comparison.add_to(edited, place, value, expected);
        }
        out.send(edited)
    }
}

impl SerdeSnapshot<PerField<Usual>> for Seasonal {}

register!(Seasonal, snapshot);

#[cfg(test)]
mod tests;
