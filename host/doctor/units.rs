//! The units of systemd: those of the host, of its sockets, and the drop-in of Kapacitor's.

use std::collections::BTreeSet;
use std::path::Path;

use humantime::parse_duration;

use super::finding::{Finding, Findings};
use super::site::Site;
use super::unit_file::Unit;
use crate::config::{Config, ListenAddress};
use crate::endpoint::{User, socket_path};

/// Section of a service.
const SERVICE: &str = "Service";

/// The host's unit.
const HOST: &str = "kapacitor-wasm.service";

/// Minimum of `LimitNOFILE=` that leaves room for tasks beside the host's own files.
const FILES: u64 = 1024;

pub(super) fn check(site: &Site) -> Vec<Finding> {
    let mut findings = Findings::of("units");
    let Some(unit) = &site.host_unit else {
        let folders: Vec<_> =
            site.options.unit_dirs.iter().map(|folder| folder.display().to_string()).collect();
        findings.skip(format!("there is no {HOST} in {}", folders.join(", ")));
        return findings.list();
    };
    let config = site.shared.config();
    check_service(unit, &config, &mut findings);
    check_hardening(unit, &config, &mut findings);
    if let Some(unit) = &site.socket_unit {
        check_sockets(site, unit, &config, &mut findings);
    }
    check_kapacitor(site, &mut findings);
    findings.ok_if_none(format!("{} and the units beside it fit udf.toml", unit.path().display()));
    findings.list()
}

fn check_service(unit: &Unit, config: &Config, findings: &mut Findings) {
    let shown = unit.path().display();
    if unit.last(SERVICE, "Type").is_none_or(|kind| !kind.starts_with("notify")) {
        findings.warn(
            format!("{shown} has no Type=notify, so Kapacitor may be started before the sockets are there"),
            "set Type=notify",
        );
    }
    if let Some(program) = unit
        .words(SERVICE, "ExecStart")
        .first()
        .map(|word| word.trim_start_matches(['-', '@', ':', '+', '!']))
        && program.starts_with('/')
        && !Path::new(program).is_file()
    {
        findings.problem(
            format!("{shown} starts {program}, which is not there"),
            "put the program there, or correct ExecStart=",
        );
    }
    let user = unit.last(SERVICE, "User").unwrap_or("root");
    if let (Some(group), Some(found)) = (&config.socket_group, User::named(user)) {
        let by_unit = unit.last(SERVICE, "Group") == Some(group)
            || unit.words(SERVICE, "SupplementaryGroups").contains(&group.as_str());
        if user != "root" && !by_unit && !found.is_in_group(group) {
            findings.problem(
                format!("{shown} runs the host as `{user}`, who is not in socket-group `{group}` and can't give sockets to it"),
                format!("set Group={group} or SupplementaryGroups={group} in the unit, or change socket-group"),
            );
        }
    }
    if unit.last(SERVICE, "ExecReload").is_none() {
        findings.warn(
            format!("{shown} has no ExecReload=, so `systemctl reload` does nothing"),
            "set ExecReload=/bin/kill -HUP $MAINPID",
        );
    }
    let files =
        unit.last(SERVICE, "LimitNOFILE").and_then(|limit| limit.rsplit(':').next()?.parse::<u64>().ok());
    if files.is_some_and(|files| files < FILES) {
        findings.warn(
            format!(
                "{shown}: LimitNOFILE= lets the host have {} files, one for each task",
                files.unwrap_or_default()
            ),
            "set LimitNOFILE=65536",
        );
    }
    if unit.last(SERVICE, "LimitAS").is_some_and(|limit| limit != "infinity") {
        findings.problem(
            format!("{shown} sets LimitAS=, and each sandbox reserves 4.1 GiB of addresses, most of which are no memory"),
            "take LimitAS= away; MemoryMax= limits the memory",
        );
    }
    let needed = config.sessions.drain_deadline.0 * 12;
    if let Some(Ok(stop)) = unit.last(SERVICE, "TimeoutStopSec").map(seconds)
        && stop < needed
    {
        findings.warn(
            format!(
                "{shown} kills the host after TimeoutStopSec={}, before it has saved the state of all tasks",
                stop.as_secs()
            ),
            format!("set at least {} s, which is twelve times sessions.drain-deadline", needed.as_secs()),
        );
    }
}

/// A span of time of systemd: a plain number is seconds.
fn seconds(text: &str) -> Result<std::time::Duration, humantime::DurationError> {
    if text.chars().all(|c| c.is_ascii_digit()) {
        parse_duration(&format!("{text}s"))
    } else {
        parse_duration(text)
    }
}

/// What the unit keeps from the host that udf.toml asks for.
fn check_hardening(unit: &Unit, config: &Config, findings: &mut Findings) {
    let shown = unit.path().display();
    if unit.is_on(SERVICE, "MemoryDenyWriteExecute") {
        findings.problem(
            format!("{shown} has MemoryDenyWriteExecute=yes, and plugins are compiled to machine code"),
            "take it away",
        );
    }
    let tcp = config.http.listen.iter().any(|address| matches!(address, ListenAddress::Tcp(_)));
    if tcp && unit.is_on(SERVICE, "PrivateNetwork") {
        findings.problem(
            format!("{shown} has PrivateNetwork=yes, so nobody reaches the address in http.listen"),
            "the comment in the unit says what to put into a drop-in; an address unix:PATH needs nothing",
        );
    }
    let folders = [
        ("plugins-dir", &config.plugins_dir),
        ("socket-dir", &config.socket_dir),
        ("state-dir", &config.state_dir),
    ];
    for (key, folder) in folders {
        let under = |roots: &[&str]| roots.iter().any(|root| folder.starts_with(root));
        if under(&["/home", "/root", "/run/user"])
            && unit.last(SERVICE, "ProtectHome").is_some_and(|on| on != "no")
        {
            findings.problem(
                format!("{key} is {}, which ProtectHome= of {shown} hides from the host", folder.display()),
                "choose another folder, or set ProtectHome=no",
            );
        }
        if under(&["/tmp", "/var/tmp"]) && unit.is_on(SERVICE, "PrivateTmp") {
            findings.problem(
                format!(
                    "{key} is {}, and PrivateTmp= of {shown} gives the host a folder of its own there",
                    folder.display()
                ),
                "choose another folder, or set PrivateTmp=no",
            );
        }
        let strict = unit.last(SERVICE, "ProtectSystem") == Some("strict");
        if strict && key != "plugins-dir" && !is_writable(unit, folder) {
            findings.problem(
                format!(
                    "{key} is {}, which {shown} lets the host only read (ProtectSystem=strict)",
                    folder.display()
                ),
                format!(
                    "set ReadWritePaths={} in a drop-in, or choose the folder of the unit",
                    folder.display()
                ),
            );
        }
    }
}

/// Whether a unit with `ProtectSystem=strict` lets its service write into a folder.
fn is_writable(unit: &Unit, folder: &Path) -> bool {
    let made = |key, root: &str| {
        let names = unit.words(SERVICE, key).into_iter();
        names.map(|name| Path::new(root).join(name)).collect::<Vec<_>>()
    };
    let paths = unit.words(SERVICE, "ReadWritePaths").into_iter();
    let paths = paths.map(|path| Path::new(path.trim_start_matches(['-', '+'])).to_owned());
    let mut writable = [made("RuntimeDirectory", "/run"), made("StateDirectory", "/var/lib")]
        .concat()
        .into_iter()
        .chain(paths);
    // The system's own name for /run.
    let folder =
        folder.strip_prefix("/var/run").map_or(folder.to_owned(), |rest| Path::new("/run").join(rest));
    folder.starts_with("/dev") || writable.any(|path| folder.starts_with(path))
}

/// `kapacitor-wasm.socket`, which `config --systemd` prints.
fn check_sockets(site: &Site, unit: &Unit, config: &Config, findings: &mut Findings) {
    let shown = unit.path().display();
    let listed: BTreeSet<String> =
        unit.all("Socket", "ListenStream").into_iter().map(|path| path.replace("%%", "%")).collect();
    let functions = site.shared.functions();
    let path = |name: &String| {
        std::path::absolute(socket_path(config, name)).unwrap_or_default().display().to_string()
    };
    let wanted: BTreeSet<String> = functions.keys().map(path).collect();
    let list = |paths: Vec<&String>| paths.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let (missing, needless) =
        (list(wanted.difference(&listed).collect()), list(listed.difference(&wanted).collect()));
    if !missing.is_empty() {
        findings.warn(
            format!("{shown} lacks the sockets {missing}, which go away with the host"),
            "print it again with `kapacitor-wasm config --systemd`, as its first lines say",
        );
    }
    if !needless.is_empty() {
        findings.warn(
            format!("{shown} has sockets of no function: {needless}"),
            "print it again with `kapacitor-wasm config --systemd`, as its first lines say",
        );
    }
    if let Some(group) = &config.socket_group
        && unit.last("Socket", "SocketGroup") != Some(group)
    {
        findings.warn(
            format!("{shown} has another SocketGroup= than socket-group = \"{group}\" in udf.toml"),
            "print it again with `kapacitor-wasm config --systemd`: udf.toml has no effect on systemd's sockets",
        );
    }
}

/// Kapacitor never connects again, so it is started after the host and restarted with it.
fn check_kapacitor(site: &Site, findings: &mut Findings) {
    let Some(unit) = &site.kapacitor_unit else { return };
    let has = |key| unit.words("Unit", key).contains(&HOST);
    let missing: Vec<&str> = ["Requires", "After", "PartOf"].into_iter().filter(|key| !has(key)).collect();
    if !missing.is_empty() {
        findings.warn(
            format!(
                "{} has no {}={HOST}, so Kapacitor's tasks stay ended when the host is restarted",
                unit.path().display(),
                missing.join("=, ")
            ),
            "link the kapacitor-wasm.conf of this version into /etc/systemd/system/kapacitor.service.d, and `systemctl daemon-reload`",
        );
    }
}
