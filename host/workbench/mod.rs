//! A plugin on data, without a Kapacitor: what `replay`, `test` and `bench` have in common.
//!
//! The workbench plays Kapacitor: a [`Pipeline`](pipeline::Pipeline) makes of a recording what Kapacitor would send to
//! the UDF, and a [`Player`](player::Player) sends it over a connection to a [`PluginHost`](plugin_host::PluginHost),
//! which serves it as `serve` does: in a session, with limits, guard and recovery.

mod output;
mod pipeline;
mod player;
mod plugin_host;
