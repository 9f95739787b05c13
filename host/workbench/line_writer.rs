//! Writes what a plugin sends as line protocol.

use std::io::{self, Write};

use kapacitor_wasm_data::line_protocol;

use super::output::Output;

/// Size in bytes at which lines are written.
const CHUNK: usize = 64 * 1024;

/// Writes points, or counts them if they are to be written nowhere.
pub struct LineWriter {
    out: Option<Box<dyn Write + Send>>,
    waiting: Vec<u8>,
    /// Whether lines are written at once.
    at_once: bool,
    /// Points that line protocol can't express.
    pub unwritable: u64,
    /// Why the first of them can't be expressed.
    pub first_problem: Option<String>,
    /// Why nothing more is written.
    pub failed: Option<io::Error>,
}

impl LineWriter {
    /// Writes to `out`.
    pub fn new(out: Option<Box<dyn Write + Send>>, at_once: bool) -> Self {
        Self { out, waiting: Vec::new(), at_once, unwritable: 0, first_problem: None, failed: None }
    }

    /// Writes a point, or the points of a batch.
    pub fn write(&mut self, output: &Output) {
        if self.out.is_none() || self.failed.is_some() {
            return;
        }
        for point in output.points() {
            if let Err(problem) = line_protocol::write(point, &mut self.waiting) {
                self.unwritable += 1;
                self.first_problem.get_or_insert_with(|| problem.to_string());
            }
        }
        if self.at_once || self.waiting.len() >= CHUNK {
            self.flush();
        }
    }

    /// Writes what waits.
    pub fn flush(&mut self) {
        if let Some(out) = &mut self.out
            && let Err(error) = out.write_all(&self.waiting).and_then(|()| out.flush())
        {
            self.failed.get_or_insert(error);
        }
        self.waiting.clear();
    }
}
