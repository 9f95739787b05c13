//! Recordings of each format, as they lie on a disk.

mod any_bytes;
mod bad_lines;
mod batches;
mod csv;
mod files;
mod helpers;
mod line_protocol;
mod live;
mod stream;
