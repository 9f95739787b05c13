//! Records of the frames that were skipped, for the plugin's author.
//!
//! The newest records are TOML files in `<state-dir>/skipped`, one for each frame that failed.
//! `kapacitor-wasm skipped` prints them.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;
use std::{fs, io};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::files::write_whole;

/// Maximum number of records; a new one replaces the oldest.
pub const MAX_RECORDS: usize = 64;

/// The records of all tasks.
#[derive(Debug)]
pub struct SkippedRecords {
    folder: PathBuf,
    /// Locked while a record is written.
    writing: Mutex<()>,
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
    pub fn new(state_dir: &Path) -> Self {
        Self { folder: state_dir.join("skipped"), writing: Mutex::new(()) }
    }

    /// Writes a record over the oldest one.
    pub fn write(&self, record: &Record) -> io::Result<PathBuf> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let written = |slot: usize| {
            let file = fs::metadata(self.folder.join(name(slot)));
            file.and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
        };
        let oldest = (0..MAX_RECORDS).min_by_key(|slot| written(*slot)).unwrap_or(0);
        let text = toml::to_string(record).map_err(io::Error::other)?;
        write_whole(&self.folder, &name(oldest), text.as_bytes())
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
            if path.extension().is_some_and(|extension| extension == "toml") {
                let text = fs::read_to_string(&path).map_err(|e| e.to_string());
                let record = text.and_then(|text| toml::from_str(&text).map_err(|e| e.to_string()));
                records.push(record.map_err(|e| RecordError { path, reason: e.trim_end().to_owned() }));
            }
        }
        records.sort_by_key(|record: &Result<Record, _>| record.as_ref().ok().map(|r| r.time.clone()));
        Ok(records)
    }
}

fn name(slot: usize) -> String {
    format!("{slot:02}.toml")
}
