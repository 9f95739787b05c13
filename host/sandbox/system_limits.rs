//! The limits of the operating system that bound the number of sandboxes, and what a sandbox takes of them.
//!
//! At the end of one of them an ordinary allocation of the host fails, and with it the process. So a task that does
//! not fit is refused long before that.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use thiserror::Error;

use crate::units::Bytes;

/// Number of memory mappings of one sandbox: its memory with the guard pages around it, its image, the stack of its
/// calls, and the buffers of its session. Measured: 6.3 to 6.5.
const MAPS_OF_SANDBOX: u64 = 7;

/// Address space that wasmtime reserves for one sandbox: 4 GiB of memory, so that most accesses need no check of
/// their bounds, 32 MiB of guard pages, and a stack.
const ADDRESSES_OF_SANDBOX: u64 = (4096 + 64) << 20;

/// Number of file descriptors that sessions leave to the host itself: sockets, images of plugins, files of the state.
const RESERVED_DESCRIPTORS: u64 = 256;

/// Address space that sandboxes leave to the host itself.
const RESERVED_ADDRESSES: u64 = 1 << 30;

/// Address space of a process on the platforms with the smallest one, x86-64 with four levels of page tables.
const ALL_ADDRESSES: u64 = 1 << 47;

/// Private memory that one sandbox takes at least: its stack, its buffers, and a small memory. Measured: 1.9 MiB.
const DATA_OF_SANDBOX: u64 = 4 << 20;

/// Private memory of the host itself: for its heap, and for each core, which has a few threads with a stack and a heap
/// of their own. Measured: 36 to 50 MiB with two cores.
const DATA_OF_HOST: (u64, u64) = (48 << 20, 8 << 20);

/// Part of the machine's memory that the host takes at most, in quarters. The rest is for its code, for buffers of the
/// allocator, for the page cache, and for other processes.
const QUARTERS_OF_MEMORY: u64 = 3;

/// Number of cores that this process may use. It is looked up once, since files are read for it.
pub fn cores() -> usize {
    static CORES: LazyLock<usize> =
        LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from));
    *CORES
}

/// A limit of the operating system at which no further sandbox fits, and what to do.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SystemLimit {
    /// The number of memory mappings of a process.
    #[error(
        "vm.max_map_count = {0} of this machine: raise it with `sysctl -w vm.max_map_count={more}`",
        more = .0.saturating_mul(4)
    )]
    Maps(u64),
    /// The number of open files of the process.
    #[error(
        "{0} open files of this process: raise LimitNOFILE= in the unit of systemd, or `ulimit -Hn` where the host is started"
    )]
    Descriptors(u64),
    /// The address space of the process. Each sandbox reserves 4 GiB of it, most of which is no memory.
    #[error(
        "{0} of address space of this process, of which each sandbox reserves 4.1GiB: lift the limit with `ulimit -v unlimited` where the host is started"
    )]
    AddressSpace(Bytes),
    /// The private memory of the process, whether it is in use or only may be written to.
    #[error(
        "{0} of private memory of this process: raise LimitDATA= in the unit of systemd, or `ulimit -d` where the host is started"
    )]
    Data(Bytes),
}

/// The limits of the operating system for this process.
#[derive(Debug)]
pub struct SystemLimits {
    /// `vm.max_map_count`; the greatest number where it is not known.
    maps: u64,
    descriptors: u64,
    address_space: u64,
    data: u64,
    /// Memory of the machine or of the control group; the greatest number where it is not known.
    memory: u64,
    /// Number of mappings of the process when they were counted last.
    counted_maps: AtomicU64,
    /// Number of sandboxes that ran when the mappings were counted last.
    counted_at: AtomicU64,
}

/// The number of sandboxes that fit on this machine, and the limit that bounds it.
#[derive(Clone, Copy, Debug)]
pub struct SandboxRoom {
    /// Number of sandboxes together with those that run.
    pub sandboxes: u64,
    /// The limit that would be exceeded first.
    pub limit: SystemLimit,
}

impl SystemLimits {
    /// The limits as they are now.
    pub fn of_process() -> Self {
        let limits = Self {
            maps: max_map_count().unwrap_or(u64::MAX),
            descriptors: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
            address_space: getrlimit(Resource::As).current.unwrap_or(u64::MAX).min(ALL_ADDRESSES),
            data: data_limit(),
            memory: machine_memory(None).unwrap_or(u64::MAX),
            counted_maps: AtomicU64::new(0),
            counted_at: AtomicU64::new(0),
        };
        limits.count(0);
        limits
    }

    /// The limits of the process with this number, or of this one; `None` if this user can't read them.
    pub fn of(process: Option<u32>) -> Option<Self> {
        let Some(process) = process else { return Some(Self::of_process()) };
        let limits = fs::read_to_string(format!("/proc/{process}/limits")).ok()?;
        Some(Self {
            descriptors: soft_limit(&limits, "Max open files")?,
            address_space: soft_limit(&limits, "Max address space")?.min(ALL_ADDRESSES),
            data: soft_limit(&limits, "Max data size")?,
            memory: machine_memory(Some(process)).unwrap_or(u64::MAX),
            ..Self::of_process()
        })
    }

    /// Number of connections that leave enough file descriptors to the host itself.
    pub fn connections(&self) -> u64 {
        self.descriptors.saturating_sub(RESERVED_DESCRIPTORS.min(self.descriptors / 2))
    }

    /// Memory that all sandboxes and connections may take at most on this machine.
    pub fn memory(&self) -> Bytes {
        Bytes(self.memory / 4 * QUARTERS_OF_MEMORY)
    }

    /// Memory that all sandboxes and connections may take at most beside what the host itself needs of its private
    /// memory. A half is for what is not counted, as the threads use it for a moment.
    pub fn data_memory(&self) -> Bytes {
        Bytes(self.data.saturating_sub(data_of_host()) / 2)
    }

    /// The limit of private memory as an error.
    fn data(&self) -> SystemLimit {
        SystemLimit::Data(Bytes(self.data))
    }

    /// The limit as an error.
    pub fn descriptors(&self) -> SystemLimit {
        SystemLimit::Descriptors(self.descriptors)
    }

    /// Whether a sandbox fits beside `running` ones.
    ///
    /// # Errors
    ///
    /// The limit that it would exceed.
    pub fn check(&self, running: u64) -> Result<(), SystemLimit> {
        let room = self.room(running);
        if running < room.sandboxes { Ok(()) } else { Err(room.limit) }
    }

    /// The number of sandboxes that fit, beside all else that the process has.
    pub fn room(&self, running: u64) -> SandboxRoom {
        let since = running.saturating_sub(self.counted_at.load(Relaxed));
        let maps = self.counted_maps.load(Relaxed).saturating_add(since.saturating_mul(MAPS_OF_SANDBOX));
        // A third is left for what running tasks need at times: large buffers, a second sandbox while the first is
        // brought back or updated.
        let free_maps = (self.maps / 3 * 2).saturating_sub(maps);
        let by_maps = running + free_maps / MAPS_OF_SANDBOX;
        let by_addresses = self.address_space.saturating_sub(RESERVED_ADDRESSES) / ADDRESSES_OF_SANDBOX;
        let by_data = self.data.saturating_sub(data_of_host()) / 2 / DATA_OF_SANDBOX;
        let rooms = [
            SandboxRoom { sandboxes: by_data, limit: self.data() },
            SandboxRoom { sandboxes: by_maps, limit: SystemLimit::Maps(self.maps) },
            SandboxRoom { sandboxes: self.connections(), limit: self.descriptors() },
            SandboxRoom {
                sandboxes: by_addresses,
                limit: SystemLimit::AddressSpace(Bytes(self.address_space)),
            },
        ];
        rooms.into_iter().min_by_key(|room| room.sandboxes).unwrap_or(rooms[0])
    }

    /// Whether so many sandboxes run that the mappings are worth counting. Counting takes a millisecond for each
    /// two thousand.
    pub fn is_worth_counting(&self, running: u64) -> bool {
        running.saturating_mul(MAPS_OF_SANDBOX) > self.maps / 4
    }

    /// Counts the mappings of the process, which has `running` sandboxes.
    pub fn count(&self, running: u64) {
        if let Ok(maps) = count_maps() {
            self.counted_maps.store(maps, Relaxed);
            self.counted_at.store(running, Relaxed);
        }
    }
}

/// Raises the number of files that the process may open as far as the operating system lets it.
///
/// # Errors
///
/// What the system says.
pub fn raise_descriptors() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return Ok(());
    }
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?)
}

/// Whether the process may have as much private memory as it needs to serve anything.
///
/// # Errors
///
/// When it may not: then even its threads may fail to start.
pub fn check_data() -> Result<(), SystemLimit> {
    let limit = data_limit();
    if limit < data_of_host() + 2 * DATA_OF_SANDBOX { Err(SystemLimit::Data(Bytes(limit))) } else { Ok(()) }
}

fn data_limit() -> u64 {
    getrlimit(Resource::Data).current.unwrap_or(u64::MAX)
}

fn data_of_host() -> u64 {
    DATA_OF_HOST.0 + DATA_OF_HOST.1 * cores() as u64
}

fn max_map_count() -> Option<u64> {
    fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
}

/// The soft limit `name` in the text of `/proc/PID/limits`; the greatest number if there is none.
fn soft_limit(limits: &str, name: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    let soft = line.split_whitespace().next()?;
    if soft == "unlimited" { Some(u64::MAX) } else { soft.parse().ok() }
}

/// The memory of the machine, or of the control group of a process, this one by default, if it has a limit.
fn machine_memory(process: Option<u32>) -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let machine = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024;
    let process = process.map_or("self".to_owned(), |process| process.to_string());
    let group = fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap_or_default();
    // `0::/path` is the group of version 2; a limit of a group above holds too.
    let group = group.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let limits = Path::new(group).ancestors().filter_map(|group| {
        let limit = Path::new("/sys/fs/cgroup").join(group).join("memory.max");
        fs::read_to_string(limit).ok()?.trim().parse::<u64>().ok()
    });
    Some(limits.fold(machine, u64::min))
}

/// The lines of the list of mappings.
fn count_maps() -> io::Result<u64> {
    let mut file = File::open("/proc/self/maps")?;
    let (mut buffer, mut lines) = (vec![0; 64 * 1024], 0);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(lines);
        }
        lines += buffer[..read].split(|&byte| byte == b'\n').count() as u64 - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(maps: u64, descriptors: u64, address_space: u64) -> SystemLimits {
        let (counted_maps, counted_at) = (AtomicU64::new(100), AtomicU64::new(0));
        SystemLimits {
            maps,
            descriptors,
            address_space,
            data: u64::MAX,
            memory: 8 << 30,
            counted_maps,
            counted_at,
        }
    }

    #[test]
    fn smallest_limit_bounds_the_sandboxes() {
        let machine = limits(65_530, 1 << 20, 1 << 47);
        let room = machine.room(0);
        assert_eq!((room.sandboxes, room.limit), (6226, SystemLimit::Maps(65_530)));
        // What was started since then counts, and then what was counted.
        assert_eq!(machine.room(1000).sandboxes, 6226);
        machine.counted_maps.store(20_000, Relaxed);
        machine.counted_at.store(1000, Relaxed);
        assert_eq!(machine.room(1000).sandboxes, 4383);
        assert_eq!(machine.check(4382), Ok(()));
        assert_eq!(limits(1 << 40, 1024, 1 << 47).check(768), Err(SystemLimit::Descriptors(1024)));
        let narrow = limits(1 << 40, 1 << 20, 16 << 30);
        assert_eq!(narrow.check(2), Ok(()));
        let error = narrow.check(3).unwrap_err().to_string();
        assert!(error.starts_with("16GiB of address space"), "{error}");
    }

    #[test]
    fn limits_of_this_process_are_known() {
        let limits = SystemLimits::of_process();
        assert!(limits.counted_maps.load(Relaxed) > 10);
        assert!(limits.memory() > Bytes::mib(64) && limits.memory().0 < u64::MAX / 4 * QUARTERS_OF_MEMORY);
        assert_eq!(limits.check(0), Ok(()));
        assert!(limits.check(u64::MAX / 8).is_err());
        let same = SystemLimits::of(Some(std::process::id())).unwrap();
        assert_eq!(same.descriptors, limits.descriptors);
        assert_eq!(
            (same.address_space, same.data, same.memory),
            (limits.address_space, limits.data, limits.memory)
        );
        assert!(SystemLimits::of(Some(u32::MAX)).is_none());
    }
}
