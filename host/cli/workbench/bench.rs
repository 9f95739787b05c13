//! `bench`: measures a plugin on data.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kapacitor_wasm_data::input;
use kapacitor_wasm_report::thousands;

use super::flags::{InputFlags, LogLines, PluginFlags, print};
use crate::cli::exit::DONE;
use crate::cli::table::table;
use crate::workbench::{
    Call, CallSpec, Figures, Message, Pipeline, PluginHost, measure, median, significant, size, span,
};

/// Maximum number of points that are held in memory.
const MAX_POINTS: u64 = 500_000;

/// What is measured, and on which data.
#[derive(clap::Args, Clone)]
pub struct Options {
    #[command(flatten)]
    plugin: PluginFlags,
    #[command(flatten)]
    call: CallSpec,
    #[command(flatten)]
    input: InputFlags,
    /// Another version of the plugin, which is measured in turn.
    #[arg(long, value_name = "OTHER.wasm")]
    vs: Option<PathBuf>,
    /// Number of rounds, of which the median is printed.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
}

/// A plugin with its figures.
struct Measured {
    host: PluginHost,
    file: PathBuf,
    rounds: Vec<Figures>,
}

/// Measures the plugins in turn, and prints a table.
pub fn bench(options: &Options) -> Result<ExitCode> {
    let _log = LogLines::take();
    let call = options.call.read()?;
    options.input.check()?;
    let start = |plugin: &Path| -> Result<Measured> {
        let host = PluginHost::start(options.plugin.config.host(plugin, call.function.as_deref())?)?;
        Ok(Measured { host, file: plugin.to_owned(), rounds: Vec::new() })
    };
    let mut measured = vec![start(&options.plugin.plugin)?];
    if let Some(other) = &options.vs {
        measured.push(start(other).with_context(|| "--vs")?);
        let [one, other] = [0, 1].map(|number| measured[number].host.plugin().edges().to_string());
        if one != other {
            bail!("the plugins have different edges: {one} and, of --vs, {other}: they can't be compared");
        }
    }
    let (messages, points, groups) = read(options, &call, &measured[0].host)?;
    // The first round pays for what is done once.
    for plugin in &measured {
        measure(&plugin.host, &call, &messages, groups).with_context(|| plugin.file.display().to_string())?;
    }
    for _ in 0..options.rounds {
        for plugin in &mut measured {
            plugin.rounds.push(measure(&plugin.host, &call, &messages, groups)?);
        }
    }
    let text = report(&measured, points, groups, options.rounds);
    print(&text)?;
    Ok(DONE)
}

/// What the plugin gets, with the number of points and of groups.
fn read(options: &Options, call: &Call, host: &PluginHost) -> Result<(Vec<Message>, u64, usize)> {
    let mut pipeline = Pipeline::new(call.pipeline.clone(), host.plugin().info.wants())?;
    let mut messages = Vec::new();
    'files: for file in &options.input.input {
        for record in input::open(file, &options.input.options())? {
            messages.extend(pipeline.push(record?)?);
            if pipeline.counts.points >= MAX_POINTS {
                break 'files;
            }
        }
    }
    if messages.is_empty() {
        bail!("no point of the input reaches the plugin: see what `replay` says of it");
    }
    let points = messages.iter().map(|message| message.points().len() as u64).sum();
    Ok((messages, points, pipeline.counts.groups()))
}

/// A figure: its name, its value, and how it reads.
type Row = (&'static str, fn(&Figures) -> Option<f64>, fn(f64) -> String);

const ROWS: [Row; 8] = [
    ("points/s", |figures| Some(figures.points_per_second), |value| thousands(significant(value))),
    ("CPU of the plugin for a point", |figures| Some(figures.cpu), nanoseconds),
    ("lone point, median", |figures| figures.lone_median, nanoseconds),
    ("lone point, 99 of 100", |figures| figures.lone_p99, nanoseconds),
    ("memory of the state", |figures| Some(figures.memory), bytes),
    ("memory for a group", |figures| Some(figures.memory_per_group), bytes),
    ("snapshot", |figures| Some(figures.snapshot), bytes),
    ("snapshot, behind all points", |figures| Some(figures.snapshot_time), nanoseconds),
];

fn nanoseconds(value: f64) -> String {
    if value < 1e3 { format!("{value:.0} ns") } else { span(Duration::from_nanos(value as u64)) }
}

fn bytes(value: f64) -> String {
    size(value.max(0.0) as u64)
}

fn report(measured: &[Measured], points: u64, groups: usize, rounds: u32) -> String {
    let names: Vec<String> = measured.iter().map(|plugin| plugin.file.display().to_string()).collect();
    let mut head = vec![""];
    head.extend(names.iter().map(String::as_str));
    if measured.len() > 1 {
        head.push("ratio");
    }
    let mut table = table(&head);
    for (name, value, text) in ROWS {
        let values: Vec<Vec<f64>> =
            measured.iter().map(|plugin| plugin.rounds.iter().filter_map(value).collect()).collect();
        let mut row = vec![name.to_owned()];
        row.extend(values.iter().map(|values| match values.len() {
            0 => "it does not answer each".to_owned(),
            _ => text(median(values.clone())),
        }));
        row.extend(ratio(&values));
        table.add_row(row);
    }
    let mut row = vec!["size of the file".to_owned()];
    let mut sizes = Vec::new();
    for plugin in measured {
        let size_of = fs::metadata(&plugin.file).map_or(0, |metadata| metadata.len());
        row.push(size(size_of));
        sizes.push(vec![size_of as f64]);
    }
    row.extend(ratio(&sizes));
    table.add_row(row);
    let (points, groups) = (thousands(points), thousands(groups as u64));
    format!(
        "{table}\n{points} points, {groups} groups; medians of {rounds} rounds, in turn; a ratio is the median of the rounds' ratios\n"
    )
}

/// The median of the rounds' ratios of the first to the second, if there is one.
fn ratio(values: &[Vec<f64>]) -> Option<String> {
    let [one, other] = values else { return None };
    let ratios: Vec<f64> = one.iter().zip(other).map(|(one, other)| one / other).collect();
    let ratio = median(ratios);
    Some(if ratio.is_finite() { format!("{ratio:.2}") } else { String::new() })
}
