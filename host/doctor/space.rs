//! Room on the disk of the state folder.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::statvfs;

use super::finding::{Finding, Findings};
use super::site::Site;
use crate::units::Bytes;

/// Room that is wanted beside what the states take.
const SPARE: Bytes = Bytes::mib(64);

/// Maximum number of files that are counted.
const MAX_FILES: usize = 1_000_000;

pub(super) fn check(site: &Site) -> Vec<Finding> {
    let mut findings = Findings::of("disk-space");
    let folder = &site.shared.config().state_dir;
    let shown = folder.display();
    // The host makes the folder when it starts.
    let there = folder.ancestors().find(|folder| folder.exists()).unwrap_or(folder);
    let system = match statvfs(there) {
        Ok(system) => system,
        Err(e) => {
            findings.skip(format!("the room in {shown}: {}", std::io::Error::from(e)));
            return findings.list();
        }
    };
    let free = Bytes(system.f_bavail.saturating_mul(system.f_frsize));
    let Some(states) = size_of(&folder.join("checkpoints")) else {
        findings.skip(format!("the size of the states in {shown}: this user can't look at them"));
        return findings.list();
    };
    // A state is written anew before the old one goes.
    let wanted = Bytes(states.0.saturating_add(SPARE.0));
    if free < wanted {
        findings.warn(
            format!("{} are free for {shown}, and the states in it take {}", rounded(free), rounded(states)),
            "free some, or move state-dir to a larger disk: a state is written whole before the one before it is deleted",
        );
    }
    if system.f_files > 0 && system.f_favail < 1000 {
        findings.warn(
            format!("the disk of {shown} has room for {} more files", system.f_favail),
            "delete files there",
        );
    }
    findings.ok_if_none(format!(
        "{} are free for {shown}, and the states in it take {}",
        rounded(free),
        rounded(states)
    ));
    findings.list()
}

/// The size of all files of a folder; `None` if it can't be read.
fn size_of(folder: &Path) -> Option<Bytes> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Some(Bytes(0)),
        Err(_) => return None,
    };
    let sizes = entries.flatten().take(MAX_FILES).filter_map(|entry| Some(entry.metadata().ok()?.size()));
    Some(Bytes(sizes.sum()))
}

/// A size that is short to read.
fn rounded(size: Bytes) -> Bytes {
    let mib = 1 << 20;
    Bytes(if size.0 > mib { size.0 / mib * mib } else { size.0 })
}
