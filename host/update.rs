//! Plugin files that appear, change and go away while the host runs.
//!
//! The folder is looked at rather than watched: a link that is switched, the plugins folder itself among
//! them, and a network file system give no events.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tracing::{info, warn};

use crate::host::Host;
use crate::plugin::{Plugin, Problem, Refusal};

/// How often the folder is looked at. A file is loaded when it has not changed from one time to the next:
/// it may still be being written.
const EVERY: Duration = Duration::from_millis(500);

/// Tells whether a file has changed: device, inode, length, and when it was written.
pub(crate) type Stamp = (u64, u64, u64, Option<SystemTime>);

/// The stamp of the file that `path` is or links to. `None` if there is none.
pub(crate) fn stamp(path: &Path) -> Option<Stamp> {
    let file = fs::metadata(path).ok()?;
    Some((file.dev(), file.ino(), file.len(), file.modified().ok()))
}

impl Host {
    /// Loads the plugins whose files change, for as long as the host is there.
    pub async fn follow_files(self: Arc<Self>) {
        let mut seen = BTreeMap::new();
        let mut warned = false;
        loop {
            tokio::time::sleep(EVERY).await;
            let host = Arc::clone(&self);
            let Ok(found) = self.compute().spawn_blocking(move || host.stamps()).await else { return };
            let found = match found {
                Ok(found) => found,
                Err(e) => {
                    if !std::mem::replace(&mut warned, true) {
                        warn!(err = format!("{e:#}"), "new plugin files are not seen");
                    }
                    continue;
                }
            };
            warned = false;
            self.follow(&found, &seen).await;
            seen = found;
        }
    }

    /// The plugin files, each with its stamp.
    fn stamps(&self) -> anyhow::Result<BTreeMap<String, (PathBuf, Stamp)>> {
        let files = self.files()?.into_iter();
        Ok(files.filter_map(|(name, path)| stamp(&path).map(|stamp| (name, (path, stamp)))).collect())
    }

    /// Loads what is the same as at the last look, and other than what is loaded.
    async fn follow(
        &self,
        found: &BTreeMap<String, (PathBuf, Stamp)>,
        before: &BTreeMap<String, (PathBuf, Stamp)>,
    ) {
        let mut known = self.known().await;
        for (name, file @ (path, stamp)) in found {
            if known.get(name) == Some(stamp) || before.get(name) != Some(file) {
                continue;
            }
            known.insert(name.clone(), *stamp);
            let loaded = self.load_one(name, path).await;
            self.take_in(name, loaded);
        }
        let gone: Vec<String> = known
            .keys()
            .filter(|name| !found.contains_key(*name) && !before.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            known.remove(&name);
            self.forget(&name);
        }
    }

    /// Takes in what became of a file that has changed. One that was refused changes nothing.
    fn take_in(&self, name: &str, loaded: Result<Plugin, Refusal>) {
        let plugins = self.plugins();
        let before = plugins.get(name).and_then(|plugin| plugin.as_ref().ok());
        match (before, loaded) {
            (Some(before), Ok(new)) if before.sha256 == new.sha256 => {}
            (Some(before), Ok(new)) => {
                let (from, to) = (before.version(), new.version());
                let edges = new.edges().to_string();
                self.insert(name, Ok(new));
                info!(plugin = name, from, to, edges, "plugin has a new version");
            }
            (Some(before), Err(_)) => {
                let version = before.version();
                warn!(plugin = name, version, "the version that was loaded before goes on");
            }
            (None, loaded) => {
                let new = loaded.is_ok() && !plugins.contains_key(name);
                self.insert(name, loaded);
                if new && !self.functions.contains_key(name) {
                    info!(
                        plugin = name,
                        "a generic function can run it now; a function of its own is there when the host starts again"
                    );
                }
            }
        }
    }

    /// The file of a plugin is gone. What runs goes on.
    fn forget(&self, name: &str) {
        let path = self.config.plugins_dir.join(format!("{name}.wasm"));
        if matches!(self.plugins().get(name), Some(Ok(_))) {
            warn!(
                plugin = name,
                "plugin file deleted: what runs goes on, new tasks are refused until it is back"
            );
        }
        self.insert(name, Err(Refusal { path, problem: Problem::Deleted }));
    }
}
