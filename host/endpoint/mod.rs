//! Where Kapacitor reaches a function: a unix socket, or the process's own stdin and stdout.
//!
//! Uses `session`, to which it gives each connection, and `shared`. It never reads a byte of what
//! Kapacitor sends.

mod socket;
mod stdio;
mod systemd;

pub use socket::{Socket, check, socket_path};
pub(crate) use stdio::take_stdio;
pub(crate) use systemd::InheritedSockets;
