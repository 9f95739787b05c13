//! Waits for a change of files.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

/// Time between two looks at the files.
const INTERVAL: Duration = Duration::from_millis(300);

/// Size and time of change of a file; `None` if it is not there.
type Stamp = Option<(u64, SystemTime)>;

/// The files that are watched.
pub struct Watch {
    files: Vec<(PathBuf, Stamp)>,
}

impl Watch {
    /// Watches `files`, as they are now.
    pub fn new(files: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { files: files.into_iter().map(|file| (file.clone(), stamp(&file))).collect() }
    }

    /// Returns when one of the files has changed, and is no longer being written.
    pub fn wait(&mut self) {
        loop {
            thread::sleep(INTERVAL);
            let now: Vec<_> = self.files.iter().map(|(file, _)| stamp(file)).collect();
            let changed = self.files.iter().zip(&now).any(|((_, before), now)| before != now);
            if !changed || now.iter().any(Option::is_none) {
                continue;
            }
            // A linker or an editor may still be writing.
            loop {
                thread::sleep(INTERVAL);
                let later: Vec<_> = self.files.iter().map(|(file, _)| stamp(file)).collect();
                let calm = self.files.iter_mut().zip(later).fold(true, |calm, ((_, before), later)| {
                    let same = *before == later;
                    *before = later;
                    calm && same
                });
                if calm {
                    return;
                }
            }
        }
    }
}

fn stamp(file: &Path) -> Stamp {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}
