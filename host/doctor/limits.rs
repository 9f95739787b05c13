//! The limits of the operating system for the host against `[host]` and the tasks that there are.

use super::finding::{Finding, Findings};
use super::kapacitor_functions::names_in_kapacitor;
use super::site::Site;
use crate::sandbox::SystemLimits;
use crate::units::Bytes;
use kapacitor_wasm_tickscript::{Vars, parse_script};

/// Part of the room that tasks may take before there is a warning, in percent.
const FULL: u64 = 80;

/// Number of sandboxes below which a limit is surely not meant so.
const FEW: u64 = 100;

pub(super) fn check(site: &Site) -> Vec<Finding> {
    let mut findings = Findings::of("limits");
    if site.is_outsider() {
        findings.skip("the limits of the host: run this as root or as the user of the host");
        return findings.list();
    }
    let process = site.running.as_ref().map(|host| host.process);
    let Some(limits) = SystemLimits::of(process) else {
        findings.skip(format!(
            "the limits of process {}: this user can't read them",
            process.unwrap_or_default()
        ));
        return findings.list();
    };
    let host = site.shared.config().host;
    let room = limits.room(0);
    let fit = room.sandboxes.min(host.sandboxes);
    let whose = if process.is_some() { "the host" } else { "this process (the host does not run)" };
    let bound = if room.sandboxes < host.sandboxes {
        room.limit.to_string()
    } else {
        format!("host.sandboxes = {}", host.sandboxes)
    };
    let tasks = enabled(site);
    let known =
        tasks.map_or(String::new(), |tasks| format!(", and {tasks} enabled tasks call its functions"));
    let text = format!("{fit} sandboxes fit into the limits of {whose}{known}; what bounds them is {bound}");
    let wanted = tasks.unwrap_or_default();
    if wanted > fit {
        findings.problem(text, "tasks beyond that are refused: raise this limit");
    } else if wanted * 100 > fit * FULL || fit < FEW {
        findings.warn(text, "raise this limit before there are more tasks");
    } else {
        findings.ok(text);
    }
    let memory = Bytes(limits.memory().0 >> 20 << 20);
    if host.memory > memory {
        findings.ok(format!(
            "host.memory = {} is more than the host may take of this machine or its control group, so {memory} hold",
            host.memory
        ));
    }
    findings.list()
}

/// The number of calls of the host's functions in enabled tasks; `None` if Kapacitor was not asked.
fn enabled(site: &Site) -> Option<u64> {
    let tasks = site.tasks.as_ref().ok()?;
    let names = names_in_kapacitor(site);
    let enabled = tasks.list.iter().filter(|task| task.status == "enabled");
    let calls = enabled.flat_map(|task| {
        parse_script(&task.script, "script", &Vars::new()).map(|script| script.calls).unwrap_or_default()
    });
    Some(calls.filter(|call| names.contains_key(&call.call.function)).count() as u64)
}
