//! Records of the frames that were skipped, for the plugin's author.
//!
//! The newest records are TOML files in `<state-dir>/skipped`, one for each frame that failed.
//! `kapacitor-wasm skipped` prints them.

use std::collections::VecDeque;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fs, io, process};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tracing::{debug, info, warn};

use super::disk::Disk;
use super::files::write_whole;
use super::retention::Retention;
use super::snapshot::now;
use crate::regular_file;

/// Maximum number of records, on the disk and of those that wait for it; a new one replaces the oldest.
pub const MAX_RECORDS: usize = 64;

/// Maximum size of the file of a record, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Extension of the file of a record.
const EXTENSION: &str = "toml";

/// The records of all tasks.
#[derive(Debug)]
pub struct SkippedRecords {
    folder: PathBuf,
    disk: Arc<Disk>,
    waiting: Arc<Mutex<Waiting>>,
    /// Number of the next record of this process.
    next: AtomicU32,
}

/// The records that wait for the disk.
#[derive(Debug, Default)]
struct Waiting {
    records: VecDeque<(String, Record)>,
    /// Whether a thread writes them.
    writing: bool,
    /// Number of records that newer ones have replaced before they were written.
    replaced: u64,
    /// Whether the log says already that they can't be written.
    warned: bool,
}

/// One frame that was skipped.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    /// When it was skipped, in RFC 3339.
    pub time: String,
    /// The Kapacitor function.
    pub function: String,
    /// Kapacitor's task id.
    pub task: String,
    /// Kapacitor's node id.
    pub node: String,
    /// The plugin that failed.
    pub plugin: String,
    /// SHA-256 of its file, in hex.
    pub plugin_sha256: String,
    /// The call and how it failed, with the names of the guest's functions in which it failed.
    pub error: String,
    /// Number of points that were skipped with it: one, or all points of a batch.
    pub points: u64,
    /// The frame as line protocol, or in words.
    pub point: String,
    /// The frame as it came, in hex; cut if it is very long.
    pub frame: String,
}

/// A file that is not a record.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{}: {reason}", .path.display())]
pub struct RecordError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

impl SkippedRecords {
    /// The records in `state_dir`.
    pub fn new(state_dir: &Path, disk: Arc<Disk>) -> Self {
        Self { folder: state_dir.join("skipped"), disk, waiting: Arc::default(), next: AtomicU32::new(0) }
    }

    /// Has a thread write a record; returns the file that it will be in. Only the newest records wait for the disk,
    /// as only they would stay on it.
    pub fn write(&self, record: Record) -> PathBuf {
        let number = self.next.fetch_add(1, Relaxed);
        // Sorted by time, and different for each process.
        let name = format!("{:020}-{}-{number}.{EXTENSION}", now(), process::id());
        let path = self.folder.join(&name);
        let mut waiting = lock(&self.waiting);
        waiting.records.push_back((name, record));
        if waiting.records.len() > MAX_RECORDS {
            waiting.records.pop_front();
            waiting.replaced += 1;
        }
        if waiting.writing {
            return path;
        }
        waiting.writing = true;
        drop(waiting);
        let (folder, records) = (self.folder.clone(), Arc::clone(&self.waiting));
        if self.disk.records.submit("records of skipped points", move || drain(&folder, &records)).is_err() {
            // The next record tries again.
            lock(&self.waiting).writing = false;
        }
        path
    }

    /// Has a thread delete the records that are older than `retention` keeps them.
    pub fn give_up_old(&self, retention: Retention) {
        let folder = self.folder.clone();
        let _ = self.disk.records.submit("old records", move || {
            let old =
                records_in(&folder).unwrap_or_default().into_iter().filter(|file| retention.is_over(file));
            old.for_each(|file| {
                let _ = fs::remove_file(file);
            });
        });
    }

    /// All records, oldest first, and the errors of files that can't be read.
    ///
    /// # Errors
    ///
    /// When the folder can't be read; it need not be there.
    pub fn read(&self) -> io::Result<Vec<Result<Record, RecordError>>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(e),
        };
        let mut records = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                let text = read_text(&path).map_err(|e| e.to_string());
                let record = text.and_then(|text| toml::from_str(&text).map_err(|e| e.to_string()));
                records.push(record.map_err(|e| RecordError { path, reason: e.trim_end().to_owned() }));
            }
        }
        records.sort_by_key(|record: &Result<Record, _>| record.as_ref().ok().map(|r| r.time.clone()));
        Ok(records)
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    regular_file::open(path)?.take(MAX_FILE).read_to_string(&mut text)?;
    Ok(text)
}

/// Writes all records that wait.
fn drain(folder: &Path, waiting: &Mutex<Waiting>) {
    loop {
        let mut locked = lock(waiting);
        let Some((name, record)) = locked.records.pop_front() else {
            locked.writing = false;
            let replaced = std::mem::take(&mut locked.replaced);
            drop(locked);
            if replaced > 0 {
                let records = replaced.to_string();
                info!(
                    records,
                    "points were skipped faster than the disk takes their records: only the newest are recorded"
                );
            }
            return;
        };
        drop(locked);
        let written = write_record(folder, &name, &record);
        let mut locked = lock(waiting);
        match written {
            Ok(()) => {
                locked.warned = false;
                drop(locked);
                debug!(file = name, "skipped point recorded");
            }
            Err(e) => {
                if !std::mem::replace(&mut locked.warned, true) {
                    drop(locked);
                    let (folder, err) = (folder.display().to_string(), e.to_string());
                    warn!(folder, err, "skipped points can't be recorded: give state-dir room and rights");
                }
            }
        }
    }
}

/// Writes one record, and deletes the oldest ones if there are too many.
fn write_record(folder: &Path, name: &str, record: &Record) -> io::Result<()> {
    let text = toml::to_string(record).map_err(io::Error::other)?;
    write_whole(folder, name, text.as_bytes())?;
    let files = records_in(folder)?;
    for file in &files[..files.len().saturating_sub(MAX_RECORDS)] {
        match fs::remove_file(file) {
            // Another process has deleted it.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    Ok(())
}

/// The files of all records, oldest first.
fn records_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    let mut files: Vec<_> =
        entries.into_iter().filter(|path| path.extension().is_some_and(|e| e == EXTENSION)).collect();
    // The names begin with the time.
    files.sort();
    Ok(files)
}
