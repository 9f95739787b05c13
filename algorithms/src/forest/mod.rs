//! Trained ensembles of decision trees, as `tools/forest` writes them.
//!
//! [`Model`] reads the format and refuses what is damaged. [`Model::score`] computes what the trees say together, and
//! [`Model::finish`] makes of it what the library of the model would: a number, or a probability for each class.
//! [`Settings`] are the options of the plugins `forest` and `forest_batch`, with all that these have in common.

mod checks;
mod columns;
mod header;
mod link;
mod model;
mod node;
mod results;
mod settings;
mod watch;

pub use header::Task;
pub use link::Link;
pub use model::Model;
pub use settings::{Missing, Settings};

#[cfg(test)]
mod tests;
