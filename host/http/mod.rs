//! Answers over HTTP: metrics, the status, whether the host is well, and, on a unix socket, the points of a task.
//!
//! It has a thread of its own and only reads what other rooms know, so that no client delays a session. What a client
//! can make it hold is bounded: connections, the size of a request's head, the answers that it
//! does not read, and the time that all of this may take.

mod answer;
mod health;
mod held;
mod host_header;
mod listener;
mod metrics;
mod process;
mod server;
mod status;
mod tap;
mod text_format;

pub use server::Server;
pub use tap::SIGN_OF_LIFE;
