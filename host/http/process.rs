//! What the operating system knows of this process.

use std::fs;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use cpu_time::ProcessTime;
use rustix::process::{Resource, getrlimit};

use crate::state::start_of;

/// What the operating system knows of this process; what can't be read is absent.
pub struct Process {
    /// CPU time so far.
    pub cpu: Option<Duration>,
    /// Resident memory in bytes.
    pub resident: Option<u64>,
    /// Number of open file descriptors.
    pub open_fds: Option<u64>,
    /// Maximum number of them; `None` if there is none.
    pub max_fds: Option<u64>,
    /// When it started, in seconds since 1970.
    pub started: Option<f64>,
}

impl Process {
    /// As it is now.
    pub fn now() -> Self {
        Self {
            cpu: ProcessTime::try_now().ok().map(|time| time.as_duration()),
            resident: resident(),
            open_fds: fs::read_dir("/proc/self/fd").ok().map(|folder| folder.count() as u64),
            max_fds: getrlimit(Resource::Nofile).current,
            started: *STARTED,
        }
    }
}

fn resident() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// When this process started, in seconds since 1970: from the time since the machine started, which the system counts
/// in hundredths of a second.
static STARTED: LazyLock<Option<f64>> = LazyLock::new(|| {
    let ticks = start_of(std::process::id())? as f64;
    let uptime: f64 = fs::read_to_string("/proc/uptime").ok()?.split(' ').next()?.parse().ok()?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs_f64();
    Some(now - uptime + ticks / rustix::param::clock_ticks_per_second() as f64)
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_known() {
        let Process { cpu, resident, open_fds, max_fds, started } = Process::now();
        assert!(cpu.unwrap() > Duration::ZERO && resident.unwrap() > 1 << 20 && open_fds.unwrap() > 2);
        assert!(max_fds.is_none_or(|most| most > open_fds.unwrap()));
        let age = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
            - started.unwrap();
        assert!((-1.0..3600.0 * 24.0).contains(&age), "{age}");
    }
}
