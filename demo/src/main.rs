//! Starts the host, plays a recording to two of its plugins as Kapacitor would, and shows the results: as
//! tables on stdout, and as a chart.
//!
//! `cargo demo` builds the plugins, the host and this program, and runs it.

#![forbid(unsafe_code)]

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use kapacitor_wasm::protocol::EdgeType::{Batch, Stream};
use kapacitor_wasm::protocol::RequestMessage;
use kapacitor_wasm::protocol::client::{option, text};
use kapacitor_wasm::protocol::option_value::Value;

use crate::host::{Host, Settings};
use crate::outcome::Outcome;
use crate::play::{Edges, Played, Task};
use crate::words::{bytes, count, thousands};

mod chart;
mod host;
mod outcome;
mod play;
mod recording;
mod windows;
mod words;

/// Number of points that the moving average is taken over.
const SIZE: i64 = 30;

/// Distance from the quartiles at which a value is an outlier, in interquartile ranges.
const SCALE: f64 = 3.0;

/// Length of the windows in which outliers are looked for.
const WINDOW: Duration = Duration::from_secs(600);

/// Plays a recording to two plugins as Kapacitor would, and shows the results.
#[derive(Parser)]
#[command(name = "kapacitor-wasm-demo", max_term_width = 100)]
struct Options {
    /// Configuration file [default: `udf.toml` in this folder]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the plugins; overrides the configuration file
    #[arg(long, value_name = "DIR")]
    plugins_dir: Option<PathBuf>,
    /// Recording to play, as InfluxDB line protocol [default: a recording that is built in]
    #[arg(long, value_name = "FILE")]
    recording: Option<PathBuf>,
    /// Field that the plugins compute with
    #[arg(long, value_name = "NAME", default_value = "usage_user")]
    field: String,
    /// Tag that points are grouped by
    #[arg(long, value_name = "TAG", default_value = "host")]
    group_by: String,
    /// File for the chart, as SVG
    #[arg(long, value_name = "FILE", default_value = "demo.svg")]
    chart: PathBuf,
    /// Minimum log level of the host
    #[arg(long, value_name = "LEVEL", default_value = "error", value_parser = ["debug", "info", "warn", "error"])]
    log_level: String,
    /// Program `kapacitor-wasm` [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    host: Option<PathBuf>,
}

fn main() -> ExitCode {
    match demo(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kapacitor-wasm-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Plays the recording to one task for each of two plugins.
fn demo(options: &Options) -> Result<()> {
    let points = match &options.recording {
        None => recording::read(recording::SHIPPED, "demo/recording.lp", &options.group_by)?,
        Some(path) => {
            let text = fs::read_to_string(path)
                .with_context(|| format!("{}: the recording can't be read", path.display()))?;
            recording::read(&text, &path.display().to_string(), &options.group_by)?
        }
    };
    let mut outcome = Outcome::new(&points, &options.field);
    if outcome.is_empty() {
        bail!("no point of the recording has a number as field {}: choose --field", options.field);
    }

    let program = match &options.host {
        Some(program) => program.clone(),
        None => env::current_exe()?.with_file_name("kapacitor-wasm"),
    };
    let host = Host::start(&Settings {
        program: &program,
        config: options.config.as_deref(),
        plugins_dir: options.plugins_dir.as_deref(),
        log_level: &options.log_level,
    })?;

    let averages = Task {
        id: "demo_averages",
        plugin: "moving_avg",
        edges: Edges { wants: Stream, provides: Stream },
        options: vec![
            text("field", &options.field),
            option("size", Value::IntValue(SIZE)),
            text("as", "mean"),
        ],
    };
    let stream = points.iter().map(|point| vec![RequestMessage::Point(point.clone())]).collect();
    let averages = averages.play(&host, stream)?;
    outcome.take_averages(&averages.data, "mean");

    let outliers = Task {
        id: "demo_outliers",
        plugin: "outliers",
        edges: Edges { wants: Batch, provides: Batch },
        options: vec![text("field", &options.field), option("scale", Value::DoubleValue(SCALE))],
    };
    let outliers = outliers.play(&host, windows::cut(&points, WINDOW))?;
    outcome.take_outliers(&outliers.data);
    host.stop()?;

    write_chart(&options.chart, &chart::svg(&outcome, &options.group_by, SIZE, WINDOW))?;
    let report = report(options, &outcome, &[averages, outliers]);
    io::stdout().write_all(report.as_bytes()).context("the report can't be written to stdout")
}

fn write_chart(file: &Path, svg: &str) -> Result<()> {
    fs::write(file, svg).with_context(|| {
        format!("{}: the chart can't be written: choose another file with --chart", file.display())
    })
}

/// The two TICKscripts with their tables, and figures of the run.
fn report(options: &Options, outcome: &Outcome, played: &[Played]) -> String {
    let Options { field, group_by, .. } = options;
    let minutes = WINDOW.as_secs() / 60;
    let averages = outcome.averages_table(group_by).trim_fmt();
    let outliers = outcome.outliers_table(group_by).trim_fmt();
    let points: usize = played.iter().map(|task| task.points).sum();
    let took: Duration = played.iter().map(|task| task.took).sum();
    // The last digits differ from run to run.
    let rate = (points as f64 / took.as_secs_f64().max(1e-9) / 1000.0) as usize * 1000;
    let keepalives: usize = played.iter().map(|task| task.keepalives).sum();
    let snapshots: Vec<_> = played.iter().map(|task| bytes(task.snapshot)).collect();
    format!(
        "\
stream|from().groupBy('{group_by}')
    @moving_avg().field('{field}').size({SIZE}).as('mean')

{averages}

stream|from().groupBy('{group_by}')
    |window().period({minutes}m).every({minutes}m).align()
    @outliers().field('{field}').scale({SCALE:.1})

{outliers}

{} points to {} tasks in {} ms: {} points/s
on the way: {}, a snapshot of each task ({})
chart: {}
",
        thousands(points),
        played.len(),
        took.as_millis(),
        thousands(rate),
        count(keepalives, "keepalive"),
        snapshots.join(", "),
        options.chart.display()
    )
}
