//! Butterworth filters: low pass, high pass, band pass and band stop.
//!
//! How they are designed: see [`design`]; how they are computed: [`filter`].

use std::time::Duration;

use algorithms::{FieldNames, PerField};
use kapacitor_guest::options::{OptionValue, Scalar, ValueType};
use kapacitor_guest::prelude::*;

mod design;
mod filter;

use design::{Band, Section, butterworth};
use filter::Filter;

/// The least cutoff, as a share of the rate.
const LEAST: f64 = 1e-6;

/// Samples that may be missing before a filter begins anew, unless the option `reset` says otherwise.
const MISSING: f64 = 10.0;

/// The option `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    LowPass,
    HighPass,
    BandPass,
    BandStop,
}

impl Kind {
    /// The number of cutoffs.
    fn cutoffs(self) -> usize {
        match self {
            Self::LowPass | Self::HighPass => 1,
            Self::BandPass | Self::BandStop => 2,
        }
    }
}

impl Scalar for Kind {
    const TYPE: ValueType = ValueType::String;

    fn convert(value: &OptionValue<'_>) -> Option<std::result::Result<Self, String>> {
        let OptionValue::String(text) = value else { return None };
        Some(match *text {
            "lowpass" => Ok(Self::LowPass),
            "highpass" => Ok(Self::HighPass),
            "bandpass" => Ok(Self::BandPass),
            "bandstop" => Ok(Self::BandStop),
            _ => Err(format!("must be 'lowpass', 'highpass', 'bandpass' or 'bandstop', got {text:?}")),
        })
    }
}

/// The options: see README.md.
#[derive(Options)]
pub struct FilterIir {
    field: FieldNames,
    #[option(default = Kind::LowPass)]
    r#type: Kind,
    #[option(default = 2)]
    order: u32,
    cutoff: Vec<f64>,
    period: Vec<Duration>,
    rate: Option<f64>,
    every: Option<Duration>,
    reset: Option<Duration>,
    #[option(default = "filtered")]
    r#as: FieldName,
    /// What the options make, designed when the task starts.
    sections: Shared<Vec<Section>>,
}

impl FilterIir {
    /// The samples in a second.
    fn samples(&self) -> Result<f64> {
        match (self.rate, self.every) {
            (Some(rate), None) => {
                algorithms::above_zero("rate", rate)?;
                Ok(rate)
            }
            (None, Some(every)) => {
                algorithms::rule("every", !every.is_zero(), "must be longer than 0s")?;
                Ok(1.0 / every.as_secs_f64())
            }
            _ => Err("one of the options `rate` and `every` must be given".into()),
        }
    }

    /// The cutoffs as shares of the rate, the lowest first.
    fn cutoffs(&self) -> Result<Vec<f64>> {
        let samples = self.samples()?;
        let (name, frequencies, shortest) = match (&self.cutoff[..], &self.period[..]) {
            (frequencies, []) if !frequencies.is_empty() => (
                "cutoff",
                frequencies.to_vec(),
                "must be from a millionth of the rate to less than half of it",
            ),
            ([], periods) if !periods.is_empty() => {
                let frequencies = periods.iter().map(|period| 1.0 / period.as_secs_f64()).collect();
                ("period", frequencies, "must be longer than two samples, and at most a million of them")
            }
            _ => return Err("one of the options `cutoff` and `period` must be given".into()),
        };
        let count = self.r#type.cutoffs();
        let needed = if count == 1 { "must be given once" } else { "must be given twice" };
        algorithms::rule(name, frequencies.len() == count, needed)?;
        let mut cutoffs: Vec<f64> = frequencies.iter().map(|frequency| frequency / samples).collect();
        let are_possible = cutoffs.iter().all(|cutoff| (LEAST * (1.0 - 1e-9)..0.5).contains(cutoff));
        algorithms::rule(name, are_possible, shortest)?;
        cutoffs.sort_unstable_by(f64::total_cmp);
        algorithms::rule(name, count == 1 || cutoffs[0] < cutoffs[1], "must have two different values")?;
        Ok(cutoffs)
    }

    fn band(&self) -> Result<Band> {
        let cutoffs = self.cutoffs()?;
        Ok(match self.r#type {
            Kind::LowPass => Band::Low(cutoffs[0]),
            Kind::HighPass => Band::High(cutoffs[0]),
            Kind::BandPass => Band::Pass(cutoffs[0], cutoffs[1]),
            Kind::BandStop => Band::Stop(cutoffs[0], cutoffs[1]),
        })
    }

    /// The nanoseconds between two points after which a filter begins anew.
    fn longest_gap(&self) -> f64 {
        self.reset.map_or_else(|| MISSING * self.interval(), |reset| reset.as_nanos() as f64)
    }

    /// The nanoseconds from one sample to the next.
    fn interval(&self) -> f64 {
        match (self.rate, self.every) {
            (Some(rate), _) => 1e9 / rate,
            (None, every) => every.unwrap_or_default().as_nanos() as f64,
        }
    }
}

/// The filter of a field, and the time of its newest point in nanoseconds since 1970.
#[derive(Debug, Default)]
pub struct Channel {
    newest: i64,
    filter: Filter,
}

impl Stream for FilterIir {
    type Group = PerField<Channel>;

    fn check(&self) -> Result<()> {
        algorithms::rule("order", (1..=8).contains(&self.order), "must be from 1 to 8")?;
        self.sections.set(butterworth(self.order, self.band()?));
        // Otherwise the filter would begin anew with each point.
        let keeps = self.longest_gap() > self.interval();
        algorithms::rule("reset", keeps, "must be longer than the time from one point to the next")
    }

    fn point(&self, channels: &mut PerField<Channel>, point: Point<'_>, out: &mut Output) -> Result<()> {
        let (sections, time) = (self.sections.borrow(), point.time());
        let mut edited = point.edit();
        for (place, value) in self.field.numbers(point)? {
            let channel = channels.of(place);
            let passed = time.saturating_sub(channel.newest).unsigned_abs();
            if passed as f64 > self.longest_gap() {
                channel.filter.clear();
            }
            channel.newest = time;
            if let Some(filtered) = channel.filter.push(value, &sections) {
                edited = edited.with(self.field.result(place, &self.r#as), filtered);
            }
        }
        out.send(edited)
    }
}

register!(FilterIir);

#[cfg(test)]
mod tests;
