//! One module for each subcommand, or for two that are much alike.

pub mod check;
pub mod compile;
pub mod demo;
pub mod serve;
pub mod skipped;
pub mod state;
pub mod systemd;
