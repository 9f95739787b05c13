//! `check` and `config`: what an operator asks before Kapacitor is restarted.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use crate::config::{Config, Edges, ListenAddress, is_identifier};
use crate::doctor::{problems_of_functions, problems_of_sockets};
use crate::endpoint;
use crate::endpoint::{User, socket_path};
use crate::folder::check_writable;
use crate::logging::visible;
use crate::plugin::{Plugin, Plugins};
use crate::protocol::InfoResponse;
use crate::routing::{Function, type_name};
use crate::shared::Shared;
use anyhow::Result;

use super::exit::{DONE, FAILED};
use super::settings::{Settings, looking};
use super::table::table;
use super::tell::tell;

/// Time without an answer after which Kapacitor ends a UDF.
const TIMEOUT: &str = "10s";

/// Loads everything and prints a table of the functions, then notes, then all problems.
pub fn check(config: Config) -> Result<ExitCode> {
    let shared = Shared::load(config, &looking())?;
    let plugins = shared.plugins();
    let mut table = table(&["function", "plugin", "edges", "options", "snapshots"]);
    table.add_rows(shared.functions().values().map(|function| function_row(function, &plugins)));
    let mut report = format!("{table}\n");
    for note in shared.library().others()?.into_iter().chain(notes(&shared, &plugins)) {
        writeln!(report, "note: {note}")?;
    }
    let problems = problems(&shared, &plugins);
    for problem in &problems {
        writeln!(report, "error: {problem}")?;
    }
    std::io::stdout().write_all(visible(&report).as_bytes())?;
    Ok(if problems.is_empty() { DONE } else { FAILED })
}

/// A row of the table: name, plugins, edges, options and snapshots of a function.
fn function_row(function: &Function, plugins: &Plugins) -> [String; 5] {
    let mut names: Vec<&str> = function.named_plugins().collect();
    let snapshots = names.iter().rev().find_map(|name| Some(snapshots(plugins.get(*name)?.as_ref().ok()?)));
    let snapshots = if function.is_generic() {
        names.insert(0, "(as the TICKscript says)");
        Some("by plugin")
    } else {
        snapshots
    };
    let (name, names) = (function.name.clone(), names.join(", "));
    match snapshots {
        Some(snapshots) => {
            let info = function.info(plugins);
            [name, names, edges(&info).to_string(), options(&info), snapshots.to_owned()]
        }
        None => [name, names, "refused".to_owned(), String::new(), String::new()],
    }
}

/// How the state of a plugin gets into a snapshot.
fn snapshots(plugin: &Plugin) -> &'static str {
    match (plugin.own_format, &plugin.memory_image) {
        (true, _) => "own format",
        (false, Ok(_)) => "memory",
        (false, Err(_)) => "none",
    }
}

/// Properties of plugins that are allowed, and that an operator may not expect.
fn notes(shared: &Shared, plugins: &Plugins) -> Vec<String> {
    let mut notes = Vec::new();
    let (config, functions) = (shared.config(), shared.functions());
    let served = functions.keys().filter(|name| endpoint::is_served(&config, name)).count();
    if served > 0 {
        notes.push(format!(
            "a running host serves {served} of the sockets in {}: another `serve` would not get them",
            config.socket_dir.display()
        ));
    }
    if let Some(user) = User::kapacitor() {
        let by = functions.keys().filter_map(|name| user.kept_out_by(&socket_path(&config, name)));
        notes.extend(by.collect::<BTreeSet<_>>().into_iter().map(|path| {
            format!(
                "user `kapacitor` can't connect to sockets through {}: see socket-group and socket-mode",
                path.display()
            )
        }));
    }
    notes.extend(config.http.listen.iter().filter_map(ListenAddress::exposed));
    for (name, plugin) in plugins {
        if let Ok(plugin) = plugin
            && let (false, Err(reason)) = (plugin.own_format, &plugin.memory_image)
        {
            notes.push(format!(
                "plugin `{name}` has no snapshots, a restart of Kapacitor loses its state: {reason}"
            ));
        }
        if plugin.is_ok()
            && !is_identifier(name)
            && !shared.functions().values().any(|f| f.named_plugins().any(|p| p == name))
        {
            notes.push(format!(
                "a TICKscript can't call @{name}(): rename {name}.wasm, or add a [functions.NAME] with plugin = \"{name}\""
            ));
        }
    }
    notes
}

/// Everything that keeps a function or a plugin from working.
fn problems(shared: &Shared, plugins: &Plugins) -> Vec<String> {
    let mut problems = Vec::new();
    let config = shared.config();
    problems.extend(check_writable(&config.state_dir).err().map(|e| format!("state-dir: {e}")));
    problems.extend(endpoint::check_folder(&config).err().map(|e| format!("{e:#}")));
    problems.extend(endpoint::check_group(&config).err().map(|e| format!("{e:#}")));
    problems.extend(problems_of_sockets(shared));
    problems.extend(problems_of_functions(shared, plugins));
    problems
}

/// What `config` says of the sockets: where there is more to choose.
const ABOUT_SOCKETS: &str = "\
# One process serves all tasks at these sockets. For a few very busy tasks, a process of each task passes more points
# with less CPU time: see `config --stdio`, and docs/operators.md for the figures.";

/// What `config --stdio` says of the processes.
const ABOUT_STDIO: &str = "\
# Kapacitor starts a process for each task. One process for all tasks takes less memory: see `config` without --stdio,
# and docs/operators.md for the figures.";

/// Prints the `[udf.functions.*]` stanza.
pub fn config(settings: &Settings, stdio: bool) -> Result<ExitCode> {
    let shared = Shared::load(settings.load()?, &looking())?;
    let mut stanza = format!(
        "# kapacitor-wasm {}: into kapacitor.conf, and restart Kapacitor.\n",
        env!("CARGO_PKG_VERSION")
    );
    writeln!(stanza, "{}", if stdio { ABOUT_STDIO } else { ABOUT_SOCKETS })?;
    let plugins = shared.plugins();
    for (name, function) in shared.functions().iter() {
        if !stdio && let Err(e) = endpoint::check(&shared.config(), name) {
            write!(stanza, "\n# Function `{name}` has no socket: {e:#}\n")?;
            continue;
        }
        writeln!(stanza)?;
        if !function.is_served(&plugins) {
            let plugin = function.named_plugins().next().unwrap_or(name);
            let reason = match plugins.get(plugin) {
                Some(Err(refusal)) => refusal.to_string(),
                _ => format!("there is no plugin `{plugin}`"),
            };
            writeln!(stanza, "# Tasks of this function can't start: {}", reason.replace('\n', " "))?;
        }
        writeln!(stanza, "[udf.functions.{name}]")?;
        if stdio {
            let program = std::env::current_exe()?;
            let config = std::path::absolute(&settings.config)?;
            let mut args =
                vec!["stdio".to_owned(), name.clone(), "--config".to_owned(), config.display().to_string()];
            if let Some(dir) = &settings.plugins_dir {
                args.extend(["--plugins-dir".to_owned(), std::path::absolute(dir)?.display().to_string()]);
            }
            let args: Vec<String> = args.iter().map(|arg| format!("{arg:?}")).collect();
            writeln!(stanza, "prog = {:?}\nargs = [{}]", program.display().to_string(), args.join(", "))?;
        } else {
            let socket = std::path::absolute(socket_path(&shared.config(), name))?;
            writeln!(stanza, "socket = {:?}", socket.display().to_string())?;
        }
        writeln!(stanza, "timeout = \"{TIMEOUT}\"")?;
    }
    std::io::stdout().write_all(stanza.as_bytes())?;
    for refusal in shared.plugins().values().filter_map(|plugin| plugin.as_ref().err()) {
        tell(&refusal.to_string());
    }
    Ok(DONE)
}

/// The edges that Kapacitor is told.
fn edges(info: &InfoResponse) -> Edges {
    Edges { wants: info.wants(), provides: info.provides() }
}

/// The options that Kapacitor is told, as `field(string) size(int)`.
fn options(info: &InfoResponse) -> String {
    let options: Vec<String> = info
        .options
        .iter()
        .map(|(name, option)| {
            let types: Vec<_> = option.value_types().map(type_name).collect();
            format!("{name}({})", types.join(", "))
        })
        .collect();
    options.join(" ")
}
