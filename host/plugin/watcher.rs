//! Watches the plugins folder: files that appear, change and go away while the host runs.
//!
//! The folder is read again and again, since a symbolic link that is switched (the plugins folder itself
//! may be one) and a network file system send no events.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::warn;

use super::admission_error::AdmissionErrorKind;
use super::library::Library;
use super::plugin_file::PluginPath;
use super::stamp::FileStamp;

/// Interval between two looks at the folder. A file is loaded once it is the same at two looks: before
/// that, it may still be being written.
const INTERVAL: Duration = Duration::from_millis(500);

/// Interval before a file is tried again that could not be read or compiled for a passing reason; doubled with each
/// failure.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// Maximum interval between two tries.
const LAST_RETRY: Duration = Duration::from_secs(30);

/// Plugin files by name, each with its stamp.
type Files = BTreeMap<String, (PluginPath, FileStamp)>;

/// When a file is tried again.
struct Retry {
    at: Instant,
    interval: Duration,
}

/// Loads the plugins whose files change, for as long as `library` exists.
pub async fn watch(library: Arc<Library>) {
    let (mut before, mut retries) = (Files::new(), BTreeMap::new());
    let mut warned = false;
    loop {
        tokio::time::sleep(INTERVAL).await;
        let reader = Arc::clone(&library);
        let found = match library.runtime().spawn_blocking(move || read(&reader)).await {
            Ok(found) => found,
            Err(e) if e.is_panic() => continue,
            Err(_) => return,
        };
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
        take_in(&library, &found, &before, &mut retries);
        before = found;
    }
}

fn read(library: &Library) -> anyhow::Result<Files> {
    let files = library.list()?.plugins.into_iter();
    Ok(files
        .filter_map(|(name, file)| FileStamp::of(&file.path).map(|stamp| (name, (file, stamp))))
        .collect())
}

/// Begins to load each file that is the same as at the look `before` and differs from the one that is loaded.
fn take_in(library: &Arc<Library>, found: &Files, before: &Files, retries: &mut BTreeMap<String, Retry>) {
    for (name, file @ (place, stamp)) in found {
        let seen = library.seen().get(name).copied();
        if seen.is_some_and(|seen| !seen.may_differ(stamp)) {
            retries.remove(name);
            continue;
        }
        if before.get(name) != Some(file) {
            continue;
        }
        let now = Instant::now();
        let retry = retries.entry(name.clone()).or_insert(Retry { at: now, interval: FIRST_RETRY });
        if now >= retry.at {
            retry.at = now + retry.interval;
            retry.interval = (retry.interval * 2).min(LAST_RETRY);
            library.begin_update(name, place.clone());
        }
    }
    // One that comes from a registry goes on without its file.
    let (plugins, pulled) = (library.plugins(), library.pulled());
    let gone = plugins.iter().filter(|(name, plugin)| {
        let known = matches!(plugin, Err(e) if matches!(e.kind, AdmissionErrorKind::Deleted));
        !known && !pulled.contains_key(*name) && !found.contains_key(*name) && !before.contains_key(*name)
    });
    for (name, _) in gone {
        retries.remove(name);
        library.remove(name);
    }
}
