//! `check` and `config`: what an operator asks before Kapacitor is restarted.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use crate::config::{Config, Edges, is_identifier};
use crate::endpoint;
use crate::endpoint::socket_path;
use crate::protocol::InfoResponse;
use crate::routing::type_name;
use crate::shared::Shared;
use anyhow::Result;

use super::exit::{DONE, FAILED};
use super::settings::{Settings, looking};
use super::table::table;

/// Kapacitor ends a UDF that is silent for so long.
const TIMEOUT: &str = "10s";

/// Loads everything and prints a table of the functions, and what is wrong.
pub fn check(config: Config) -> Result<ExitCode> {
    let shared = Shared::load(config, &looking())?;
    let loaded = shared.plugins();
    let mut table = table(&["function", "plugin", "edges", "options", "snapshots"]);
    let mut problems = Vec::new();
    for function in shared.functions.values() {
        if let Err(problem) = endpoint::check(&shared.config, &function.name) {
            problems.push(format!("{problem:#}"));
        }
        let info = function.info(&loaded);
        let edges = Edges { wants: info.wants(), provides: info.provides() };
        let mut plugins: Vec<&str> = function.named_plugins().collect();
        let mut snapshots = "by plugin";
        for name in &plugins {
            match loaded.get(*name) {
                Some(Ok(plugin)) => {
                    if plugin.edges() != edges {
                        problems.push(format!(
                            "function `{}` is {edges}, and plugin `{name}` is {}: they must be the same",
                            function.name,
                            plugin.edges()
                        ));
                    }
                    problems.extend(function.check_plugin(plugin).err().map(|e| e.to_string()));
                    if !function.is_generic() {
                        snapshots = match (plugin.own_format, &plugin.memory_image) {
                            (true, _) => "own format",
                            (false, Ok(_)) => "memory",
                            (false, Err(_)) => "none",
                        };
                    }
                }
                Some(Err(_)) => {}
                None => problems.push(format!(
                    "function `{}`: there is no plugin `{name}`: put {name}.wasm into {}",
                    function.name,
                    shared.config.plugins_dir.display()
                )),
            }
        }
        if function.is_generic() {
            plugins.insert(0, "(as the TICKscript says)");
        }
        if plugins.iter().any(|name| matches!(loaded.get(*name), Some(Ok(_)))) || function.is_generic() {
            table.add_row([
                function.name.as_str(),
                &plugins.join(", "),
                &edges.to_string(),
                &options(&info),
                snapshots,
            ]);
        } else {
            table.add_row([function.name.as_str(), &plugins.join(", "), "refused", "", ""]);
        }
    }
    let mut report = format!("{table}\n");
    for (name, plugin) in loaded.iter() {
        match plugin {
            Err(refusal) => problems.push(refusal.to_string()),
            Ok(plugin) => {
                if let (false, Err(reason)) = (plugin.own_format, &plugin.memory_image) {
                    writeln!(
                        report,
                        "note: plugin `{name}` has no snapshots, a restart of Kapacitor loses its state: {reason}"
                    )?;
                }
            }
        }
        if !is_identifier(name) && !shared.functions.values().any(|f| f.named_plugins().any(|p| p == name)) {
            writeln!(
                report,
                "note: a TICKscript can't call @{name}(): rename {name}.wasm, or add a [functions.NAME] with plugin = \"{name}\""
            )?;
        }
    }
    if shared.functions.is_empty() {
        problems.push(format!("{}: no .wasm file there", shared.config.plugins_dir.display()));
    }
    problems.dedup();
    for problem in &problems {
        writeln!(report, "error: {problem}")?;
    }
    std::io::stdout().write_all(report.as_bytes())?;
    Ok(if problems.is_empty() { DONE } else { FAILED })
}

/// Prints the `[udf.functions.*]` stanza.
pub fn config(settings: &Settings, stdio: bool) -> Result<ExitCode> {
    let shared = Shared::load(settings.load()?, &looking())?;
    let mut stanza = format!(
        "# kapacitor-wasm {}: into kapacitor.conf, and restart Kapacitor.\n",
        env!("CARGO_PKG_VERSION")
    );
    for name in shared.functions.keys() {
        write!(stanza, "\n[udf.functions.{name}]\n")?;
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
            let socket = std::path::absolute(socket_path(&shared.config, name))?;
            writeln!(stanza, "socket = {:?}", socket.display().to_string())?;
        }
        writeln!(stanza, "timeout = \"{TIMEOUT}\"")?;
    }
    std::io::stdout().write_all(stanza.as_bytes())?;
    for refusal in shared.plugins().values().filter_map(|plugin| plugin.as_ref().err()) {
        eprintln!("kapacitor-wasm: {refusal}");
    }
    Ok(DONE)
}

/// `field(string) size(int)`.
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
