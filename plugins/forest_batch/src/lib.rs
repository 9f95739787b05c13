//! Applies a trained ensemble of trees to each point of a batch.
//!
//! The model and the options: see `algorithms::forest`.

use algorithms::forest::Settings;
use kapacitor_guest::options::{Described, Given};
use kapacitor_guest::prelude::*;

/// The options of all plugins that apply a model.
pub struct ForestBatch {
    settings: Settings,
    /// Batches with points that lack a feature.
    incomplete: Shared<u64>,
}

impl Options for ForestBatch {
    fn describe(options: &mut Described) {
        Settings::describe(options);
    }

    fn read(given: &mut Given<'_>) -> Option<Self> {
        Some(Self { settings: Settings::read(given)?, incomplete: Shared::default() })
    }
}

impl Batch for ForestBatch {
    type Group = ();

    fn check(&self) -> Result<()> {
        self.settings.load()
    }

    fn batch(&self, _: &mut (), points: &Points<'_>, out: &mut Output) -> Result<()> {
        let mut batch = out.batch(points)?;
        let left_out = self.settings.predict(points, |point| {
            batch.send(point);
            Ok(())
        })?;
        if let Some((count, reason)) = left_out {
            let number = self.incomplete.get() + 1;
            self.incomplete.set(number);
            // The 1st, 10th, 100th... as with points that are skipped.
            if number == 10_u64.pow(number.ilog10()) {
                warn!(
                    "group `{}`: {count} of {} points of a batch have no prediction, the last one since {reason} \
                     ({number} such batches so far)",
                    points.group(),
                    points.len()
                );
            }
        }
        Ok(())
    }
}

/// Nothing but the options has an effect on a prediction, so a task goes on with any other model.
impl Snapshot<()> for ForestBatch {
    fn snapshot(&self, _: &Groups<()>) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn restore(&self, _: u32, _: &[u8], _: &mut Groups<()>) -> Result<()> {
        Ok(())
    }
}

register!(ForestBatch, snapshot);

#[cfg(test)]
mod tests;
