//! The commands of the workbench: a plugin on data, without a Kapacitor.

mod flags;
mod progress_bar;
mod replay;
mod watch;

pub use replay::{Options as ReplayOptions, replay};
