//! What comes out of a processor.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::{error, warn};

use super::unsigned::UnsignedFields;
use crate::logging::Tenfold;
use crate::workbench::line_writer::LineWriter;
use crate::workbench::output::Output;
use crate::workbench::player::Sink;

/// Points as line protocol, written as soon as no more come at once.
#[derive(Clone)]
pub struct LiveOutput(Arc<Shared>);

struct Shared {
    unsigned: UnsignedFields,
    lines: Mutex<Lines>,
}

struct Lines {
    writer: LineWriter,
    unwritable: Tenfold,
    /// Whether the log has it that nothing can be written.
    told_failed: bool,
}

impl LiveOutput {
    /// Writes to `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        let writer = LineWriter::new(Some(out), false);
        let lines = Lines { writer, unwritable: Tenfold::default(), told_failed: false };
        Self(Arc::new(Shared { unsigned: UnsignedFields::default(), lines: Mutex::new(lines) }))
    }

    /// The unsigned fields of the input.
    pub fn unsigned(&self) -> &UnsignedFields {
        &self.0.unsigned
    }

    /// Writes a point or the points of a batch, perhaps together with later ones.
    pub fn put(&self, output: &Output) {
        let mut lines = self.lines();
        lines.writer.write(output);
        let unwritable = lines.writer.unwritable;
        if lines.unwritable.is_due(unwritable) {
            let (count, first) =
                (unwritable.to_string(), lines.writer.first_problem.clone().unwrap_or_default());
            warn!(count, first, "points of the plugin were left out: line protocol can't express them");
        }
        lines.tell_failed();
    }

    /// Writes what waits.
    pub fn flush(&self) {
        let mut lines = self.lines();
        lines.writer.flush();
        lines.tell_failed();
    }

    /// Whether nothing can be written any more.
    pub fn has_failed(&self) -> bool {
        self.lines().writer.failed.is_some()
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        // What was written stays written when a thread panics.
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn tell_failed(&mut self) {
        if let Some(error) = &self.writer.failed
            && !self.told_failed
        {
            self.told_failed = true;
            let err = match error.kind() {
                io::ErrorKind::BrokenPipe => "nobody reads it".to_owned(),
                _ => error.to_string(),
            };
            error!(err, "stdout can't be written to, the process ends");
        }
    }
}

impl Sink for LiveOutput {
    fn take(&mut self, mut output: Output) {
        output.points_mut().iter_mut().for_each(|point| self.0.unsigned.restore(point));
        self.put(&output);
    }

    fn rest(&mut self) {
        self.flush();
    }
}
