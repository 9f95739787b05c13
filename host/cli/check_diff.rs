//! `check --diff`: what a reload of the running host would change.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;

use super::exit::{DONE, reload_changes, restart_changes};
use super::settings::Settings;
use super::table::table;
use crate::config::{Applies, Change, Config};
use crate::doctor::as_reloaded;
use crate::endpoint;
use crate::logging::{on_one_line, visible};
use crate::plugin;
use crate::regular_file;
use crate::routing::Function;
use crate::state::{Checkpoints, FunctionOrigin, Retention, RunningHost, Snapshot};

/// Maximum number of tasks that are named.
const MOST_TASKS: usize = 20;

/// What `check` compares.
#[derive(Args)]
pub struct Options {
    /// Compare the file with what the running host has in force: what would a reload change? Exit code 0 says
    /// nothing, 3 something, and 4 something that needs a restart of the host.
    #[arg(long)]
    pub diff: bool,
    /// State folder of the running host, where the file names another one now.
    #[arg(long, value_name = "DIR", requires = "diff")]
    running_state_dir: Option<PathBuf>,
}

/// Prints each key that differs, the functions that come and go, and the tasks that would start with other values.
pub fn check_diff(options: &Options, settings: &Settings) -> Result<ExitCode> {
    let flags = [
        ("--plugins-dir", settings.plugins_dir.is_some()),
        ("--socket-dir", settings.socket_dir.is_some()),
        ("--log-level", settings.log_level.is_some()),
    ];
    if let Some((flag, _)) = flags.iter().find(|(_, given)| *given) {
        bail!("leave out {flag}: with --diff, the flags that the running host was started with hold");
    }
    let host = running_host(options, &Config::from_file(&settings.config)?)?;
    let config = as_reloaded(&host, &settings.config)?;
    endpoint::check_group(&config)?;
    let changes = config.changes_since(host.settings.clone());
    let functions = Functions::compare(&host, &config)?;

    let mut report = format!(
        "running host: process {}, version {} (build {}), {}\n",
        host.process,
        host.version,
        host.build,
        place(&host).display()
    );
    if host.build != env!("BUILD") {
        let own = env!("BUILD");
        writeln!(
            report,
            "note: this program is build {own}, so keys that only one of them knows differ, too"
        )?;
    }
    if changes.is_empty() && functions.are_equal() {
        report.push_str("A reload would change nothing.\n");
    }
    if !changes.is_empty() {
        writeln!(report, "\n{}", of_changes(&changes))?;
    }
    functions.say(&mut report)?;
    say_tasks(&tasks(&host, &config, &changes)?, &mut report)?;
    std::io::stdout().write_all(visible(&report).as_bytes())?;
    Ok(if changes.iter().any(|change| change.applies == Applies::AfterRestart) {
        restart_changes()
    } else if changes.is_empty() && functions.are_equal() {
        DONE
    } else {
        reload_changes()
    })
}

/// The host that runs with a state folder.
fn running_host(options: &Options, config: &Config) -> Result<RunningHost> {
    let folder = options.running_state_dir.as_ref().unwrap_or(&config.state_dir);
    let shown = folder.display();
    let host = RunningHost::read(folder).map_err(|e| anyhow!("{}", RunningHost::why_unread(folder, &e)))?;
    host.filter(RunningHost::is_alive).with_context(|| {
        format!(
            "{shown}: no running host uses this state folder: start one with `kapacitor-wasm serve`, or name its folder with --running-state-dir if the file has another one now"
        )
    })
}

/// The path of the host's own `udf.toml`.
fn place(host: &RunningHost) -> PathBuf {
    host.folder.join(&host.flags.config)
}

/// The keys that differ, as a table.
fn of_changes(changes: &[Change]) -> String {
    let mut table = table(&["key", "running", "file", "applies"]);
    let value = |value: Option<&str>| value.map_or("(not set)".to_owned(), on_one_line);
    table.add_rows(changes.iter().map(|change| {
        let applies = match change.applies {
            Applies::AtOnce => "at once",
            Applies::ToNewTasks => "to tasks that start from then on",
            Applies::AfterRestart => "after a restart of the host, and of Kapacitor after it",
        };
        [
            on_one_line(&change.key),
            value(change.before.as_deref()),
            value(change.now.as_deref()),
            applies.to_owned(),
        ]
    }));
    table.to_string()
}

/// The functions that come and go.
struct Functions {
    come: Vec<String>,
    /// Those that were taken out before, and are served again.
    back: Vec<String>,
    go: Vec<String>,
}

impl Functions {
    /// What a reload with `config` makes of the functions of `host`. A new plugins folder holds after a restart only.
    fn compare(host: &RunningHost, config: &Config) -> Result<Self> {
        let folder = host.settings.get("plugins-dir").map_or(config.plugins_dir.clone(), PathBuf::from);
        let plugins = plugin::list(&host.folder.join(folder))?.plugins;
        let now = Function::all(config, plugins.keys())?;
        let now: BTreeMap<&str, &Function> =
            now.iter().map(|function| (function.name.as_str(), function)).collect();
        let of = |keep: &dyn Fn(Option<FunctionOrigin>) -> bool| -> Vec<String> {
            let names = now.keys().filter(|name| keep(host.functions.get(**name).copied()));
            names.map(|name| (*name).to_owned()).collect()
        };
        // A function of a plugin file stays, whatever becomes of the file.
        let gone = host
            .functions
            .iter()
            .filter(|(name, origin)| **origin == FunctionOrigin::UdfToml && !now.contains_key(name.as_str()));
        Ok(Self {
            come: of(&|before| before.is_none()),
            back: of(&|before| before == Some(FunctionOrigin::Removed)),
            go: gone.map(|(name, _)| name.clone()).collect(),
        })
    }

    fn are_equal(&self) -> bool {
        self.come.is_empty() && self.back.is_empty() && self.go.is_empty()
    }

    fn say(&self, report: &mut String) -> std::fmt::Result {
        for (names, what) in [
            (
                &self.come,
                "comes: it gets a socket; add it to kapacitor.conf (`kapacitor-wasm config` prints the lines), and restart Kapacitor",
            ),
            (&self.back, "comes back: it takes tasks again"),
            (
                &self.go,
                "goes: its running tasks go on, and new ones are refused; take it out of kapacitor.conf before the host is restarted",
            ),
        ] {
            for name in names {
                writeln!(report, "function `{name}` {what}")?;
            }
        }
        Ok(())
    }
}

/// The tasks with a stored state that would start with other values, as `TASK/NODE`.
fn tasks(host: &RunningHost, config: &Config, changes: &[Change]) -> Result<Vec<String>> {
    let now = config.settings();
    let touched =
        |function: &str| changes.iter().any(|change| touches(change, function, &host.settings, &now));
    let state_dir = host.settings.get("state-dir").map_or(config.state_dir.clone(), PathBuf::from);
    let retention = Retention { keep: config.state.keep, set_aside: config.state.set_aside };
    let checkpoints = Checkpoints::new(&host.folder.join(state_dir), false, retention, Arc::default());
    let files = checkpoints.files().context("checkpoints can't be read: run this as the user of the host")?;
    let headers = files.iter().filter_map(|file| Snapshot::peek(regular_file::open(file).ok()?).ok());
    let touched = headers.filter(|header| touched(&header.function));
    Ok(touched.map(|header| format!("{}/{}", header.task, header.node)).collect())
}

/// Whether `change` makes a difference to the tasks of a function that start from then on.
fn touches(
    change: &Change,
    function: &str,
    before: &BTreeMap<String, String>,
    now: &BTreeMap<String, String>,
) -> bool {
    if change.applies != Applies::ToNewTasks {
        return false;
    }
    let own = format!("functions.{function}");
    if change.key.starts_with("functions.") {
        return change.key == own || change.key.starts_with(&format!("{own}."));
    }
    // What a function sets itself wins over [limits] and [policy].
    let overridden = format!("{own}.{}", change.key);
    !(before.contains_key(&overridden) && now.contains_key(&overridden))
}

fn say_tasks(tasks: &[String], report: &mut String) -> std::fmt::Result {
    if tasks.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = tasks.iter().take(MOST_TASKS).map(|task| on_one_line(task)).collect();
    let more = tasks.len() - named.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    writeln!(
        report,
        "tasks with a stored state that get new values when they are disabled and enabled: {}{more}",
        named.join(", ")
    )
}
