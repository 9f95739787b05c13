//! Watches the plugins folder: files that appear, change and go away while the host runs.
//!
//! The folder is read again and again, since a symbolic link that is switched (the plugins folder itself
//! may be one) and a network file system send no events.

use std::collections::BTreeMap;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::library::Library;
use super::stamp::FileStamp;

/// Interval between two looks at the folder. A file is loaded once it is the same at two looks: before
/// that, it may still be being written.
const INTERVAL: Duration = Duration::from_millis(500);

/// Plugin files by name, each with its stamp.
type Files = BTreeMap<String, (PathBuf, FileStamp)>;

/// Loads the plugins whose files change, for as long as `library` exists.
pub async fn watch(library: Arc<Library>) {
    let mut before = Files::new();
    let mut warned = false;
    loop {
        tokio::time::sleep(INTERVAL).await;
        let reader = Arc::clone(&library);
        let Ok(found) = library.runtime().spawn_blocking(move || read(&reader)).await else { return };
        let found = match found {
            Ok(found) => found,
            Err(e) => {
                if !mem::replace(&mut warned, true) {
                    warn!(err = format!("{e:#}"), "new plugin files are not seen");
                }
                continue;
            }
        };
        warned = false;
        take_in(&library, &found, &before).await;
        before = found;
    }
}

fn read(library: &Library) -> anyhow::Result<Files> {
    let files = library.files()?.into_iter();
    Ok(files.filter_map(|(name, path)| FileStamp::of(&path).map(|stamp| (name, (path, stamp)))).collect())
}

/// Loads each file that is the same as at the look `before` and differs from the one that is loaded.
async fn take_in(library: &Library, found: &Files, before: &Files) {
    let mut stamps = library.stamps().await;
    for (name, file @ (path, stamp)) in found {
        if stamps.get(name) == Some(stamp) || before.get(name) != Some(file) {
            continue;
        }
        stamps.insert(name.clone(), *stamp);
        let loaded = library.load_one(name, path).await;
        library.replace(name, loaded);
    }
    let deleted: Vec<String> = stamps
        .keys()
        .filter(|name| !found.contains_key(*name) && !before.contains_key(*name))
        .cloned()
        .collect();
    for name in deleted {
        stamps.remove(&name);
        library.remove(&name);
    }
}
