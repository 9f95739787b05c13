//! Reads calls, values and scripts as a user of the crate does.

mod calls;
mod errors;
mod laws;
mod scripts;
