//! CPU time of processes, as Linux counts it.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// CPU time that a process has used so far, in all its threads; with its children and theirs if `children`. Threads
/// that have ended do not count.
pub fn cpu_of(process: u32, children: bool) -> Result<Duration> {
    let tasks = format!("/proc/{process}/task");
    let mut all = Duration::ZERO;
    for task in fs::read_dir(&tasks).with_context(|| tasks.clone())? {
        let task = task?.path();
        // A thread may end meanwhile.
        let Ok(times) = fs::read_to_string(task.join("schedstat")) else { continue };
        let time = times.split(' ').next().and_then(|time| time.parse().ok());
        all += Duration::from_nanos(time.context("no times in /proc")?);
        if children {
            let list = fs::read_to_string(task.join("children")).unwrap_or_default();
            for child in list.split_whitespace() {
                all += cpu_of(child.parse()?, true).unwrap_or_default();
            }
        }
    }
    Ok(all)
}
