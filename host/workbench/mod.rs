//! A plugin on data, without a Kapacitor: what `replay`, `test`, `bench` and `telegraf` have in common.
//!
//! The workbench plays Kapacitor: a [`Pipeline`] makes of a recording what Kapacitor would send to
//! the UDF, and a [`Player`](player::Player) sends it over a connection to a [`PluginHost`],
//! which serves it as `serve` does: in a session, with limits, guard and recovery.

mod call;
mod cases;
mod ledger;
mod line_writer;
mod measure;
mod output;
mod pace;
mod pipeline;
mod player;
mod plugin_host;
mod processor;
mod replay;
mod summary;

pub use call::{Call, CallSpec, protocol_options};
pub use cases::{Case, CaseError, CaseOutcome, Proof, find_cases, run_case, write_expected};
pub use ledger::{Ledger, text_of};
pub use measure::{Figures, measure, measure_together, median};
pub use pace::parse_speed;
pub use pipeline::{Message, Pipeline};
pub use plugin_host::{HostSpec, PluginHost, Purpose};
pub use processor::Processor;
pub use replay::{Progress, Replay, Replayed};
pub use summary::{notes, nothing_played, rows as summary, significant, size, span};
