//! What came out, by group: for the tables and for the chart.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, Table, presets};
use kapacitor_wasm::protocol::{Point, ResponseMessage};

use crate::words::{clock, thousands, value};

/// Events of a group that the table names.
const NAMED: usize = 3;

/// Outliers with no more time between them are one event.
const EVENT: i64 = 60_000_000_000;

/// A time in nanoseconds since 1970, and a value.
pub type Sample = (i64, f64);

/// What went in and what came out.
pub struct Outcome {
    /// The field.
    pub field: String,
    /// By Kapacitor's key of a group.
    pub groups: BTreeMap<String, Group>,
}

/// One group.
#[derive(Default)]
pub struct Group {
    /// The value of the tag.
    pub name: String,
    /// Points that were sent, with or without the field.
    pub points: usize,
    /// The field as it was sent.
    pub input: Vec<Sample>,
    /// Points that came back with a mean.
    pub averages: Vec<Sample>,
    /// Batches that came back.
    pub windows: usize,
    /// Points that came back in them.
    pub outliers: Vec<Sample>,
}

impl Group {
    /// Mean of the field.
    pub fn mean(&self) -> f64 {
        self.input.iter().map(|(_, value)| value).sum::<f64>() / self.input.len() as f64
    }
}

impl Outcome {
    /// What went in.
    pub fn new(points: &[Point], field: &str) -> Self {
        let mut groups = BTreeMap::<String, Group>::new();
        for point in points {
            let group = groups.entry(point.group.clone()).or_default();
            if group.points == 0 {
                let tag = point.dimensions.first().and_then(|tag| point.tags.get(tag));
                let name = tag.filter(|name| !name.is_empty()).map_or("(none)", String::as_str);
                name.clone_into(&mut group.name);
            }
            group.points += 1;
            group.input.extend(sample(point, field));
        }
        Self { field: field.to_owned(), groups }
    }

    /// Whether no point has the field.
    pub fn is_empty(&self) -> bool {
        self.groups.values().all(|group| group.input.is_empty())
    }

    /// Takes in what the moving average gave.
    pub fn take_averages(&mut self, data: &[ResponseMessage], name: &str) {
        for response in data {
            if let ResponseMessage::Point(point) = response
                && let Some(group) = self.groups.get_mut(&point.group)
            {
                group.averages.extend(sample(point, name));
            }
        }
    }

    /// Takes in the batches of outliers.
    pub fn take_outliers(&mut self, data: &[ResponseMessage]) {
        for response in data {
            match response {
                ResponseMessage::End(end) => {
                    if let Some(group) = self.groups.get_mut(&end.group) {
                        group.windows += 1;
                    }
                }
                ResponseMessage::Point(point) => {
                    if let Some(group) = self.groups.get_mut(&point.group) {
                        group.outliers.extend(sample(point, &self.field));
                    }
                }
                _ => {}
            }
        }
    }

    /// A line for each group: the moving average.
    pub fn averages_table(&self, group_by: &str) -> Table {
        let mean = format!("mean {}", self.field);
        let mut table =
            table(&[group_by, "points in", "points out", &mean, "lowest average", "highest average"]);
        for group in self.groups.values() {
            let averages = || group.averages.iter().map(|(_, value)| *value);
            table.add_row([
                group.name.clone(),
                thousands(group.points),
                thousands(group.averages.len()),
                or_none(group.mean()),
                or_none(averages().fold(f64::NAN, f64::min)),
                or_none(averages().fold(f64::NAN, f64::max)),
            ]);
        }
        right(&mut table, 1..6);
        table
    }

    /// A line for each group: the outliers.
    pub fn outliers_table(&self, group_by: &str) -> Table {
        let which = format!("when (UTC) and {}", self.field);
        let mut table = table(&[group_by, "points in", "windows", "outliers", &which]);
        for group in self.groups.values() {
            let mut events = group.outliers.chunk_by(|a, b| b.0.saturating_sub(a.0) <= EVENT);
            let mut which: Vec<_> = events.by_ref().take(NAMED).map(event).collect();
            match events.count() {
                0 => {}
                more => which.push(format!("{more} more")),
            }
            table.add_row([
                group.name.clone(),
                thousands(group.points),
                thousands(group.windows),
                thousands(group.outliers.len()),
                which.join(", "),
            ]);
        }
        right(&mut table, 1..4);
        table
    }
}

/// `09:41:20 93.4`, or `09:41:20 93.4 (3x)`.
fn event(outliers: &[Sample]) -> String {
    let Some((time, first)) = outliers.first() else { return String::new() };
    let text = format!("{} {}", clock(*time), value(*first));
    if outliers.len() > 1 { format!("{text} ({}x)", outliers.len()) } else { text }
}

/// The field of a point as a number that can be drawn.
fn sample(point: &Point, field: &str) -> Option<Sample> {
    let double = point.fields_double.get(field).copied();
    let number = double.or_else(|| Some(*point.fields_int.get(field)? as f64))?;
    number.is_finite().then_some((point.time, number))
}

fn or_none(number: f64) -> String {
    if number.is_nan() { "-".to_owned() } else { value(number) }
}

/// An empty table for a terminal.
fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header.iter().copied());
    table
}

/// Aligns columns of numbers to the right.
fn right(table: &mut Table, columns: std::ops::Range<usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}
