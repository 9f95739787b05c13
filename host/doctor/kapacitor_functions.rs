//! The functions in kapacitor.conf against those of the host.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kapacitor_wasm_tickscript::parse_duration;

use super::finding::{Finding, Findings};
use super::kapacitor_conf::{ConfError, ConfFunction};
use super::site::Site;
use crate::endpoint::{Need, Reach, socket_path};

/// Minimum timeout that leaves a busy machine time to answer.
const SHORT: Duration = Duration::from_secs(1);

/// Kapacitor refuses a timeout that is not longer.
const TOO_SHORT: Duration = Duration::from_millis(1);

pub(super) fn check(site: &Site) -> Vec<Finding> {
    let mut findings = Findings::of("kapacitor-conf");
    let shown = site.options.kapacitor_conf.display();
    let conf = match &site.kapacitor_conf {
        Ok(conf) => conf,
        Err(ConfError::Unread(why)) => {
            findings.skip(why.clone());
            return findings.list();
        }
        Err(ConfError::Wrong(why)) => {
            findings.problem(why.clone(), "correct it: Kapacitor starts only with a file that is right");
            return findings.list();
        }
    };
    let Some(functions) = &conf.functions else {
        findings.problem(
            format!("{shown} has no [udf.functions.NAME]"),
            "add what `kapacitor-wasm config` prints, and restart Kapacitor",
        );
        return findings.list();
    };
    for (name, function) in functions {
        check_function(site, name, function, &mut findings);
    }
    let names = names_in_kapacitor(site);
    for own in site.shared.functions().keys() {
        // What is wrong with one that is there was said above.
        if !functions.contains_key(own) && !names.values().any(|function| function == own) {
            findings.warn(
                format!("function `{own}` is not in {shown}, so no TICKscript can call it"),
                "add the lines that `kapacitor-wasm config` prints, and restart Kapacitor; or ignore this, if no task needs it",
            );
        }
    }
    overrides(site, &mut findings);
    findings.ok_if_none(format!("all functions are in {shown}, with the right sockets"));
    findings.list()
}

/// The functions of the host, by the names that Kapacitor has for them. Without a kapacitor.conf the names are the same.
pub(super) fn names_in_kapacitor(site: &Site) -> BTreeMap<String, String> {
    let own = site.shared.functions();
    let conf = site.kapacitor_conf.as_ref().ok().and_then(|conf| conf.functions.as_ref());
    let Some(conf) = conf else {
        return own.keys().map(|name| (name.clone(), name.clone())).collect();
    };
    let names = conf.iter().filter_map(|(name, function)| {
        let own = match (&function.socket, stdio_function(function)) {
            (Some(socket), _) => of_socket(site, socket)?,
            (None, Some(function)) => own.contains_key(function).then(|| function.to_owned())?,
            (None, None) => return None,
        };
        Some((name.clone(), own))
    });
    names.collect()
}

/// The function whose socket is at `path`.
fn of_socket(site: &Site, path: &Path) -> Option<String> {
    let (config, functions) = (site.shared.config(), site.shared.functions());
    let same = |name: &String| {
        let own = socket_path(&config, name);
        std::path::absolute(&own).is_ok_and(|own| own == path)
            || std::fs::canonicalize(&own)
                .is_ok_and(|own| std::fs::canonicalize(path).is_ok_and(|path| own == path))
    };
    functions.keys().find(|name| same(name)).cloned()
}

/// The function that `kapacitor-wasm stdio FUNCTION` serves, if that is the program.
fn stdio_function(function: &ConfFunction) -> Option<&str> {
    let program = function.prog.as_ref()?.file_name()?.to_str()?;
    let at = function.args.iter().position(|arg| arg == "stdio")?;
    // The file may have another name, as of a wrapper; then its first argument tells.
    let is_own = at == 0 || program.starts_with("kapacitor-wasm");
    is_own.then(|| function.args.get(at + 1).map(String::as_str))?
}

fn check_function(site: &Site, name: &str, function: &ConfFunction, findings: &mut Findings) {
    let shown = format!("[udf.functions.{name}] of {}", site.options.kapacitor_conf.display());
    match (&function.socket, &function.prog) {
        (Some(_), Some(_)) => findings.problem(
            format!("{shown} has both `socket` and `prog`, and Kapacitor does not start"),
            "keep `socket` for `kapacitor-wasm serve`, or `prog` and `args` for a process of each task",
        ),
        (None, None) => findings.problem(
            format!("{shown} has neither `socket` nor `prog`"),
            "add the lines that `kapacitor-wasm config` prints",
        ),
        (Some(socket), None) => check_socket(site, name, socket, &shown, findings),
        (None, Some(program)) => check_program(site, program, function, &shown, findings),
    }
    let timeout = function.timeout.as_deref().map(parse_duration);
    match timeout {
        None => findings.problem(
            format!("{shown} has no `timeout`, and Kapacitor does not start"),
            "add timeout = \"10s\"",
        ),
        Some(Ok(timeout)) => {
            let timeout = Duration::from_nanos(timeout.unsigned_abs());
            if timeout <= TOO_SHORT {
                findings.problem(
                    format!("{shown}: timeout = {timeout:?} is too short, and Kapacitor does not start"),
                    "write timeout = \"10s\"",
                );
            } else if timeout < SHORT {
                findings.warn(
                    format!("{shown}: Kapacitor ends its tasks when it has no answer for {timeout:?}"),
                    "write timeout = \"10s\": on a busy machine an answer may take longer",
                );
            }
        }
        Some(Err(_)) => findings.warn(
            format!(
                "{shown}: timeout = {:?} is no time that is understood here",
                function.timeout.as_deref().unwrap_or_default()
            ),
            "write timeout = \"10s\"",
        ),
    }
}

fn check_socket(site: &Site, name: &str, socket: &Path, shown: &str, findings: &mut Findings) {
    if of_socket(site, socket).is_some() {
        return;
    }
    let config = site.shared.config();
    let (own, path) = (socket_path(&config, name), socket.display());
    if site.shared.functions().contains_key(name) {
        findings.problem(
            format!("{shown}: socket = {path}, and the host serves `{name}` at {}", own.display()),
            "let both be the same: correct `socket` in kapacitor.conf, or socket-dir in udf.toml; then restart Kapacitor",
        );
    } else if socket.parent().is_some_and(|folder| folder == own.parent().unwrap_or(Path::new(""))) {
        findings.problem(
            format!("{shown}: no function of the host has the socket {path}, so Kapacitor waits for it when it starts"),
            "put its plugin back, add it to udf.toml, or take the function out of kapacitor.conf",
        );
    } else if !socket.exists() {
        findings.warn(
            format!("{shown}: {path} is no socket of this host, and is not there, so Kapacitor waits for it when it starts"),
            "start what serves it, or take the function out of kapacitor.conf",
        );
    }
}

/// A process for each task: Kapacitor's user starts it, and it needs what the host needs.
fn check_program(site: &Site, program: &Path, function: &ConfFunction, shown: &str, findings: &mut Findings) {
    let Some(served) = stdio_function(function) else { return };
    if !site.shared.functions().contains_key(served) {
        findings.problem(
            format!("{shown} starts `kapacitor-wasm stdio {served}`, and there is no function `{served}`"),
            "put its plugin back, add it to udf.toml, or take the function out of kapacitor.conf",
        );
    }
    let Ok(user) = &site.kapacitor_user else { return };
    let flag = |name: &str| {
        let at = function.args.iter().position(|arg| arg == name)?;
        function.args.get(at + 1).map(PathBuf::from)
    };
    let config = flag("--config").or_else(|| flag("-c"));
    let state_dir = &site.shared.config().state_dir;
    let needs = [
        (Some(program), Need::SEARCH, "start"),
        (config.as_deref(), Need::READ, "read"),
        (Some(state_dir.as_path()), Need::MAKE_FILES, "make files in"),
    ];
    for (path, need, verb) in needs {
        let Some(path) = path else { continue };
        match user.reach(path, need) {
            Reach::KeptOut(by) => findings.problem(
                format!(
                    "{shown}: Kapacitor's user `{}` can't {verb} {}: {} keeps it out",
                    user.name(),
                    path.display(),
                    by.display()
                ),
                "Kapacitor starts the process itself: give its user this right, or use a socket",
            ),
            Reach::Missing(_) if verb != "make files in" => findings.problem(
                format!("{shown}: Kapacitor can't {verb} {}: it is not there", path.display()),
                "correct the path in kapacitor.conf, and restart Kapacitor",
            ),
            _ => {}
        }
    }
}

/// Variables that override what kapacitor.conf says, where they matter here.
fn overrides(site: &Site, findings: &mut Findings) {
    let Some(process) = &site.kapacitord else { return };
    let Some(variables) = process.environment() else {
        findings.skip(format!(
            "the environment of kapacitord (process {}) can't be read by this user: variables KAPACITOR_* override kapacitor.conf",
            process.process
        ));
        return;
    };
    let udf = variables.iter().filter(|(name, _)| name.starts_with("KAPACITOR_UDF_"));
    let names: Vec<&str> = udf.map(|(name, _)| name.as_str()).collect();
    if !names.is_empty() {
        findings.warn(
            format!("kapacitord runs with {}", names.join(", ")),
            "Kapacitor takes no function from a variable: write them into kapacitor.conf",
        );
    }
}
