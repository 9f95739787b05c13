//! What was left behind: states that were set aside or are damaged, records of skipped points, sockets of no function.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::sync::Arc;

use super::finding::{Finding, Findings};
use super::site::Site;
use crate::endpoint::socket_path;
use crate::regular_file;
use crate::state::{Checkpoints, Retention, SkippedRecords, Snapshot};

/// Maximum number of files that are named.
const MOST: usize = 5;

pub(super) fn check(site: &Site) -> Vec<Finding> {
    let mut findings = Findings::of("leftovers");
    let config = site.shared.config();
    let retention = Retention { keep: config.state.keep, set_aside: config.state.set_aside };
    let checkpoints = Checkpoints::new(&config.state_dir, false, retention, Arc::default());
    match checkpoints.files() {
        Err(e) => findings.skip(format!(
            "the states in {}: {e}: run this as the user of the host",
            config.state_dir.display()
        )),
        Ok(files) => {
            let damaged = files
                .into_iter()
                .filter(|file| regular_file::open(file).is_ok_and(|file| Snapshot::peek(file).is_err()));
            let damaged: Vec<String> = damaged.map(|file| file.display().to_string()).collect();
            if !damaged.is_empty() {
                findings.warn(
                    format!("{} checkpoints are damaged: {}", damaged.len(), some(&damaged)),
                    "their tasks begin with the snapshot of Kapacitor or anew, and the files are set aside then",
                );
            }
        }
    }
    if let Ok(aside) = checkpoints.files_aside()
        && !aside.is_empty()
    {
        findings.warn(
            format!("{} states were set aside, since they did not fit their tasks", aside.len()),
            "`kapacitor-wasm state list` lists them, and `state import` brings one back; state.set-aside bounds them",
        );
    }
    let skipped = SkippedRecords::new(&config.state_dir, Arc::default()).read().unwrap_or_default();
    if !skipped.is_empty() {
        findings.warn(
            format!("plugins failed, and {} points or batches were recorded as skipped", skipped.len()),
            "`kapacitor-wasm skipped` prints them for the plugins' authors",
        );
    }
    // A host serves a function until it stops, also one whose plugin was deleted.
    let running = site.running.iter().flat_map(|host| host.functions.keys());
    let functions = site.shared.functions();
    let own: BTreeSet<_> = functions.keys().chain(running).map(|name| socket_path(&config, name)).collect();
    let entries = fs::read_dir(&config.socket_dir).into_iter().flatten().flatten();
    let strange = entries.filter(|entry| {
        let path = entry.path();
        let is_socket = entry.file_type().is_ok_and(|kind| kind.is_socket());
        is_socket && path.extension().is_some_and(|extension| extension == "sock") && !own.contains(&path)
    });
    let strange: Vec<_> = strange.map(|entry| entry.path()).collect();
    let http = |path: &std::path::Path| {
        config.http.listen.iter().any(|address| address.to_string() == format!("unix:{}", path.display()))
    };
    let strange: Vec<String> =
        strange.into_iter().filter(|path| !http(path)).map(|path| path.display().to_string()).collect();
    if !strange.is_empty() {
        findings.warn(
            format!("sockets of no function are in socket-dir: {}", some(&strange)),
            "take such functions out of kapacitor.conf, then delete the files",
        );
    }
    findings.ok_if_none("no damaged states, none that were set aside, and no strange sockets");
    findings.list()
}

/// The first few of a list.
fn some(list: &[String]) -> String {
    let more = list.len().saturating_sub(MOST);
    let named = list[..list.len().min(MOST)].join(", ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}
