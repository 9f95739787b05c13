//! Forecasts each number of a field by exponential smoothing of a level, a trend and a season, and scores the difference.
//!
//! How it is computed: see [`model`]; how points become steps: see [`series`].

use std::num::NonZeroUsize;
use std::time::Duration;

use algorithms::{Comparison, FieldNames, PerField, UsualDistance};
use kapacitor_guest::prelude::*;
use serde::{Deserialize, Serialize};

mod model;
mod series;

use model::Smoothing;
use series::Series;

/// The most steps of a season: the minutes of a week.
const LONGEST: usize = 7 * 24 * 60;

/// The options: see README.md.
#[derive(Options)]
pub struct HoltWinters {
    field: FieldNames,
    #[option(default = 0)]
    season: usize,
    multiplicative: Flag,
    every: Option<Duration>,
    #[option(default = 0.3)]
    alpha: f64,
    #[option(default = 0.05)]
    beta: f64,
    #[option(default = 0.1)]
    gamma: f64,
    #[option(default = 0.05)]
    delta: f64,
    #[option(default = 1.0)]
    damping: f64,
    #[option(default = 3.0)]
    clip: f64,
    #[option(default = 4.0)]
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
    #[option(default = "residual")]
    residual: FieldName,
    max_groups: Option<NonZeroUsize>,
}

impl HoltWinters {
    fn smoothing(&self) -> Smoothing {
        Smoothing {
            season: self.season,
            multiplicative: self.multiplicative.is_set(),
            alpha: self.alpha,
            beta: self.beta,
            gamma: self.gamma,
            delta: self.delta,
            damping: self.damping,
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

/// The state of a field.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    series: Series,
    /// How far numbers are from their forecasts.
    distance: UsualDistance,
}

impl Stream for HoltWinters {
    type Group = PerField<State>;

    /// A season is worth keeping over some weeks of holidays.
    const IDLE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    /// For each field, in the warm-up: the state, what it was restored from, and a snapshot.
    fn max_groups(&self) -> usize {
        let bytes = self.season.saturating_mul(16).saturating_add(600).saturating_mul(3);
        algorithms::max_groups(self.max_groups, bytes.saturating_mul(self.field.names().len()))
    }

    fn check(&self) -> Result<()> {
        algorithms::different_names(&[
            &self.r#as,
            &self.flag,
            &self.expected,
            &self.lower,
            &self.upper,
            &self.residual,
        ])?;
        let season = self.season == 0 || (2..=LONGEST).contains(&self.season);
        algorithms::rule("season", season, "must be 0 for none, or from 2 to 10080")?;
        let multiplicative = !self.multiplicative.is_set() || self.season > 0;
        algorithms::rule("multiplicative", multiplicative, "must be given together with `season`")?;
        let every = self.every.is_none_or(|every| !every.is_zero());
        algorithms::rule("every", every, "must be longer than 0s")?;
        algorithms::share("alpha", self.alpha)?;
        for (name, weight) in [("beta", self.beta), ("gamma", self.gamma)] {
            algorithms::rule(name, (0.0..=1.0).contains(&weight), "must be a number from 0 to 1")?;
        }
        algorithms::share("delta", self.delta)?;
        algorithms::share("damping", self.damping)?;
        algorithms::at_least_zero("clip", self.clip)?;
        algorithms::at_least_zero("threshold", self.threshold)?;
        algorithms::at_least_zero("min_spread", self.min_spread)
    }

    fn point(&self, states: &mut PerField<State>, point: Point<'_>, out: &mut Output) -> Result<()> {
        let (smoothing, comparison, time) = (self.smoothing(), self.comparison(), point.time());
        let mut edited = point.edit();
        for (place, value) in self.field.numbers(point)? {
            let State { series, distance } = states.of(place);
            let expected = series.push(time, value, &smoothing, self.every);
            let expected = expected.map(|expected| expected.compared(value, distance));
            edited = comparison.add_to(edited, place, value, expected);
            let residual = expected.map(|expected| value - expected.value);
            if let Some(residual) = residual.filter(|residual| residual.is_finite()) {
                edited = edited.with(self.field.result(place, &self.residual), residual);
            }
        }
        out.send(edited)
    }
}

impl SerdeSnapshot<PerField<State>> for HoltWinters {}

register!(HoltWinters, snapshot);

#[cfg(test)]
mod tests;
