//! What a running host tells other processes of itself: `<state-dir>/running.json`.
//!
//! The host writes the file at its start, and again after each change. It stays when the host ends, so a reader asks
//! [`RunningHost::is_alive`].

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::write_whole;
use crate::regular_file;
use crate::units::Bytes;

/// Name of the file in the state folder.
const NAME: &str = "running.json";

/// Maximum size of the file. The largest `udf.toml` has 1 MiB.
const MAX_SIZE: Bytes = Bytes::mib(16);

/// A host that serves, as it described itself last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningHost {
    /// Number of its process.
    pub process: u32,
    /// When the process was started, in ticks since the machine was started: another process may get its number.
    pub started: u64,
    /// Version of the program.
    pub version: String,
    /// Hash of the sources that it was built from.
    pub build: String,
    /// Its working folder, which relative paths below are relative to.
    pub folder: PathBuf,
    /// The flags that it was started with, which a reload puts over the file again.
    pub flags: RunningFlags,
    /// Each key of `udf.toml` with the value that is in force.
    pub settings: BTreeMap<String, String>,
    /// Each function, and where it comes from.
    pub functions: BTreeMap<String, FunctionOrigin>,
    /// Why the last reload was refused; `None` if it was not, or there was none.
    pub refusal: Option<String>,
}

/// The flags of `serve`, as they were given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningFlags {
    /// `--config`
    pub config: PathBuf,
    /// `--plugins-dir`
    pub plugins_dir: Option<PathBuf>,
    /// `--socket-dir`
    pub socket_dir: Option<PathBuf>,
    /// `--log-level`
    pub log_level: Option<String>,
}

/// Where a function comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FunctionOrigin {
    /// `udf.toml` describes it.
    UdfToml,
    /// A file in the plugins folder has its name.
    PluginFile,
    /// It was taken out of `udf.toml`, and refuses its tasks until the host stops.
    Removed,
}

impl RunningHost {
    /// The description in `state_dir`; `None` if there is none.
    ///
    /// # Errors
    ///
    /// When the file can't be read, or is none that a host has written.
    pub fn read(state_dir: &Path) -> io::Result<Option<Self>> {
        let bytes = match regular_file::read(&state_dir.join(NAME), MAX_SIZE) {
            Ok(bytes) => bytes,
            Err(e) if e.is_not_found() => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        Ok(Some(serde_json::from_slice(&bytes)?))
    }

    /// Why [`RunningHost::read`] has failed, and what to do, as a sentence.
    pub fn why_unread(state_dir: &Path, error: &io::Error) -> String {
        let file = state_dir.join(NAME);
        let file = file.display();
        if error.kind() == io::ErrorKind::PermissionDenied {
            format!(
                "{file}: what the running host has in force can't be read: run this as root or as the user of the host"
            )
        } else {
            format!("{file} is damaged ({error}): reload the host, which writes it again")
        }
    }

    /// Writes the description into `state_dir`.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn write(&self, state_dir: &Path) -> io::Result<()> {
        write_whole(state_dir, NAME, &serde_json::to_vec_pretty(self)?).map(drop)
    }

    /// Whether its process still runs. A process of another container, whose number is not known here, counts as
    /// ended.
    pub fn is_alive(&self) -> bool {
        start_of(self.process) == Some(self.started)
    }
}

/// When a process was started, in ticks since the machine was started; `None` if there is no such process.
pub fn start_of(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program is in parentheses and may have any character. The 22nd value is the 20th behind it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn description_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        assert!(RunningHost::read(folder.path()).unwrap().is_none());
        let process = std::process::id();
        let host = RunningHost {
            process,
            started: start_of(process).unwrap(),
            version: "1.2.3".to_owned(),
            build: "abc".to_owned(),
            folder: "/".into(),
            flags: RunningFlags {
                config: "/etc/udf.toml".into(),
                plugins_dir: None,
                socket_dir: Some("/run/x".into()),
                log_level: Some("warn".to_owned()),
            },
            settings: [("limits.memory".to_owned(), "64MiB".to_owned())].into(),
            functions: [("f".to_owned(), FunctionOrigin::PluginFile)].into(),
            refusal: Some("line 3".to_owned()),
        };
        host.write(folder.path()).unwrap();
        let read = RunningHost::read(folder.path()).unwrap().unwrap();
        assert_eq!(read, host);
        assert!(read.is_alive());
        assert!(!RunningHost { started: host.started + 1, ..host }.is_alive());
        fs::write(folder.path().join(NAME), "{}").unwrap();
        assert!(RunningHost::read(folder.path()).is_err());
    }
}
