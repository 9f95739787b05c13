//! The panels of the chart for documents: one for each group.

use crate::axes::{TimeAxis, ValueAxis, path};
use crate::drawing::Drawing;
use crate::findings::{Drawn, Findings};
use crate::marks::Skip;
use crate::record::{OutputField, Record};
use crate::series::{Sample, Series};
use crate::words::{clock, count, date, escape, shorten, thousands, value};

/// Above a panel, for the name of the group; and above a small one, and the first lane.
pub const ABOVE: f64 = 40.0;
const ABOVE_SMALL: f64 = 12.0;
const ABOVE_LANES: f64 = 7.0;
/// Height of the panel of a group, and of a panel for an added field that has values of another size.
const PANEL: f64 = 96.0;
const SMALL: f64 = 48.0;
/// Height of a lane of texts or of skipped points, and from one to the next.
const LANE: f64 = 9.0;
const LANE_PITCH: f64 = LANE + 3.0;

/// Lanes of texts, and small panels, of a group at most.
const LANES: usize = 3;
const SMALLS: usize = 2;

/// Samples of a line: four for each column of pixels.
const SAMPLES: usize = 4200;
/// Marks of a group.
const MARKS: usize = 600;

/// A line of a panel: its class, and its samples.
pub type Line = (String, Vec<Sample>);

/// What is drawn of a group.
pub struct Panel<'a> {
    pub record: &'a Record,
    pub lines: Vec<Line>,
    /// Added fields with values of another size.
    small: Vec<(&'a str, Line)>,
    pub flagged: Vec<Sample>,
}

impl<'a> Panel<'a> {
    pub fn of(findings: &Findings<'a>, record: &'a Record) -> Self {
        let main = findings.fields.first().copied();
        let Drawn { input, changed, flagged } =
            main.map(|name| findings.drawn(record, name)).unwrap_or_default();
        let line = |class: &str, series: &Series| (class.to_owned(), series.samples(SAMPLES));
        let mut lines: Vec<_> = input.map(|series| line("input", series)).into_iter().collect();
        lines.extend(changed.map(|series| line("a0", series)));
        let mut small = Vec::new();
        for (name, class, together) in added(findings) {
            let Some(series) = record.added(name) else { continue };
            if together {
                lines.push(line(&class, series));
            } else if small.len() < SMALLS {
                small.push((name, line(&class, series)));
            }
        }
        let flagged = flagged.map(|series| series.samples(MARKS)).unwrap_or_default();
        Self { record, lines, small, flagged }
    }

    pub fn values(&self) -> impl Iterator<Item = f64> {
        self.lines.iter().flat_map(|(_, samples)| samples).chain(&self.flagged).map(|sample| sample.1)
    }

    pub fn times(&self) -> impl Iterator<Item = i64> {
        let small = self.small.iter().map(|(_, line)| line);
        let samples = self.lines.iter().chain(small).flat_map(|(_, samples)| samples).chain(&self.flagged);
        let runs = self.record.outputs.iter().flat_map(|field| &field.runs.kept);
        let skips = self.record.skips.iter().flat_map(|skip| [skip.start, skip.end]);
        samples.map(|sample| sample.0).chain(runs.flat_map(|run| [run.start, run.end])).chain(skips)
    }

    /// Fields with texts that have a lane.
    fn lanes(&self) -> impl Iterator<Item = &OutputField> {
        self.record.outputs.iter().filter(|field| !field.runs.kept.is_empty()).take(LANES)
    }

    /// A group without numbers has a name and its lanes.
    fn panel_height(&self) -> f64 {
        if self.values().next().is_some() { PANEL } else { 0.0 }
    }

    pub fn height(&self) -> f64 {
        let lanes = self.lanes().count() + usize::from(self.record.skipped > 0);
        let small = self.small.len() as f64 * (SMALL + ABOVE_SMALL);
        let above = if lanes > 0 { ABOVE_LANES } else { 0.0 };
        self.panel_height() + small + above + lanes as f64 * LANE_PITCH
    }

    /// Draws it below `top`. The numbers of the reasons of skipped points are those of `reasons`.
    pub fn draw(
        &self,
        drawing: &mut Drawing,
        times: &TimeAxis,
        values: ValueAxis,
        mut top: f64,
        reasons: &[(String, u64)],
    ) {
        let (left, right) = (times.left, times.right);
        let record = self.record;
        let name = if record.text.is_empty() { "all points" } else { &record.text };
        drawing.text((left, top - 12.0), "group", &shorten(name, 90));
        let mut figures =
            format!("{} in, {} out", count(record.points_in, "point"), thousands(record.points_out));
        if record.skipped > 0 {
            figures.push_str(&format!(", {} skipped", thousands(record.skipped)));
        }
        drawing.text((right, top - 12.0), "end", &figures);
        if self.values().next().is_some() {
            grid(drawing, times, values, top, PANEL);
        }
        for (class, samples) in &self.lines {
            let path = path(samples, times, |value| top + values.y(value, PANEL));
            drawing.put(format_args!(r#"<path class="{class}" d="{path}"/>"#));
        }
        for (time, found) in &self.flagged {
            drawing.put(format_args!(
                r#"<circle class="flagged" cx="{:.1}" cy="{:.1}" r="3.4"><title>{} {}: {}</title></circle>"#,
                times.x(*time),
                top + values.y(*found, PANEL),
                date(*time),
                clock(*time),
                value(*found)
            ));
        }
        top += self.panel_height();
        for (name, (class, samples)) in &self.small {
            top += ABOVE_SMALL;
            let values = ValueAxis::of(samples.iter().map(|sample| sample.1), 2);
            grid(drawing, times, values, top, SMALL);
            let path = path(samples, times, |value| top + values.y(value, SMALL));
            let name = escape(name);
            drawing
                .put(format_args!(r#"<path class="{class} small" d="{path}"><title>{name}</title></path>"#));
            top += SMALL;
        }
        top += ABOVE_LANES;
        for field in self.lanes() {
            let mut texts = Vec::new();
            let runs = field.runs.kept.iter().take(MARKS);
            let marks: Vec<_> =
                runs.map(|run| (run.start, run.end, class_of(&run.text, &mut texts), &*run.text)).collect();
            lane(drawing, times, &field.name, &marks, top);
            top += LANE_PITCH;
        }
        if record.skipped > 0 {
            let reason = |skip: &Skip| reasons.get(skip.reason).map_or("", |(reason, _)| reason.as_str());
            let mark = |skip: &Skip| (skip.start, skip.end, "skipped", reason(skip));
            let marks: Vec<_> = record.skips.iter().map(mark).collect();
            lane(drawing, times, "skipped", &marks, top);
        }
    }
}

fn grid(drawing: &mut Drawing, times: &TimeAxis, values: ValueAxis, top: f64, height: f64) {
    for (at, label) in values.labels() {
        let y = top + values.y(at, height);
        drawing.line("grid", (times.left, y), (times.right, y));
        drawing.text((times.left - 8.0, y + 4.0), "end", &label);
    }
    drawing.line("base", (times.left, top + height), (times.right, top + height));
}

/// The class of a text: levels, as those of Kapacitor's alerts, have the colours that they have everywhere; other
/// texts get one in the order in which they appear.
fn class_of<'a>(text: &'a str, texts: &mut Vec<&'a str>) -> &'static str {
    const LEVELS: [(&str, &str); 6] = [
        ("true", "true"),
        ("crit", "critical"),
        ("err", "critical"),
        ("fail", "critical"),
        ("warn", "warn"),
        ("ok", "ok"),
    ];
    const OTHERS: [&str; 4] = ["t0", "t1", "t2", "t3"];
    let begins = |level: &str| text.get(..level.len()).is_some_and(|start| start.eq_ignore_ascii_case(level));
    if let Some((_, class)) = LEVELS.iter().find(|(level, _)| begins(level)) {
        return class;
    }
    let at = texts.iter().position(|known| *known == text).unwrap_or(texts.len());
    if at == texts.len() {
        texts.push(text);
    }
    OTHERS[at % OTHERS.len()]
}

/// A strip of spans of time, each with its start, its end, its class and its text.
fn lane(drawing: &mut Drawing, times: &TimeAxis, name: &str, marks: &[(i64, i64, &str, &str)], top: f64) {
    let (left, width) = (times.left, times.right - times.left);
    drawing.put(format_args!(
        r#"<rect class="lane" x="{left}" y="{top:.1}" width="{width:.1}" height="{LANE}"/>"#
    ));
    drawing.text((left - 8.0, top + 8.0), "end tiny", &shorten(name, 8));
    for (start, end, class, text) in marks {
        let x = times.x(*start);
        drawing.put(format_args!(
            r#"<rect class="{class}" x="{x:.1}" y="{top:.1}" width="{:.1}" height="{LANE}"><title>{} {} {}: {}</title></rect>"#,
            (times.x(*end) - x).max(1.5),
            date(*start),
            clock(*start),
            escape(name),
            escape(text)
        ));
    }
}

/// The added fields with their classes, and whether each is drawn over the input.
pub fn added<'a>(findings: &Findings<'a>) -> Vec<(&'a str, String, bool)> {
    let main = findings.fields.first().copied();
    let changed = main.is_some_and(|main| {
        findings.recorder.records.iter().any(|record| findings.drawn(record, main).changed.is_some())
    });
    let class = |(i, name): (usize, &&'a str)| {
        let together = main.map_or(i == 0, |main| findings.together(main, name));
        (*name, format!("a{}", (i + usize::from(changed)) % 5), together)
    };
    findings.added.iter().enumerate().map(class).collect()
}
