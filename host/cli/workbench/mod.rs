//! The commands of the workbench: a plugin on data, without a Kapacitor.

mod flags;
mod junit;
mod locate;
mod new;
mod progress_bar;
mod replay;
mod test;
mod watch;

pub use new::{Options as NewOptions, new};
pub use replay::{Options as ReplayOptions, replay};
pub use test::{Options as TestOptions, test};
