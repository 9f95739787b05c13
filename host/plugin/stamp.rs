//! Tells whether a file has changed.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Age of a file at which a further change gives it another time. File systems keep times in steps of up to two
/// seconds (FAT), mostly of some milliseconds.
const SETTLED: Duration = Duration::from_secs(3);

/// Identity and age of a file: another stamp means another file, or other contents.
///
/// The time of modification can be set by anybody who may write the file, so that a copy can have the time of the
/// original. The time of the last change of the inode can't.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: Option<SystemTime>,
    /// Seconds since 1970, and nanoseconds.
    changed: (i64, i64),
}

impl FileStamp {
    /// The stamp of the file that `path` is or links to, or of a link that leads to none. `None` if there is none.
    pub fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).or_else(|_| fs::symlink_metadata(path)).ok()?;
        Some(Self {
            device: file.dev(),
            inode: file.ino(),
            length: file.len(),
            modified: file.modified().ok(),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    }

    /// Whether the file is so old that a change from now on gives it another stamp.
    pub fn is_settled(&self) -> bool {
        let changed = u64::try_from(self.changed.0).unwrap_or(0);
        let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(changed);
        // A time in the future says nothing.
        SystemTime::now().duration_since(changed).is_ok_and(|age| age > SETTLED)
    }
}
