//! What the plugin does, as far as its points tell.

use std::collections::BTreeMap;

use crate::record::{Carried, Record};
use crate::recorder::Recorder;
use crate::series::Series;

/// Fields of the input, and fields that are added, that are drawn.
const FIELDS: usize = 16;

/// What was found in all groups together: a plugin does the same to each.
#[derive(Debug)]
pub struct Findings<'a> {
    pub recorder: &'a Recorder,
    /// Numeric fields of the input. The first is the one that matters most.
    pub fields: Vec<&'a str>,
    /// Numeric fields of the output that the input does not have.
    pub added: Vec<&'a str>,
    /// Whether points that come out as they went in are flagged.
    pub flags: bool,
    /// Whether most points come out as they went in, but not all: then the points that come out are drawn as a line.
    pub filters: bool,
    /// The groups, by the number of their record: those first of which there is most to see.
    pub order: Vec<usize>,
    /// Fields that come out with other values or at other times than they went in.
    changed: Vec<&'a str>,
}

/// What is drawn of one field of the input of a group.
#[derive(Clone, Copy, Debug, Default)]
pub struct Drawn<'a> {
    pub input: Option<&'a Series>,
    /// The field as it comes out, if that differs.
    pub changed: Option<&'a Series>,
    /// The points that are flagged.
    pub flagged: Option<&'a Series>,
}

impl<'a> Findings<'a> {
    pub fn of(recorder: &'a Recorder) -> Self {
        let records = &recorder.records;
        let inputs = || records.iter().flat_map(|record| &record.inputs);
        let outputs = || records.iter().flat_map(|record| &record.outputs);

        let mut known = BTreeMap::<&str, f64>::new();
        for field in inputs() {
            if let Some(series) = &field.series {
                let varies = known.entry(&field.name).or_default();
                *varies =
                    varies.max(series.deviation() / (series.mean().abs() + series.deviation()).max(1e-300));
            }
        }
        let mut carried = BTreeMap::<&str, [u64; 2]>::new();
        let mut added = Vec::<&str>::new();
        for field in outputs() {
            let [same, other] = carried.entry(&field.name).or_default();
            *same += field.plain.same + field.beside.same;
            *other += field.plain.other + field.beside.other;
            if field.added.is_some() {
                if known.contains_key(&*field.name) {
                    // The input of other groups has it.
                    *other += field.added.as_ref().map_or(0, |series| series.count());
                } else if !added.contains(&&*field.name) {
                    added.push(&field.name);
                }
            }
        }
        added.sort_unstable();
        added.truncate(FIELDS);
        // A few may differ where the same time has several points.
        let changed: Vec<_> =
            carried.iter().filter(|(_, [same, other])| other > same).map(|(name, _)| *name).collect();

        let total = |count: fn(&Record) -> u64| records.iter().map(count).sum::<u64>();
        let plain = total(|record| record.plain_out);
        let skipped = total(|record| record.skipped) + recorder.skipped_elsewhere;
        let could = total(|record| record.points_in).saturating_sub(skipped);
        let flags = plain > 0 && plain <= could / 2 && changed.is_empty();
        let filters = plain < could && plain > could / 2 && changed.is_empty();

        let mut fields: Vec<_> = known.keys().copied().collect();
        let rank = |name: &str| {
            let named = recorder.room.named.iter().position(|named| named == name);
            (named.unwrap_or(usize::MAX), !changed.contains(&name), known[name] == 0.0)
        };
        fields.sort_by_key(|name| rank(name));
        fields.truncate(FIELDS);

        let mut findings = Self { recorder, fields, added, flags, filters, order: Vec::new(), changed };
        let mut order: Vec<_> = (0..records.len()).collect();
        order.sort_by_cached_key(|i| std::cmp::Reverse(findings.interest(&records[*i])));
        findings.order = order;
        findings
    }

    fn interest(&self, record: &Record) -> [u64; 4] {
        let runs = record.outputs.iter().map(|field| field.runs.kept.len() as u64).sum::<u64>();
        [self.flagged(record).saturating_add(runs), record.skipped, record.points_out, record.points_in]
    }

    /// Points of a group that are flagged.
    pub fn flagged(&self, record: &Record) -> u64 {
        if self.flags { record.plain_out } else { 0 }
    }

    /// What is drawn of a field of the input.
    pub fn drawn(&self, record: &'a Record, name: &str) -> Drawn<'a> {
        let input = record.inputs.iter().find(|field| field.name == name);
        let output = record.outputs.iter().find(|field| field.name == name);
        let mut drawn = Drawn { input: input.and_then(|field| field.series.as_deref()), ..Drawn::default() };
        if let Some(output) = output {
            let Carried { series: plain, .. } = &output.plain;
            if self.changed.contains(&name) {
                let all = [plain, &output.beside.series, &output.added];
                drawn.changed =
                    all.into_iter().filter_map(Option::as_deref).max_by_key(|series| series.count());
            } else if self.flags {
                drawn.flagged = plain.as_deref();
            } else if self.filters {
                drawn.changed = plain.as_deref();
            }
        }
        drawn
    }

    /// Whether an added field is drawn over a field of the input: its values are as large, and about where those
    /// of the input are. The others are drawn by themselves.
    pub fn together(&self, field: &str, added: &str) -> bool {
        let records = &self.recorder.records;
        let input = records.iter().flat_map(|record| &record.inputs).filter(|other| other.name == field);
        let input: Vec<_> = input.filter_map(|field| field.series.as_deref()).collect();
        let output: Vec<_> = records.iter().filter_map(|record| record.added(added)).collect();
        let ([mean, deviation], [added_mean, added_deviation]) = (pooled(&input), pooled(&output));
        let (size, added_size) = (mean.hypot(deviation), added_mean.hypot(added_deviation));
        let near = (mean - added_mean).abs() <= 4.0 * deviation + 0.1 * size;
        near && (0.2 * size..=5.0 * size).contains(&added_size)
    }
}

/// Mean and standard deviation of all values of several series.
fn pooled(all: &[&Series]) -> [f64; 2] {
    let total = all.iter().map(|series| series.count() as f64).sum::<f64>().max(1.0);
    let share = |series: &Series| series.count() as f64 / total;
    let mean = all.iter().map(|series| series.mean() * share(series)).sum::<f64>();
    let square = |series: &Series| series.deviation().powi(2) + (series.mean() - mean).powi(2);
    let squares = all.iter().map(|series| square(series) * share(series)).sum::<f64>();
    [mean, squares.sqrt()]
}
