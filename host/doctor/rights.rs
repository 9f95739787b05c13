//! Rights: what the host needs of its files, and Kapacitor's user of the sockets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::finding::{Finding, Findings};
use super::site::Site;
use crate::endpoint::{Need, Reach, User, check_group, socket_path};
use crate::folder::check_writable;

pub(super) fn check(site: &Site) -> Vec<Finding> {
    let mut list = of_host(site);
    list.extend(of_kapacitor(site));
    list
}

/// What the host needs: to read udf.toml and the plugins, and to make files in the folders of sockets and state.
fn of_host(site: &Site) -> Vec<Finding> {
    let mut findings = Findings::of("host-rights");
    let config = site.shared.config();
    if site.is_outsider() {
        findings.skip("the rights of the host: run this as root or as the user of the host");
        return findings.list();
    }
    for (key, folder) in [("state-dir", &config.state_dir), ("socket-dir", &config.socket_dir)] {
        // What concerns all users: a full disk, a read-only file system, a file in the place of a folder.
        if let Err(e) = check_writable(folder) {
            findings.plain_problem(format!("{key}: {e}"));
        }
    }
    if let Err(e) = check_group(&config) {
        findings.plain_problem(format!("{e:#}"));
    }
    let user = match &site.host_user {
        Ok(user) => user,
        Err(why) => {
            findings.skip(format!("the rights of the host's user: {why}"));
            return findings.list();
        }
    };
    let needs = [
        (&site.options.config, Need::READ, "read"),
        (&config.plugins_dir, Need::LIST, "read the files of"),
        (&config.state_dir, Need::MAKE_FILES, "make files in"),
        (&config.socket_dir, Need::MAKE_FILES, "make files in"),
    ];
    for (path, need, verb) in needs {
        // systemd makes its folders when it starts the host.
        say(&mut findings, user, path, need, verb);
    }
    // Root pulls them, mostly, and the host reads them.
    for path in site.pulled_files() {
        say(&mut findings, user, &path, Need::READ, "read");
    }
    findings.ok_if_none(format!("the host's user `{}` can use udf.toml and all folders", user.name()));
    findings.list()
}

/// What Kapacitor needs: to connect to each socket.
fn of_kapacitor(site: &Site) -> Vec<Finding> {
    let mut findings = Findings::of("socket-rights");
    let user = match &site.kapacitor_user {
        Ok(user) => user,
        Err(why) => {
            findings.skip(format!("whether Kapacitor can connect to the sockets: {why}"));
            return findings.list();
        }
    };
    let (config, functions) = (site.shared.config(), site.shared.functions());
    // One folder may keep it out of all sockets.
    let mut obstacles: BTreeMap<PathBuf, Vec<&str>> = BTreeMap::new();
    let mut there = 0;
    for name in functions.keys() {
        match user.reach(&socket_path(&config, name), Need::WRITE) {
            Reach::Can => there += 1,
            Reach::KeptOut(path) => obstacles.entry(path).or_default().push(name),
            Reach::AccessList(path) => findings.skip(format!(
                "whether Kapacitor's user `{}` can pass {}: it has an access control list, see `getfacl`",
                user.name(),
                path.display()
            )),
            Reach::Unseen(path) => findings.skip(format!(
                "the socket of `{name}`: this user can't look into {}: run this as root or as the user of the host",
                path.parent().unwrap_or(&path).display()
            )),
            // Said of the running host.
            Reach::Missing(_) => {}
        }
    }
    for (path, names) in obstacles {
        findings.problem(
            format!(
                "Kapacitor's user `{}` is kept out by {}, so it can't connect to {}",
                user.name(),
                path.display(),
                names.join(", ")
            ),
            format!(
                "let socket-group be a group of `{}` and socket-mode 0660, and let this user search all folders on the way",
                user.name()
            ),
        );
    }
    if there > 0 {
        findings.ok_if_none(format!("Kapacitor's user `{}` can connect to {there} sockets", user.name()));
    }
    findings.list()
}

/// Says it if `user`, as whom the host runs, can't do with `path` what it `need`s; `verb` says what that is.
fn say(findings: &mut Findings, user: &User, path: &Path, need: Need, verb: &str) {
    match user.reach(path, need) {
        Reach::Can | Reach::Missing(_) => {}
        Reach::KeptOut(by) => findings.problem(
            format!(
                "the host's user `{}` can't {verb} {}: {} keeps it out",
                user.name(),
                path.display(),
                by.display()
            ),
            format!("change owner, group or mode of {}", by.display()),
        ),
        Reach::AccessList(by) => {
            findings.skip(format!(
                "{}: {} has an access control list, see `getfacl`",
                path.display(),
                by.display()
            ));
        }
        Reach::Unseen(by) => {
            findings.skip(format!(
                "{}: this user can't look at {}: run this as root",
                path.display(),
                by.display()
            ));
        }
    }
}
