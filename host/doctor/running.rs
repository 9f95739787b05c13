//! The host itself: whether it runs, and what it says of its last reload.

use std::path::Path;

use clap::ValueEnum as _;

use super::finding::{Finding, Findings};
use super::site::Site;
use crate::config::{Config, ConfigError, LogLevel};
use crate::endpoint;
use crate::state::RunningHost;

pub(super) fn check(site: &Site) -> Vec<Finding> {
    let mut findings = Findings::of("running-host");
    let config = site.shared.config();
    let functions = site.shared.functions();
    let unserved: Vec<&str> =
        functions.keys().filter(|name| !endpoint::is_served(&config, name)).map(String::as_str).collect();
    let Some(host) = &site.running else {
        let folder = config.state_dir.display();
        if let Some(e) = &site.running_unread {
            let why = RunningHost::why_unread(&config.state_dir, e);
            if site.is_outsider() {
                findings.skip(why);
            } else {
                findings.plain_problem(why);
            }
        } else if unserved.len() < functions.len() {
            findings.warn(
                format!("something serves sockets in {}, and no host describes itself in {folder}", config.socket_dir.display()),
                "it may be a host of an earlier version, of another container or with another state-dir: restart it with this udf.toml, or run this where it runs",
            );
        } else {
            findings.problem(
                format!("no host runs with state folder {folder}"),
                "start it (`systemctl start kapacitor-wasm`), and Kapacitor after it; if it does not stay, `journalctl -u kapacitor-wasm` has the reason in its last line",
            );
        }
        return findings.list();
    };
    if let Some(refusal) = &host.refusal {
        findings.problem(
            format!("process {} refused its last reload: {refusal}", host.process),
            "correct udf.toml, ask `kapacitor-wasm check --diff`, and reload",
        );
    }
    for name in unserved {
        findings.problem(
            format!(
                "function `{name}` has no socket, or nobody answers at {}",
                endpoint::socket_path(&config, name).display()
            ),
            "reload the host if the function is new; otherwise its log says why it has no socket",
        );
    }
    let changes = as_reloaded(host, &site.options.config).map(|new| new.changes_since(host.settings.clone()));
    let count = changes.unwrap_or_default().len();
    if count > 0
        && host.folder.join(&host.flags.config)
            == std::path::absolute(&site.options.config).unwrap_or_default()
    {
        findings.warn(
            format!("the running host does not have all of udf.toml in force: {count} of its keys differ"),
            "see `kapacitor-wasm check --diff`, and reload or restart the host",
        );
    }
    findings.ok_if_none(format!("process {} serves all {} functions", host.process, functions.len()));
    findings.list()
}

/// The configuration that the host would have after a reload, if `file` were its `udf.toml`.
///
/// # Errors
///
/// When the file can't be read or has a mistake.
pub fn as_reloaded(host: &RunningHost, file: &Path) -> Result<Config, ConfigError> {
    let flags = &host.flags;
    let mut config = Config::from_file_as(file, &flags.config)?;
    if let Some(dir) = &flags.plugins_dir {
        config.plugins_dir.clone_from(dir);
    }
    if let Some(dir) = &flags.socket_dir {
        config.socket_dir.clone_from(dir);
    }
    if let Some(level) = flags.log_level.as_deref().and_then(|level| LogLevel::from_str(level, false).ok()) {
        config.log_level = level;
    }
    Ok(config)
}
