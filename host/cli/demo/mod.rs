//! `demo`: serves the plugins, plays a recording to them as Kapacitor would, and shows what comes
//! out.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::config::{Config, Edges, LogLevel, SHIPPED};
use crate::endpoint::InheritedSockets;
use crate::endpoint::socket_path;
use crate::logging;
use crate::protocol::EdgeType::{Batch, Stream};
use crate::protocol::client::{option, text};
use crate::protocol::option_value::Value;
use crate::protocol::{Option as UdfOption, RequestMessage};
use crate::shared::{Mode, Shared};
use anyhow::{Context, Result, bail};

use self::outcome::Outcome;
use self::play::Played;
use self::words::{bytes, count, thousands};
use super::serve::Serving;

mod chart;
mod outcome;
mod play;
mod recording;
mod windows;
mod words;

/// The file that is read where no flag names another.
const CONFIG: &str = "udf.toml";

/// Points that the moving average is taken over.
const SIZE: i64 = 30;

/// How far from the quartiles a value is an outlier, in interquartile ranges.
const SCALE: f64 = 3.0;

/// Length of the windows that outliers are looked for in.
const WINDOW: Duration = Duration::from_secs(600);

/// What the demo plays, to what, and where the picture goes.
#[derive(clap::Args)]
pub struct Options {
    /// The configuration file [default: `udf.toml` in this folder].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the plugins.
    #[arg(long, value_name = "DIR")]
    plugins_dir: Option<PathBuf>,
    /// What is played, as InfluxDB line protocol [default: a recording that is built in].
    #[arg(long, value_name = "FILE")]
    recording: Option<PathBuf>,
    /// The field that the plugins look at.
    #[arg(long, value_name = "NAME", default_value = "usage_user")]
    field: String,
    /// The tag that points are grouped by.
    #[arg(long, value_name = "TAG", default_value = "host")]
    group_by: String,
    /// The picture, as SVG.
    #[arg(long, value_name = "FILE", default_value = "demo.svg")]
    chart: PathBuf,
    /// Least level that is logged.
    #[arg(long, value_name = "LEVEL", default_value = "error")]
    log_level: LogLevel,
}

/// Plays the recording to one task for each of two plugins.
pub fn demo(options: &Options) -> Result<ExitCode> {
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

    let _log = logging::start(options.log_level);
    let folder = temporary_folder()?;
    let serving =
        Serving::start(config(options, folder.path())?, &Mode::default(), InheritedSockets::default())?;
    serving.shared().load_plugins(|_| true)?;

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
    let averages = averages.play(serving.shared(), stream)?;
    outcome.take_averages(&averages.data, "mean");

    let outliers = Task {
        id: "demo_outliers",
        plugin: "outliers",
        edges: Edges { wants: Batch, provides: Batch },
        options: vec![text("field", &options.field), option("scale", Value::DoubleValue(SCALE))],
    };
    let outliers = outliers.play(serving.shared(), windows::cut(&points, WINDOW))?;
    outcome.take_outliers(&outliers.data);
    drop(serving);

    let svg = chart::svg(&outcome, &options.group_by, SIZE, WINDOW);
    fs::write(&options.chart, svg).with_context(|| {
        format!("{}: the chart can't be written: choose another file with --chart", options.chart.display())
    })?;
    let report = report(options, &outcome, &[averages, outliers]);
    io::stdout().write_all(report.as_bytes()).context("the report can't be written to stdout")?;
    Ok(ExitCode::SUCCESS)
}

/// A task of Kapacitor with one UDF node.
struct Task {
    id: &'static str,
    plugin: &'static str,
    edges: Edges,
    options: Vec<UdfOption>,
}

impl Task {
    fn play(self, shared: &Shared, units: Vec<Vec<RequestMessage>>) -> Result<Played> {
        let Self { id, plugin, edges, options } = self;
        match shared.plugins().get(plugin) {
            Some(Ok(_)) => {}
            Some(Err(refusal)) => bail!("plugin {refusal}"),
            None => bail!(
                "no plugin {plugin} in {}: put {plugin}.wasm there, or choose another folder with --plugins-dir",
                shared.config.plugins_dir.display()
            ),
        }
        let socket = socket_path(&shared.config, plugin);
        play::info(&socket, edges)
            .and_then(|()| play::play(&socket, id, options, units))
            .with_context(|| format!("task {id} with plugin {plugin}"))
    }
}

/// What the demo prints.
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

/// What `udf.toml` says, apart from where the sockets are and who may use them.
fn config(options: &Options, folder: &Path) -> Result<Config> {
    let mut config = match (&options.config, &options.plugins_dir) {
        (Some(path), _) => Config::from_file(path)?,
        (None, _) if Path::new(CONFIG).exists() => Config::from_file(Path::new(CONFIG))?,
        (None, Some(_)) => Config::from_text(SHIPPED, Path::new(CONFIG))?,
        (None, None) => bail!(
            "there is no {CONFIG} in this folder: choose one with --config, or only the folder of the plugins with --plugins-dir"
        ),
    };
    if let Some(dir) = &options.plugins_dir {
        config.plugins_dir.clone_from(dir);
    }
    folder.clone_into(&mut config.socket_dir);
    folder.clone_into(&mut config.state_dir);
    config.socket_group = None;
    Ok(config)
}

/// A folder for the sockets, whose paths must be short.
fn temporary_folder() -> Result<tempfile::TempDir> {
    let parent = env::temp_dir();
    let parent = if parent.as_os_str().len() > 40 { Path::new("/tmp") } else { &parent };
    tempfile::Builder::new()
        .prefix("kapacitor-wasm-")
        .tempdir_in(parent)
        .with_context(|| format!("{}: no folder can be made there: set TMPDIR", parent.display()))
}
