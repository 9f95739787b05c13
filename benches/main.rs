//! `cargo bench`: what a UDF costs here, beside what it costs in Kapacitor's own agents, natively, and
//! at the least.
//!
//! Every figure is taken over real unix sockets, side by side with what it is compared with: both in
//! turn, a few rounds, and the ratio is the median of the rounds' ratios. So it holds on a machine that
//! does other things meanwhile, and is about the same on another one. Prints one table and writes one
//! chart.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use clap::Parser;

use report::Report;
use server::Host;

mod builds;
mod chart;
mod cpu;
mod guard;
mod input;
mod kapacitor;
mod latency;
mod native;
mod peers;
mod plugins;
mod report;
mod server;
mod sessions;
mod snapshots;
mod start;
mod throughput;

/// The repository.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What a UDF costs, beside other ways to run one.
#[derive(Parser)]
struct Options {
    /// Rounds; the medians are shown.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Takes so many times the points and sessions of the full bench. With less than 1 the figures are
    /// rough.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Only measurements whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Where the chart goes, `performance.svg` beside what Cargo builds if absent.
    #[arg(long, value_name = "FILE")]
    chart: Option<PathBuf>,
    /// Measures another build of the host beside this one, such as the static one of `cargo xtask dist`.
    #[arg(long, value_name = "FILE")]
    beside: Option<PathBuf>,
    /// Leaves Kapacitor's own agents out.
    #[arg(long)]
    without_agents: bool,
    /// Given by Cargo.
    #[arg(long, hide = true)]
    bench: bool,
    /// Serves as a peer: `echo`, or the name of a plugin to be run natively; then a socket.
    #[arg(long, hide = true, num_args = 2)]
    serve: Vec<PathBuf>,
    /// Starts a program for each connection to this socket, with the connection as stdin and stdout.
    #[arg(long, hide = true, requires = "program")]
    accept: Option<PathBuf>,
    /// That program.
    #[arg(last = true, hide = true)]
    program: Option<PathBuf>,
}

impl Options {
    fn scaled(&self, count: usize) -> usize {
        ((count as f64 * self.scale) as usize).max(1)
    }
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    if let [peer, socket] = &options.serve[..] {
        return native::serve(&peer.to_string_lossy(), socket).map(|()| ExitCode::SUCCESS);
    }
    if let (Some(socket), Some(program)) = (&options.accept, &options.program) {
        return server::accept(socket, program).map(|()| ExitCode::SUCCESS);
    }
    std::env::set_current_dir(ROOT)?;
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let built = Command::new(cargo).arg("plugins").status().context("cargo can't be run")?;
    ensure!(built.success(), "the plugins can't be built");

    let mut report = Report::new(options.only.clone());
    let measured = measure(&options, &mut report);
    report.print();
    report.draw(&options.chart.unwrap_or_else(|| server::target().join("performance.svg")))?;
    measured.map(|()| ExitCode::SUCCESS)
}

fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let peers = if options.without_agents { peers::none() } else { peers::find() };
    let host = Host::start()?;
    throughput::moving_avg(options, &host, &peers, report)?;
    throughput::mirror(options, &host, &peers, report)?;
    throughput::batches(options, &host, &peers, report)?;
    kapacitor::through_kapacitor(options, &peers, report)?;
    latency::round_trip(options, &host, &peers, report)?;
    latency::sustained(options, report)?;
    latency::init(options, &host, report)?;
    snapshots::snapshots(options, &host, &peers, report)?;
    sessions::busy(options, &host, report)?;
    drop(host);
    sessions::idle(options, report)?;
    start::second_start(options, report)?;
    plugins::plugins(options, report)?;
    builds::builds(options, report)?;
    Ok(())
}
