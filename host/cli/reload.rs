//! SIGHUP: reads `udf.toml` again.

use std::sync::Arc;

use anyhow::Result;
use sd_notify::NotifyState;
use tracing::{error, info, warn};

use super::running::Describer;
use super::settings::Settings;
use crate::config::{Applies, Change};
use crate::endpoint;
use crate::logging::LevelHandle;
use crate::shared::Shared;

/// Reads `udf.toml` again, with the flags of the process over it.
pub struct Reloader(Arc<Parts>);

struct Parts {
    settings: Settings,
    shared: Arc<Shared>,
    level: LevelHandle,
    describer: Arc<Describer>,
}

impl Reloader {
    /// For a process that was started with `settings`.
    pub fn new(
        settings: Settings,
        shared: &Arc<Shared>,
        level: LevelHandle,
        describer: &Arc<Describer>,
    ) -> Self {
        let (shared, describer) = (Arc::clone(shared), Arc::clone(describer));
        Self(Arc::new(Parts { settings, shared, level, describer }))
    }

    /// Puts the file in force, or refuses it with the sentence of a start, and then everything stays as it was. The log
    /// says what has changed. Files are read on a thread of their own, since a disk may hang.
    pub async fn reload(self) -> Self {
        let parts = Arc::clone(&self.0);
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            let _ = sd_notify::notify(&[NotifyState::Reloading, now]);
        }
        let status = match tokio::task::spawn_blocking(move || parts.reload()).await {
            Ok(Ok(())) => {
                self.0.describer.describe();
                "Serving.".to_owned()
            }
            Ok(Err(e)) => {
                let err = format!("{e:#}");
                self.0.shared.note_reload(Err(err.clone()));
                self.0.describer.describe();
                error!(err, "udf.toml is refused, everything stays as it was");
                format!("Serving with an older udf.toml, the file is refused: {err}")
            }
            Err(e) => {
                error!(err = e.to_string(), "udf.toml was not read because of a fault of the host");
                "Serving with an older udf.toml.".to_owned()
            }
        };
        let _ = sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
        self
    }
}

impl Parts {
    fn reload(&self) -> Result<()> {
        let file = self.settings.config.display().to_string();
        let config = self.settings.load()?;
        endpoint::check_group(&config)?;
        let (before, now) = (self.shared.config().log_level, config.log_level);
        let changes = self.shared.reload(config)?;
        // The lines below appear if either level lets them.
        self.level.set(before.min(now));
        if changes.is_empty() {
            info!(file, "udf.toml read again: nothing has changed");
        }
        for change in changes.iter().filter(|change| change.applies == Applies::AfterRestart) {
            warn!(
                file,
                change = change.to_string(),
                "this key keeps its value until a restart of the host, and of Kapacitor after it"
            );
        }
        let (at_once, for_new_tasks) = (of(&changes, Applies::AtOnce), of(&changes, Applies::ToNewTasks));
        if !at_once.is_empty() || !for_new_tasks.is_empty() {
            info!(file, at_once, for_new_tasks, "udf.toml read again");
        }
        self.level.set(now);
        Ok(())
    }
}

/// The changes that apply like this, for the log.
fn of(changes: &[Change], applies: Applies) -> String {
    let changes = changes.iter().filter(|change| change.applies == applies);
    changes.map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
