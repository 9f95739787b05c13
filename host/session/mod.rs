//! One connection of Kapacitor: what it sends is read, queued and dispatched, and the answers are written.
//!
//! It knows nothing of what a plugin returns: these are bytes, which `task` has passed through the guard.

mod account;
mod arrivals;
mod backpressure;
mod connection;
mod drain;
mod end;
mod executor;
mod gather;
mod heartbeat;
mod inbox;
mod link;
mod offload;
mod outbox;
mod timer;

#[cfg(test)]
mod tests;

pub use connection::Session;
pub(crate) use connection::stop;
pub(crate) use drain::LAST_RESORT as DRAIN_LAST_RESORT;
pub use end::End;
pub use inbox::{Inbox, InboxItem, InboxLimits};
pub use link::Link;
