//! `status`: what the host that runs tells of itself, once.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use globset::{Glob, GlobMatcher};
use kapacitor_wasm_status::{MOST_TASKS, Query, Sort, Status, Task};
use kapacitor_wasm_terminal::report;
use tokio::runtime::Builder;

use super::exit::DONE;
use super::host_client::{HostClient, Place};
use super::tell::tell;
use crate::logging::visible;

/// What to show.
#[derive(Args)]
pub struct Options {
    /// Show only the tasks whose id fits this pattern, such as `cpu_*`.
    #[arg(value_name = "TASK")]
    task: Option<String>,
    #[command(flatten)]
    order: Order,
    /// Print what the host answers, as JSON; with TASK, without the tasks that do not fit.
    #[arg(long)]
    json: bool,
    /// Only say whether the host is ready: all plugins were tried, and each function has its plugin and its socket. Ends with 1 and
    /// the reasons if it is not, as a health check wants it.
    #[arg(long, conflicts_with_all = ["task", "json", "sort", "reverse"])]
    ready: bool,
    #[command(flatten)]
    place: Place,
}

/// In which order tasks are shown.
#[derive(Args, Clone, Copy)]
pub struct Order {
    /// Sort the tasks. Numbers begin with the largest.
    #[arg(
        long,
        value_name = "ORDER",
        default_value = "task",
        value_parser = PossibleValuesParser::new(Sort::ALL.map(Sort::name)).map(|name| sort(&name))
    )]
    pub sort: Sort,
    /// Sort the other way round.
    #[arg(long)]
    pub reverse: bool,
}

/// The order of this name.
pub fn sort(name: &str) -> Sort {
    Sort::ALL.into_iter().find(|sort| sort.name() == name).unwrap_or_default()
}

/// Path of the answer.
const PATH: &str = "/status.json";

/// What the host answers to `query`.
///
/// # Errors
///
/// When it can't be asked, or what it answers is no status.
pub async fn ask(host: &HostClient, query: &Query) -> Result<Status> {
    parse(host, &text(host, query).await?)
}

async fn text(host: &HostClient, query: &Query) -> Result<String> {
    host.text(&format!("{PATH}?{}", query.to_text())).await
}

fn parse(host: &HostClient, text: &str) -> Result<Status> {
    serde_json::from_str(text).with_context(|| {
        format!(
            "{}: the answer is not understood: is the host of another version than this program?",
            host.shown()
        )
    })
}

/// Prints the status.
pub fn status(options: &Options) -> Result<ExitCode> {
    let host = options.place.host()?;
    let pattern = options.task.as_deref().map(pattern).transpose()?;
    let Order { sort, reverse } = options.order;
    let query = Query { sort, reversed: reverse, size: Some(MOST_TASKS), ..Query::default() };
    let runtime = Builder::new_current_thread().enable_all().build().context("no runtime")?;
    if options.ready {
        let reasons = runtime.block_on(host.not_ready())?;
        ensure!(reasons.is_empty(), "{}: the host is not ready: {}", host.shown(), reasons.join("; "));
        println!("ready");
        return Ok(DONE);
    }
    let answer = runtime.block_on(text(&host, &query))?;
    let status = parse(&host, &answer)?;
    let fits = |name: &str| pattern.as_ref().is_none_or(|pattern| pattern.is_match(name));
    let shown = if options.json {
        json(&answer, fits)?
    } else {
        let tasks: Vec<&Task> = status.tasks.iter().filter(|task| fits(&task.task)).collect();
        report(&status, &tasks)
    };
    if status.tasks_matching > status.tasks.len() as u64 {
        let (shown, all) = (status.tasks.len(), status.tasks_matching);
        tell(&format!("the host tells of {shown} of its {all} tasks"));
    }
    // In JSON, what stands for a character that a terminal obeys is the escape of that character. Whoever reads may
    // have had enough.
    let _ = std::io::stdout().write_all(visible(&shown).as_bytes());
    Ok(DONE)
}

fn pattern(text: &str) -> Result<GlobMatcher> {
    let glob = Glob::new(text).with_context(|| format!("`{text}` is no pattern: `*` stands for any text"))?;
    Ok(glob.compile_matcher())
}

/// The answer with the tasks that fit, and nothing else changed.
fn json(answer: &str, fits: impl Fn(&str) -> bool) -> Result<String> {
    let mut answer: serde_json::Value = serde_json::from_str(answer)?;
    if let Some(tasks) = answer.get_mut("tasks").and_then(serde_json::Value::as_array_mut) {
        tasks.retain(|task| task.get("task").and_then(serde_json::Value::as_str).is_none_or(&fits));
    }
    Ok(serde_json::to_string_pretty(&answer)? + "\n")
}
