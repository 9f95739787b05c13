//! The parts of the page that are there without a script: summary, groups, reasons and log.

use std::io::{self, Write};

use crate::findings::Findings;
use crate::log::{Level, Line};
use crate::page::CHARTS;
use crate::record::Record;
use crate::report::Report;
use crate::words::{clock, count, date, escape, shorten, thousands, value};

/// Fields of which the table has the last value.
const LAST: usize = 4;

/// Longest name of a field in a heading, in characters.
const NAME: usize = 32;

/// Longest value of the summary that is shown large, in characters.
const LARGE: usize = 14;

pub fn summary(report: &Report, out: &mut impl Write) -> io::Result<()> {
    if report.summary.is_empty() {
        return Ok(());
    }
    writeln!(out, r#"<dl class="summary">"#)?;
    for (what, much) in &report.summary {
        let class = if much.chars().count() > LARGE { r#" class="wide""# } else { "" };
        writeln!(out, "<div{class}><dt>{}</dt><dd>{}</dd></div>", escape(what), escape(much))?;
    }
    writeln!(out, "</dl>")
}

pub fn groups(findings: &Findings<'_>, out: &mut impl Write) -> io::Result<()> {
    let recorder = findings.recorder;
    if recorder.records.is_empty() {
        return Ok(());
    }
    let main = findings.fields.first().copied();
    let lasts: Vec<&str> = main.into_iter().chain(findings.added.iter().copied()).take(LAST).collect();
    write!(
        out,
        r#"<section class="card" aria-labelledby="groups-heading"><div class="head"><h2 id="groups-heading">Groups</h2>
<label class="controls">Find <input type="search" id="search" autocomplete="off" spellcheck="false"></label><p class="note">{}</p></div>
<div class="scroll" tabindex="0" role="region" aria-labelledby="groups-heading"><table id="groups"><thead><tr>"#,
        escape(&how_many(findings))
    )?;
    head(out, "group", true)?;
    if let Some(main) = main {
        write!(out, "<th scope=\"col\">{}</th>", escape(&shorten(main, NAME)))?;
    }
    head(out, "points in", false)?;
    head(out, "points out", false)?;
    if findings.flags {
        head(out, "flagged", false)?;
    }
    head(out, "skipped", false)?;
    for name in &lasts {
        head(out, &format!("last {}", shorten(name, NAME)), false)?;
    }
    writeln!(out, "</tr></thead><tbody>")?;
    for (i, record) in recorder.records.iter().enumerate() {
        let chart = findings.order.iter().take(CHARTS).position(|other| *other == i);
        row(findings, record, chart, &lasts, out)?;
    }
    writeln!(out, "</tbody></table></div></section>")
}

fn how_many(findings: &Findings<'_>) -> String {
    let shown = findings.recorder.records.len();
    let mut text = count(shown as u64, "group");
    let (others, more) = findings.recorder.others();
    if others > 0 {
        let least = if more { "at least " } else { "" };
        let others = thousands(others as u64);
        text = format!("The first {shown} groups; {least}{others} more are only in the totals");
    }
    if shown > CHARTS {
        text.push_str(&format!("; the {CHARTS} with most to see have a chart"));
    }
    text
}

fn head(out: &mut impl Write, text: &str, is_text: bool) -> io::Result<()> {
    let kind = if is_text { "text" } else { "number" };
    write!(out, r#"<th scope="col" data-kind="{kind}"><button type="button">{}</button></th>"#, escape(text))
}

fn row(
    findings: &Findings<'_>,
    record: &Record,
    chart: Option<usize>,
    lasts: &[&str],
    out: &mut impl Write,
) -> io::Result<()> {
    let name = if record.text.is_empty() { "all points" } else { &record.text };
    let name = escape(name);
    match chart {
        Some(chart) => write!(
            out,
            r#"<tr data-chart="{chart}"><th scope="row" title="{name}"><button type="button">{name}</button></th>"#
        )?,
        None => write!(out, r#"<tr><th scope="row" title="{name}">{name}</th>"#)?,
    }
    if let Some(main) = findings.fields.first() {
        let series = findings.drawn(record, main).input;
        write!(out, "<td>{}</td>", series.map_or_else(String::new, |series| spark(&series.samples(160))))?;
    }
    number(out, record.points_in, "")?;
    number(out, record.points_out, "")?;
    if findings.flags {
        number(out, findings.flagged(record), "mark")?;
    }
    number(out, record.skipped, "skip")?;
    for name in lasts {
        let output = record.outputs.iter().find(|field| field.name == *name).and_then(|field| field.last);
        let input = record.inputs.iter().find(|field| field.name == *name).and_then(|field| field.last);
        match input.or(output) {
            Some(last) => write!(out, r#"<td data-value="{last}">{}</td>"#, value(last))?,
            None => write!(out, r#"<td data-value=""><span class="zero">–</span></td>"#)?,
        }
    }
    writeln!(out, "</tr>")
}

fn number(out: &mut impl Write, number: u64, class: &str) -> io::Result<()> {
    let class = if number == 0 { "zero" } else { class };
    write!(out, r#"<td data-value="{number}"><span class="{class}">{}</span></td>"#, thousands(number))
}

/// A line without axes.
fn spark(samples: &[(i64, f64)]) -> String {
    const WIDTH: f64 = 120.0;
    const HEIGHT: f64 = 24.0;
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return String::new() };
    let fold = |least: fn(f64, f64) -> f64| samples.iter().map(|sample| sample.1).reduce(least);
    let (low, high) = (fold(f64::min).unwrap_or_default(), fold(f64::max).unwrap_or_default());
    let span = (last.0 as f64 - first.0 as f64).max(1.0);
    let x = |time: i64| (time as f64 - first.0 as f64) / span * WIDTH;
    let y = |value: f64| {
        let part = if high > low { value / (high - low) - low / (high - low) } else { 0.5 };
        1.0 + (1.0 - part) * (HEIGHT - 2.0)
    };
    let mut path = String::new();
    for (i, (time, value)) in samples.iter().enumerate() {
        let command = if i == 0 { 'M' } else { 'L' };
        path.push_str(&format!("{command}{:.0} {:.1}", x(*time), y(*value)));
    }
    format!(
        r#"<svg class="spark" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true"><path d="{path}"/></svg>"#
    )
}

pub fn reasons(findings: &Findings<'_>, out: &mut impl Write) -> io::Result<()> {
    let reasons = findings.recorder.reasons.counts();
    if reasons.is_empty() {
        return Ok(());
    }
    let total = reasons.iter().map(|(_, count)| count).sum::<u64>();
    writeln!(
        out,
        r#"<section class="card reasons" aria-labelledby="skipped-heading"><div class="head"><h2 id="skipped-heading">Skipped</h2><p class="note">{}</p></div>
<div class="scroll"><table><thead><tr><th scope="col" class="words">reason</th><th scope="col">points</th></tr></thead><tbody>"#,
        count(total, "point")
    )?;
    let mut reasons: Vec<_> = reasons.iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (reason, count) in reasons {
        writeln!(out, r#"<tr><td class="words">{}</td><td>{}</td></tr>"#, escape(reason), thousands(*count))?;
    }
    writeln!(out, "</tbody></table></div></section>")
}

pub fn log(findings: &Findings<'_>, out: &mut impl Write) -> io::Result<()> {
    let log = &findings.recorder.log;
    if log.first().next().is_none() {
        return Ok(());
    }
    let counts = Level::ALL.iter().rev().filter(|level| log.count(**level) > 0);
    let counts: Vec<_> =
        counts.map(|level| format!("{} {}", thousands(log.count(*level)), level.name())).collect();
    writeln!(
        out,
        r#"<section class="card" aria-labelledby="log-heading"><div class="head"><h2 id="log-heading">Log of the plugin</h2>
<label class="controls">At least <select id="level"><option value="0">debug</option><option value="1">info</option><option value="2">warn</option><option value="3">error</option></select></label><p class="note">{}</p></div>
<div class="scroll" tabindex="0" role="region" aria-labelledby="log-heading"><table id="log"><tbody>"#,
        counts.join(", ")
    )?;
    for line in log.first() {
        log_line(line, out)?;
    }
    if log.left_out() > 0 {
        let left_out = count(log.left_out(), "line");
        writeln!(
            out,
            r#"<tr class="left"><td></td><td></td><td>{left_out} between these are left out</td></tr>"#
        )?;
    }
    for line in log.last() {
        log_line(line, out)?;
    }
    writeln!(out, "</tbody></table></div></section>")
}

fn log_line(line: &Line, out: &mut impl Write) -> io::Result<()> {
    let time = line.time.map(|time| format!("{} {}", date(time), clock(time))).unwrap_or_default();
    let level = line.level.name();
    writeln!(
        out,
        r#"<tr data-level="{}" class="{level}"><td>{time}</td><td><span class="level">{level}</span></td><td>{}</td></tr>"#,
        line.level as usize,
        escape(&line.text)
    )
}
