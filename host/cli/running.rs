//! Has a running host describe itself, for `check --diff` and `doctor`.

use std::sync::Arc;

use clap::ValueEnum as _;

use super::settings::Settings;
use crate::shared::Shared;
use crate::state::{FunctionOrigin, RunningFlags, RunningHost, start_of};

/// Describes a host in its state folder.
pub struct Describer {
    settings: Settings,
    shared: Arc<Shared>,
}

impl Describer {
    /// For a process that was started with `settings`.
    pub fn new(settings: Settings, shared: &Arc<Shared>) -> Self {
        Self { settings, shared: Arc::clone(shared) }
    }

    /// Describes what is served now, and again after each change, for as long as the host runs.
    pub async fn follow(self: Arc<Self>) {
        let mut changes = self.shared.changes();
        loop {
            self.describe();
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Describes what is served now.
    pub fn describe(&self) {
        let process = std::process::id();
        let functions = self.shared.functions();
        let functions = functions.values().map(|function| {
            let origin = if function.is_removed() {
                FunctionOrigin::Removed
            } else if function.is_of_plugin_file() {
                FunctionOrigin::PluginFile
            } else {
                FunctionOrigin::UdfToml
            };
            (function.name.clone(), origin)
        });
        let Settings { config, plugins_dir, socket_dir, log_level } = self.settings.clone();
        let log_level = log_level.and_then(|level| level.to_possible_value());
        let log_level = log_level.map(|level| level.get_name().to_owned());
        self.shared.describe(RunningHost {
            process,
            started: start_of(process).unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build: env!("BUILD").to_owned(),
            folder: std::env::current_dir().unwrap_or_default(),
            flags: RunningFlags { config, plugins_dir, socket_dir, log_level },
            settings: self.shared.config().settings(),
            functions: functions.collect(),
            refusal: self.shared.last_reload().and_then(|reload| reload.outcome.as_ref().err().cloned()),
        });
    }
}
