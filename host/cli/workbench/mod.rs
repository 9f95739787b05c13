//! The commands of the workbench: a plugin on data, without a Kapacitor.

mod bench;
mod flags;
mod junit;
mod locate;
mod new;
mod pipes;
mod progress_bar;
mod replay;
mod telegraf;
mod test;
mod watch;

pub use bench::{Options as BenchOptions, bench};
pub use new::{Options as NewOptions, new};
pub use replay::{Options as ReplayOptions, replay};
pub use telegraf::{NAME as TELEGRAF, Options as TelegrafOptions, refuse as refuse_for_telegraf, telegraf};
pub use test::{Options as TestOptions, test};
