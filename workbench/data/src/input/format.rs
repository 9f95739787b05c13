//! The formats, and what each does with a line.

use std::fmt;

use super::quotes::Quotes;
use crate::model::Record;

/// Format of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// InfluxDB's line protocol.
    LineProtocol,
    /// A stream recorded by Kapacitor (`.srpl`).
    StreamRecording,
    /// Batches recorded by Kapacitor (`.brpl`).
    BatchRecording,
    /// Annotated CSV of InfluxDB 2 and 3.
    AnnotatedCsv,
    /// CSV with a header.
    Csv,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LineProtocol => "line protocol",
            Self::StreamRecording => "stream recording of Kapacitor",
            Self::BatchRecording => "batch recording of Kapacitor",
            Self::AnnotatedCsv => "annotated CSV",
            Self::Csv => "CSV",
        })
    }
}

/// Why a line can't be read, as a sentence without its end.
#[derive(Debug)]
pub(super) enum Problem {
    /// Its text is wrong. If it goes over several lines, then perhaps only since the first has a quote too many.
    Syntax(String),
    /// What it says can't be used.
    Meaning(String),
}

/// Reads one line after the other.
pub(super) trait Decoder: Send {
    /// Where a line break does not end the next line.
    fn quotes(&self) -> Quotes;

    /// Maximum length of a line in bytes.
    fn max_line(&self) -> usize {
        1024 * 1024
    }

    /// Reads the next line. A record may be complete only with a later line.
    fn line(&mut self, text: &str) -> Result<Option<Record>, Problem>;

    /// Notes that the next line can't be read at all.
    fn skip_line(&mut self) {}

    /// What is left at the end of the input, or of an entry of a batch recording. It is called until nothing is left.
    fn end(&mut self) -> Result<Option<Record>, Problem> {
        Ok(None)
    }
}
