//! `top`: what the host that runs tells of itself, live.

use std::env;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use kapacitor_wasm_status::{Query, Sort};
use kapacitor_wasm_terminal::{TopOptions, top as show};
use tokio::runtime::Builder;

use super::exit::DONE;
use super::host_client::Place;
use super::status::{ask, sort};
use crate::units::Span;

/// Minimum interval at which the host is asked.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);

/// How the view begins. Keys change it; `?` lists them.
#[derive(Args)]
pub struct Options {
    /// Sort the tasks. Numbers begin with the largest.
    #[arg(
        long,
        value_name = "ORDER",
        default_value = "cpu",
        value_parser = PossibleValuesParser::new(Sort::ALL.map(Sort::name)).map(|name| sort(&name))
    )]
    sort: Sort,
    /// Show only tasks with this text in the name of task, node, function or plugin.
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
    /// Interval at which the host is asked, 100ms at least.
    #[arg(long, value_name = "TIME", default_value = "2s")]
    every: Span,
    #[command(flatten)]
    place: Place,
}

/// Shows the status until the user has seen enough.
pub fn top(options: &Options) -> Result<ExitCode> {
    let host = options.place.host()?;
    ensure!(options.every.0 >= LEAST_INTERVAL, "--every {} is too short: write 100ms or more", options.every);
    ensure!(
        io::stdin().is_terminal() && io::stdout().is_terminal(),
        "top needs a terminal, and stdin or stdout is none: use `kapacitor-wasm status`"
    );
    let runtime = Builder::new_current_thread().enable_all().build().context("no runtime")?;
    // What is wrong at first is said in a line, not on a screen that goes away.
    runtime.block_on(ask(&host, &Query { size: Some(1), ..Query::default() }))?;
    let view = TopOptions {
        sort: options.sort,
        filter: options.filter.clone(),
        every: options.every.0,
        colours: env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        host: host.shown(),
    };
    let asked = Box::new(move |query: &Query| {
        runtime.block_on(ask(&host, query)).map_err(|problem| format!("{problem:#}"))
    });
    show(view, asked).context("the terminal can't be used")?;
    Ok(DONE)
}
