//! Attacks on the promises of SECURITY.md: one module for each kind of attack. Each test is named after what must
//! hold.

mod batches;
mod code_cache;
mod counts;
mod disk;
mod fairness;
mod faults;
mod groups;
mod guest_world;
mod handover;
mod http;
mod memory;
mod mixed;
mod names;
mod numbers;
mod odd_files;
mod os_limits;
mod recovery;
mod requests;
mod signals;
mod sockets;
mod state;
mod taps;
mod telling;
mod terminal;
