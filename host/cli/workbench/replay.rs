//! `replay`: plays a recording to a plugin.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use kapacitor_wasm_report::{Recorder, Report};

use super::flags::{InputFlags, LogLines, PluginFlags, check_outputs, print};
use super::progress_bar::Bar;
use super::watch::Watch;
use crate::cli::exit::{DONE, FAILED};
use crate::cli::tell::tell;
use crate::logging::visible;
use crate::protocol::option_value::Value;
use crate::workbench::{
    Call, CallSpec, Ledger, PluginHost, Replay, Replayed, notes, nothing_played, parse_speed, summary,
    text_of,
};

/// Maximum number of log lines that are printed.
const MAX_LINES: usize = 20;

/// What is played to which plugin, and what is made of it.
#[derive(clap::Args, Clone)]
pub struct Options {
    #[command(flatten)]
    plugin: PluginFlags,
    #[command(flatten)]
    call: CallSpec,
    #[command(flatten)]
    input: InputFlags,
    /// File for the plugin's points as line protocol, `-` for stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// File for a report for the eye, which works offline.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// File for a chart for documents.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Play by the time of the data: `real`, or faster, such as `10x` [default: as fast as possible].
    #[arg(long, value_name = "SPEED", value_parser = parse_speed)]
    speed: Option<f64>,
    /// Run again whenever the plugin, the script or the input has changed.
    #[arg(long)]
    watch: bool,
}

/// Plays the recording, and prints a summary.
pub fn replay(options: &Options) -> Result<ExitCode> {
    let log = LogLines::take();
    if !options.watch {
        return run(options, &log);
    }
    let mut files: Vec<PathBuf> = options.input.input.clone();
    if files.iter().any(|file| file == Path::new("-")) {
        bail!("--watch can't play stdin again: give a file");
    }
    files.push(options.plugin.plugin.clone());
    files.extend(options.call.tick.clone());
    let mut watch = Watch::new(files);
    loop {
        if let Err(error) = run(options, &log) {
            tell(&format!("{error:#}"));
        }
        tell("waiting for a change of the plugin or the input, Ctrl-C ends");
        watch.wait();
    }
}

fn run(options: &Options, log: &LogLines) -> Result<ExitCode> {
    let call = options.call.read()?;
    options.input.check()?;
    let mut read: Vec<&Path> = options.input.input.iter().map(PathBuf::as_path).collect();
    read.push(&options.plugin.plugin);
    read.extend(options.call.tick.as_deref());
    let outputs = [("--output", &options.output), ("--html", &options.html), ("--svg", &options.svg)];
    check_outputs(&outputs.map(|(flag, file)| (flag, file.as_deref())), &read)?;
    let makes_report = options.html.is_some() || options.svg.is_some();
    let ledger = Arc::new(if makes_report {
        Ledger::with_recorder(Recorder::new(texts(&call)))
    } else {
        Ledger::default()
    });
    log.set(&ledger);
    let host =
        PluginHost::start(options.plugin.config.host(&options.plugin.plugin, call.function.as_deref())?)?;
    let replay = Replay {
        inputs: &options.input.input,
        options: &options.input.options(),
        call: &call,
        speed: options.speed,
        one_by_one: makes_report,
    };
    let mut bar = Bar::new();
    let replayed = replay.run(&host, &ledger, output(options)?, |progress| bar.show(progress));
    bar.clear();
    let replayed = replayed?;
    if let Some(problem) = nothing_played(&replayed, &call) {
        bail!("{problem}");
    }
    write_reports(options, &replayed, &host, &call)?;
    print_summary(options, &replayed, &host, &call)?;
    match &replayed.error {
        None if replayed.entries.failed_at_end.is_some() => Ok(FAILED),
        None => Ok(DONE),
        Some(error) => {
            tell(&format!("the task has ended: {error}"));
            Ok(FAILED)
        }
    }
}

/// The texts of the call, which may be names of fields.
fn texts(call: &Call) -> Vec<String> {
    let values = call.options.iter().flat_map(|option| &option.values);
    let texts = values.filter_map(|value| match &value.value {
        Some(Value::StringValue(text)) => Some(text.clone()),
        _ => None,
    });
    texts.collect()
}

fn output(options: &Options) -> Result<Option<Box<dyn Write + Send>>> {
    Ok(match &options.output {
        None => None,
        Some(file) if file == Path::new("-") => Some(Box::new(io::stdout())),
        Some(file) => Some(Box::new(create(file, "--output")?)),
    })
}

fn create(file: &Path, flag: &str) -> Result<File> {
    File::create(file)
        .with_context(|| format!("{}: can't be written, choose another file with {flag}", file.display()))
}

fn write_reports(options: &Options, replayed: &Replayed, host: &PluginHost, call: &Call) -> Result<()> {
    let Some(recorder) = &replayed.entries.recorder else { return Ok(()) };
    let name = |file: &PathBuf| file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
    let inputs: Vec<_> = options.input.input.iter().map(name).collect();
    let mut rows = summary(replayed, host, call);
    // The report has the plugin and the call in its heading.
    rows.retain(|(what, _)| what != "call");
    rows.extend(notes(replayed, host, call).into_iter().map(|note| ("note".to_owned(), note)));
    let title = format!("{} on {}", host.plugin().name, inputs.join(", "));
    let report = Report { title, call: call.shown.clone(), summary: rows };
    let write = |file: &Path, flag, write: &dyn Fn(&mut BufWriter<File>) -> io::Result<()>| {
        let mut out = BufWriter::new(create(file, flag)?);
        write(&mut out)
            .and_then(|()| out.flush())
            .with_context(|| format!("{}: can't be written", file.display()))
    };
    if let Some(file) = &options.html {
        write(file, "--html", &|out| report.write_html(recorder, out))?;
    }
    if let Some(file) = &options.svg {
        write(file, "--svg", &|out| report.write_svg(recorder, out))?;
    }
    Ok(())
}

/// To stderr if points are on stdout.
fn print_summary(options: &Options, replayed: &Replayed, host: &PluginHost, call: &Call) -> Result<()> {
    let mut text = String::new();
    for (what, value) in summary(replayed, host, call) {
        text.push_str(&format!("{what:<28} {value}\n"));
    }
    for note in notes(replayed, host, call) {
        text.push_str(&format!("note: {note}\n"));
    }
    let lines = &replayed.entries.lines;
    for line in lines.iter().take(MAX_LINES) {
        text.push_str(&format!("log: {}\n", text_of(line)));
    }
    let more = replayed.entries.lines_in_all.saturating_sub(MAX_LINES as u64);
    if more > 0 {
        text.push_str(&format!("log: {more} more lines; --html shows more of them\n"));
    }
    for (file, what) in [(&options.html, "report"), (&options.svg, "chart")] {
        if let Some(file) = file {
            text.push_str(&format!("{what}: {}\n", file.display()));
        }
    }
    if options.output.as_deref() == Some(Path::new("-")) {
        // Nobody may be reading.
        let _ = io::stderr().write_all(visible(&text).as_bytes());
        return Ok(());
    }
    print(&text)
}
