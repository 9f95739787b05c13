//! Applies a trained ensemble of trees to each point.
//!
//! The model and the options: see `algorithms::forest`.

use algorithms::forest::Settings;
use kapacitor_guest::options::{Described, Given};
use kapacitor_guest::prelude::*;

/// The options of all plugins that apply a model.
pub struct Forest(Settings);

impl Options for Forest {
    fn describe(options: &mut Described) {
        Settings::describe(options);
    }

    fn read(given: &mut Given<'_>) -> Option<Self> {
        Settings::read(given).map(Self)
    }
}

impl Stream for Forest {
    type Group = ();

    fn check(&self) -> Result<()> {
        self.0.load()
    }

    fn point(&self, _: &mut (), point: Point<'_>, out: &mut Output) -> Result<()> {
        match self.0.predict([point], |point| out.send(point))? {
            Some((_, reason)) => Err(reason),
            None => Ok(()),
        }
    }
}

/// Nothing but the options has an effect on a prediction, so a task goes on with any other model.
impl Snapshot<()> for Forest {
    fn snapshot(&self, _: &Groups<()>) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn restore(&self, _: u32, _: &[u8], _: &mut Groups<()>) -> Result<()> {
        Ok(())
    }
}

register!(Forest, snapshot);

#[cfg(test)]
mod tests;
