//! What Kapacitor was told of each function.
//!
//! Kapacitor asks when it starts, and never again. A plugin that has changed since can't be used in every
//! way until Kapacitor was restarted, also if the host was restarted meanwhile: so it is kept in
//! `<state-dir>/told`, an encoded InfoResponse for each function.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use prost::Message as _;
use tracing::{debug, warn};

use crate::config::Edges;
use crate::file::write_whole;
use crate::host::Host;
use crate::options::type_name;
use crate::protocol::InfoResponse;
use crate::router::Function;

/// Larger than any InfoResponse of a plugin that was admitted.
const MOST: u64 = 128 * 1024;

/// The answers, by function.
#[derive(Debug)]
pub(crate) struct Told {
    folder: PathBuf,
    /// Whether they outlive the host.
    keep: bool,
    /// `None`: it was looked for, and Kapacitor was not told anything.
    answers: Mutex<BTreeMap<String, Option<InfoResponse>>>,
}

impl Told {
    /// Those in `state_dir`.
    pub fn new(state_dir: &Path, keep: bool) -> Self {
        Self { folder: state_dir.join("told"), keep, answers: Mutex::default() }
    }

    /// What Kapacitor was told of `function`, if anything.
    pub fn of(&self, function: &str) -> Option<InfoResponse> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let read = || if self.keep { self.read(function) } else { None };
        answers.entry(function.to_owned()).or_insert_with(read).clone()
    }

    fn read(&self, function: &str) -> Option<InfoResponse> {
        let path = self.folder.join(function);
        let length = fs::metadata(&path).ok()?.len();
        let bytes = if length <= MOST { fs::read(path).ok()? } else { return None };
        InfoResponse::decode(&bytes[..]).ok()
    }

    /// Kapacitor is told `info`. True if that is something else than before.
    fn tell(&self, function: &str, info: &InfoResponse) -> bool {
        if self.of(function).as_ref() == Some(info) {
            return false;
        }
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.insert(function.to_owned(), Some(info.clone()));
        self.keep
    }
}

impl Host {
    /// Notes what Kapacitor is told of `function`.
    pub(crate) fn told(&self, function: &Function, info: &InfoResponse) {
        if self.told.tell(&function.name, info) {
            let (folder, name, bytes) =
                (self.told.folder.clone(), function.name.clone(), info.encode_to_vec());
            // Kapacitor need not wait for the disk, and without the file only a warning may be missing.
            self.compute().spawn_blocking(move || {
                if let Err(e) = write_whole(&folder, &name, &bytes) {
                    debug!(function = name, err = e.to_string(), "what Kapacitor was told can't be kept");
                }
            });
        }
    }

    /// Says where the plugin `name` is other than what Kapacitor was told.
    pub(crate) fn compare_with_told(&self, name: &str) {
        let plugins = self.plugins();
        let Some(Ok(plugin)) = plugins.get(name) else { return };
        for function in self.functions.values().filter(|f| !f.is_generic()) {
            if !function.named_plugins().any(|named| named == name) {
                continue;
            }
            let Some(told) = self.told.of(&function.name) else { continue };
            let differs = differences(&told, &plugin.info);
            if !differs.is_empty() {
                let (function, differs) = (function.name.as_str(), differs.join(", "));
                warn!(
                    function,
                    plugin = name,
                    differs,
                    "Kapacitor was told something else of this function: restart it to use the plugin as it is now"
                );
            }
        }
    }
}

/// What differs between two answers.
pub(crate) fn differences(told: &InfoResponse, now: &InfoResponse) -> Vec<String> {
    let mut differs = Vec::new();
    let edges = |info: &InfoResponse| Edges { wants: info.wants(), provides: info.provides() };
    if edges(told) != edges(now) {
        differs.push(format!("edges {} were {}", edges(now), edges(told)));
    }
    let types = |info: &InfoResponse, option: &str| -> Option<String> {
        let types: Vec<_> = info.options.get(option)?.value_types().map(type_name).collect();
        Some(types.join(", "))
    };
    let mut names: Vec<&String> = told.options.keys().chain(now.options.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        match (types(told, name), types(now, name)) {
            (Some(was), Some(is)) if was != is => {
                differs.push(format!("option {name}({is}) was {name}({was})"))
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
        let told = info(0, &[("a", ValueType::Int), ("b", ValueType::Int)]);
        let now = info(1, &[("b", ValueType::Double), ("c", ValueType::String)]);
        assert_eq!(differences(&told, &told), Vec::<String>::new());
        assert_eq!(
            differences(&told, &now),
            [
                "edges stream -> batch were stream -> stream",
                "option a(int) is gone",
                "option b(double) was b(int)",
                "option c(string) is new"
            ]
        );
    }
}
