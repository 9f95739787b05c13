//! The data of the page, as its script reads it.

use serde::Serialize;

use crate::findings::{Drawn, Findings};
use crate::record::Record;
use crate::series::{Sample, Series, longest_step};

/// Groups that have a chart.
pub const CHARTS: usize = 50;

/// Samples of all charts together, and of the fields that the page shows first.
const SAMPLES: usize = 240_000;
const FIRST_SAMPLES: usize = 180_000;

const DAY: i64 = 86_400_000_000_000;

/// All that is drawn.
#[derive(Serialize)]
pub struct Page<'a> {
    /// The midnight (UTC) that times are counted from, in milliseconds since 1970.
    base: i64,
    /// Nanoseconds in one unit of time.
    unit: i64,
    fields: &'a [&'a str],
    added: &'a [&'a str],
    /// For each field of the input, whether each added one is drawn over it.
    together: Vec<Vec<bool>>,
    reasons: Vec<&'a str>,
    /// In the order of interest.
    charts: Vec<Chart<'a>>,
}

#[derive(Serialize)]
struct Chart<'a> {
    group: &'a str,
    skipped: u64,
    /// One for each field of the input.
    inputs: Vec<Option<Line>>,
    changed: Vec<Option<Line>>,
    flagged: Vec<Option<Line>>,
    /// One for each added field.
    added: Vec<Option<Line>>,
    runs: Vec<Runs<'a>>,
    skips: Vec<Skip>,
}

/// A series.
#[derive(Serialize)]
struct Line {
    /// Values that there were.
    n: u64,
    /// Units of time between two samples over which no line is drawn.
    step: u64,
    /// Units of time since the sample before.
    t: Vec<u64>,
    v: Vec<f64>,
}

#[derive(Serialize)]
struct Runs<'a> {
    field: &'a str,
    more: u64,
    /// Start, end, points and text of each.
    marks: Vec<(u64, u64, u64, &'a str)>,
}

/// Start, end, points and number of the reason.
type Skip = (u64, u64, u64, usize);

/// How times are written: units since a midnight.
struct Clock {
    base: i64,
    unit: i64,
}

impl Clock {
    /// The largest unit, up to a second, that all times are multiples of.
    fn of(times: impl Iterator<Item = i64>) -> (Self, i64, i64) {
        let (mut unit, mut start, mut end) = (1_000_000_000, i64::MAX, i64::MIN);
        for time in times {
            while time % unit != 0 {
                unit /= 1000;
            }
            (start, end) = (start.min(time), end.max(time));
        }
        if start > end {
            (start, end) = (0, 0);
        }
        (Self { base: start.div_euclid(DAY), unit }, start, end)
    }

    /// Units since the midnight. It is the largest number where the times are 584 years apart.
    fn at(&self, time: i64) -> u64 {
        let base = i128::from(self.base) * i128::from(DAY);
        u64::try_from((i128::from(time) - base) / i128::from(self.unit)).unwrap_or(u64::MAX)
    }

    fn line(&self, samples: &[Sample], count: u64, span: i64) -> Line {
        let mut before = 0;
        let times = samples.iter().map(|(time, _)| {
            let at = self.at(*time);
            at - std::mem::replace(&mut before, at)
        });
        Line {
            n: count,
            step: (longest_step(samples, span) / self.unit).cast_unsigned(),
            t: times.collect(),
            v: samples.iter().map(|(_, value)| rounded(*value)).collect(),
        }
    }
}

/// With ten digits, unless it is whole: means have many digits that nobody sees.
fn rounded(value: f64) -> f64 {
    if value.fract() == 0.0 { value } else { format!("{value:.9e}").parse().unwrap_or(value) }
}

impl<'a> Page<'a> {
    pub fn of(findings: &'a Findings<'a>) -> Self {
        let records: Vec<&Record> =
            findings.order.iter().take(CHARTS).map(|i| &findings.recorder.records[*i]).collect();
        let (first, other) = resolution(findings, &records);
        let resolution = |i: usize| if i == 0 { first } else { other };
        let charts: Vec<_> =
            records.iter().map(|record| Samples::of(findings, record, first, &resolution)).collect();
        let times = charts.iter().zip(&records).flat_map(|(chart, record)| {
            let runs = record.outputs.iter().flat_map(|field| &field.runs.kept);
            let runs = runs.flat_map(|run| [run.start, run.end]);
            let skips = record.skips.iter().flat_map(|skip| [skip.start, skip.end]);
            chart
                .all()
                .flat_map(|(samples, _)| samples.iter().map(|(time, _)| *time))
                .chain(runs)
                .chain(skips)
        });
        let (clock, start, end) = Clock::of(times);
        let span = end.saturating_sub(start);
        let lines = |all: &[Option<(Vec<Sample>, u64)>]| {
            let line = |one: &(Vec<Sample>, u64)| clock.line(&one.0, one.1, span);
            all.iter().map(|one| one.as_ref().map(line)).collect::<Vec<_>>()
        };
        let charts = charts.iter().zip(&records).map(|(samples, record)| Chart {
            group: &record.text,
            skipped: record.skipped,
            inputs: lines(&samples.inputs),
            changed: lines(&samples.changed),
            flagged: lines(&samples.flagged),
            added: lines(&samples.added),
            runs: runs(record, &clock),
            skips: record
                .skips
                .iter()
                .map(|skip| (clock.at(skip.start), clock.at(skip.end), skip.count, skip.reason))
                .collect(),
        });
        let together =
            |field: &&str| findings.added.iter().map(|added| findings.together(field, added)).collect();
        Self {
            base: clock.base.saturating_mul(86_400_000),
            unit: clock.unit,
            fields: &findings.fields,
            added: &findings.added,
            together: findings.fields.iter().map(together).collect(),
            reasons: findings.recorder.reasons.counts().iter().map(|(reason, _)| reason.as_str()).collect(),
            charts: charts.collect(),
        }
    }

    /// As JSON that may be in a `<script>` of any kind: without `<`, and without the line ends that only some
    /// readers know.
    pub fn json(&self) -> serde_json::Result<String> {
        let json = serde_json::to_string(self)?;
        // None of them is in JSON but within strings.
        Ok(json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029"))
    }
}

/// The samples of one chart.
struct Samples {
    inputs: Vec<Option<(Vec<Sample>, u64)>>,
    changed: Vec<Option<(Vec<Sample>, u64)>>,
    flagged: Vec<Option<(Vec<Sample>, u64)>>,
    added: Vec<Option<(Vec<Sample>, u64)>>,
}

impl Samples {
    fn of(
        findings: &Findings<'_>,
        record: &Record,
        first: usize,
        resolution: &impl Fn(usize) -> usize,
    ) -> Self {
        let drawn: Vec<_> = findings.fields.iter().map(|field| findings.drawn(record, field)).collect();
        let each = |part: for<'b> fn(&Drawn<'b>) -> Option<&'b Series>| {
            let sampled = |(i, drawn): (usize, &Drawn<'_>)| {
                part(drawn).map(|series| (series.samples(resolution(i)), series.count()))
            };
            drawn.iter().enumerate().map(sampled).collect::<Vec<_>>()
        };
        let added = findings.added.iter().map(|name| record.added(name));
        Self {
            inputs: each(|drawn| drawn.input),
            changed: each(|drawn| drawn.changed),
            flagged: each(|drawn| drawn.flagged),
            added: added.map(|series| series.map(|series| (series.samples(first), series.count()))).collect(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &(Vec<Sample>, u64)> {
        [&self.inputs, &self.changed, &self.flagged, &self.added].into_iter().flatten().flatten()
    }
}

/// Samples of each series at most: of those that are shown first, and of the others.
fn resolution(findings: &Findings<'_>, records: &[&Record]) -> (usize, usize) {
    let (mut first, mut other) = (Vec::new(), Vec::new());
    for record in records {
        for (i, field) in findings.fields.iter().enumerate() {
            let Drawn { input, changed, flagged } = findings.drawn(record, field);
            let series = [input, changed, flagged].into_iter().flatten();
            (if i == 0 { &mut first } else { &mut other }).extend(series.map(Series::detail));
        }
        let added = findings.added.iter().filter_map(|name| record.added(name));
        first.extend(added.map(Series::detail));
    }
    (share(FIRST_SAMPLES, first), share(SAMPLES - FIRST_SAMPLES, other))
}

/// The most that each may have of `total`, where some want less than their share.
fn share(mut total: usize, mut wanted: Vec<usize>) -> usize {
    wanted.sort_unstable();
    let mut left = wanted.len();
    for wants in wanted {
        if wants > total / left {
            return (total / left).max(40);
        }
        total -= wants;
        left -= 1;
    }
    usize::MAX
}

fn runs<'a>(record: &'a Record, clock: &Clock) -> Vec<Runs<'a>> {
    let fields = record.outputs.iter().filter(|field| !field.runs.kept.is_empty() || field.runs.left_out > 0);
    fields
        .map(|field| Runs {
            field: &field.name,
            more: field.runs.left_out,
            marks: field
                .runs
                .kept
                .iter()
                .map(|run| (clock.at(run.start), clock.at(run.end), run.count, run.text.as_str()))
                .collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_some_do_not_want_is_for_others() {
        assert_eq!(share(1000, vec![100, 5000, 5000]), 450);
        assert_eq!(share(1000, vec![100, 200]), usize::MAX);
        assert_eq!(share(10, vec![100; 100]), 40);
    }

    #[test]
    fn times_are_whole_units_since_a_midnight() {
        let times = [1_772_431_200_250_000_000, 1_772_431_201_000_000_000];
        let (clock, start, end) = Clock::of(times.into_iter());
        assert_eq!((clock.unit, start, end), (1_000_000, times[0], times[1]));
        assert_eq!(clock.at(start), 6 * 3_600_000 + 250);
        let (clock, start, end) = Clock::of([i64::MIN, i64::MAX].into_iter());
        assert_eq!((clock.unit, clock.at(end)), (1, u64::MAX));
        assert!(clock.at(start) < DAY.cast_unsigned());
        assert_eq!(Clock::of(std::iter::empty()).1, 0);
    }

    #[test]
    fn values_have_the_digits_that_are_seen() {
        assert_eq!([0.1 + 0.2, 1e15 + 1.0, 2.0 / 3.0].map(rounded), [0.3, 1e15 + 1.0, 0.666_666_666_7]);
    }
}
