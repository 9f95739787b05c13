//! The Info that Kapacitor was last told of each function.
//!
//! Kapacitor asks for it when it starts, and never again. A plugin that has changed since then can't be used
//! in every way until Kapacitor was restarted, even if the host was restarted in between: so the Info is
//! stored in `<state-dir>/announced`, an encoded InfoResponse for each function.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prost::Message as _;
use tracing::{debug, warn};

use super::options::type_name;
use crate::config::Edges;
use crate::plugin::Plugin;
use crate::protocol::InfoResponse;
use crate::regular_file;
use crate::state::{Disk, write_whole};

/// Maximum size of a stored Info in bytes, larger than any InfoResponse of a plugin that was admitted.
const MAX_STORED: u64 = 128 * 1024;

/// Maximum number of functions whose stored Info is read.
const MAX_FUNCTIONS: usize = 100_000;

/// The Info of each function, as Kapacitor knows it.
#[derive(Debug)]
pub struct AnnouncedInfo {
    folder: PathBuf,
    /// Whether it is stored for the next start of the host.
    persistent: bool,
    disk: Arc<Disk>,
    infos: Mutex<BTreeMap<String, InfoResponse>>,
}

/// What Kapacitor was told of a function, beside what it would be told now.
#[derive(Clone, Debug)]
pub struct Drift {
    /// What it was told.
    pub told: InfoResponse,
    /// What differs, one difference each.
    pub differences: Vec<String>,
    /// Whether a script that fits what it was told may not fit any more: after a restart, Kapacitor refuses it.
    pub breaks_scripts: bool,
}

impl AnnouncedInfo {
    /// The Info that is stored in `state_dir`. All of it is read now, so that no session waits for the disk. If
    /// the disk hangs, the host goes on without.
    pub fn new(state_dir: &Path, persistent: bool, disk: Arc<Disk>) -> Self {
        let folder = state_dir.join("announced");
        let mut infos = BTreeMap::new();
        if persistent {
            let read_from = folder.clone();
            match disk.reads.ask_blocking("what Kapacitor was told", move || read_all(&read_from)) {
                Ok(read) => infos = read,
                Err(e) => {
                    let (folder, err) = (folder.display().to_string(), e.to_string());
                    warn!(
                        folder,
                        err,
                        "what Kapacitor was told of the functions can't be read, it is not compared with the plugins"
                    );
                }
            }
        }
        Self { folder, persistent, disk, infos: Mutex::new(infos) }
    }

    fn infos(&self) -> MutexGuard<'_, BTreeMap<String, InfoResponse>> {
        self.infos.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The Info of `function` that Kapacitor was told before, if any.
    pub fn get(&self, function: &str) -> Option<InfoResponse> {
        self.infos().get(function).cloned()
    }

    /// Notes that Kapacitor is told `info` of `function`. A thread stores it.
    pub fn announce(&self, function: &str, info: &InfoResponse) {
        let before = self.infos().insert(function.to_owned(), info.clone());
        if !self.persistent || before.as_ref() == Some(info) {
            return;
        }
        let (folder, name, bytes) = (self.folder.clone(), function.to_owned(), info.encode_to_vec());
        // Kapacitor need not wait for the disk: without the file only a warning may be missing.
        let written = self.disk.writes.submit(format!("Info of {function}"), move || {
            if let Err(e) = write_whole(&folder, &name, &bytes) {
                debug!(function = name, err = e.to_string(), "what Kapacitor was told can't be kept");
            }
        });
        if let Err(e) = written {
            debug!(function, err = e.to_string(), "what Kapacitor was told can't be kept");
        }
    }

    /// What Kapacitor was told of `function`, and what it would have to be told anew if the function is as `now` says.
    pub fn drift(&self, function: &str, now: &InfoResponse) -> Option<Drift> {
        let told = self.get(function)?;
        let (differences, breaks_scripts) = (differences(&told, now), breaks_scripts(&told, now));
        Some(Drift { told, differences, breaks_scripts })
    }

    /// Reports where `plugin`, which `function` runs, differs from what Kapacitor was told before.
    pub fn compare(&self, function: &str, plugin: &Plugin) {
        if let Some(drift) = self.drift(function, &plugin.info)
            && !drift.differences.is_empty()
        {
            let (plugin, differs) = (&plugin.name, drift.differences.join(", "));
            if drift.breaks_scripts {
                warn!(
                    function,
                    plugin,
                    differs,
                    "Kapacitor was told something else of this function: change the scripts that do not fit the plugin any more, or put the old file back, before you restart Kapacitor, which could not even disable their tasks"
                );
            } else {
                warn!(
                    function,
                    plugin,
                    differs,
                    "Kapacitor was told something else of this function: restart it to use the plugin as it is now"
                );
            }
        }
    }
}

/// Whether a script that fits the Info `before` may not fit the Info `now`: after a restart, Kapacitor refuses it.
fn breaks_scripts(before: &InfoResponse, now: &InfoResponse) -> bool {
    let lost = |(name, option)| now.options.get(name) != Some(option);
    (before.wants, before.provides) != (now.wants, now.provides) || before.options.iter().any(lost)
}

/// All Infos in `folder`, by function.
fn read_all(folder: &Path) -> BTreeMap<String, InfoResponse> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(MAX_FUNCTIONS);
    let infos = entries.filter_map(|entry| {
        let (mut bytes, name) = (Vec::new(), entry.file_name().into_string().ok()?);
        regular_file::open(&entry.path()).ok()?.take(MAX_STORED + 1).read_to_end(&mut bytes).ok()?;
        let whole = bytes.len() as u64 <= MAX_STORED;
        whole.then(|| InfoResponse::decode(&bytes[..]).ok()).flatten().map(|info| (name, info))
    });
    infos.collect()
}

/// Lists the differences between two Infos.
fn differences(before: &InfoResponse, now: &InfoResponse) -> Vec<String> {
    let mut differs = Vec::new();
    let edges = |info: &InfoResponse| Edges { wants: info.wants(), provides: info.provides() };
    if edges(before) != edges(now) {
        differs.push(format!("edges {} were {}", edges(now), edges(before)));
    }
    let types = |info: &InfoResponse, option: &str| -> Option<String> {
        let types: Vec<_> = info.options.get(option)?.value_types().map(type_name).collect();
        Some(types.join(", "))
    };
    let mut names: Vec<&String> = before.options.keys().chain(now.options.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        match (types(before, name), types(now, name)) {
            (Some(was), Some(is)) if was != is => {
                differs.push(format!("option {name}({is}) was {name}({was})"));
            }
            (Some(was), None) => differs.push(format!("option {name}({was}) is gone")),
            (None, Some(is)) => differs.push(format!("option {name}({is}) is new")),
            _ => {}
        }
    }
    differs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{OptionInfo, ValueType};

    #[test]
    fn differences_are_named() {
        let info = |provides, options: &[(&str, ValueType)]| InfoResponse {
            wants: 0,
            provides,
            options: options
                .iter()
                .map(|(name, ty)| ((*name).to_owned(), OptionInfo { value_types: vec![(*ty).into()] }))
                .collect(),
        };
        let before = info(0, &[("a", ValueType::Int), ("b", ValueType::Int)]);
        let now = info(1, &[("b", ValueType::Double), ("c", ValueType::String)]);
        assert_eq!(differences(&before, &before), Vec::<String>::new());
        assert!(breaks_scripts(&before, &now) && !breaks_scripts(&before, &before));
        let more = info(0, &[("a", ValueType::Int), ("b", ValueType::Int), ("c", ValueType::Int)]);
        assert!(!breaks_scripts(&before, &more) && breaks_scripts(&more, &before));
        assert_eq!(
            differences(&before, &now),
            [
                "edges stream -> batch were stream -> stream",
                "option a(int) is gone",
                "option b(double) was b(int)",
                "option c(string) is new"
            ]
        );
    }
}
