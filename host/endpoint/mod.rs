//! Where Kapacitor reaches a function: a unix socket, or the process's own stdin and stdout.
//!
//! It gives each connection to a session, and never reads a byte that Kapacitor sends.

mod rights;
mod socket;
mod sockets;
mod stdio;
mod systemd;

pub use rights::{KAPACITOR, Need, Reach, User, rights};
pub use socket::{SocketFile, check, check_folder, check_group, is_served, socket_path};
pub(crate) use sockets::Sockets;
pub(crate) use stdio::take_stdio;
pub(crate) use systemd::InheritedSockets;
