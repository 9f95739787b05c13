//! Line protocol, and Kapacitor's recordings of streams.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::format::{Decoder, Problem};
use super::options::{Precision, TimeIfMissing};
use super::quotes::Quotes;
use super::times::from_number;
use crate::line_protocol::{Line, parse};
use crate::model::{Point, Record, Source};

/// Line protocol: a point in each line.
pub(super) struct LineProtocol {
    source: Arc<Source>,
    precision: Precision,
    time_if_missing: TimeIfMissing,
}

impl LineProtocol {
    pub(super) fn new(precision: Precision, time_if_missing: TimeIfMissing) -> Self {
        Self { source: Arc::default(), precision, time_if_missing }
    }

    fn time(&self, timestamp: Option<i64>) -> Result<i64, Problem> {
        let Some(timestamp) = timestamp else {
            return match self.time_if_missing {
                TimeIfMissing::Now => Ok(now()),
                TimeIfMissing::Refuse => Err(Problem::Meaning("it has no timestamp".to_owned())),
            };
        };
        from_number(timestamp, self.precision).ok_or_else(|| {
            let problem = "is out of range: is the precision of the input a smaller unit?";
            Problem::Meaning(format!("the timestamp {timestamp} {problem}"))
        })
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

impl Decoder for LineProtocol {
    fn quotes(&self) -> Quotes {
        Quotes::LineProtocol
    }

    fn line(&mut self, text: &str) -> Result<Option<Record>, Problem> {
        let start = text.trim_start_matches([' ', '\t', '\0']);
        if start.is_empty() || start.starts_with('#') {
            return Ok(None);
        }
        let line = parse(start).map_err(|error| Problem::Syntax(error.to_string()))?;
        let Line { measurement, tags, fields, timestamp } = line;
        let time = self.time(timestamp)?;
        let source = Arc::clone(&self.source);
        Ok(Some(Record::Point(Point { source, measurement, tags, fields, time })))
    }
}

/// A recording of a stream: for each point a line with the database, one with the retention policy, and the point as
/// line protocol in nanoseconds.
///
/// Source: `WritePointForRecording` in `replay.go` of Kapacitor 1.5.9. Kapacitor itself can't read a text of several
/// lines that it has recorded; this can.
pub(super) struct StreamRecording {
    part: Part,
    database: String,
    retention_policy: String,
    points: LineProtocol,
}

/// What the next line is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Database,
    RetentionPolicy,
    Point,
}

impl StreamRecording {
    pub(super) fn new() -> Self {
        let points = LineProtocol::new(Precision::Nanoseconds, TimeIfMissing::Refuse);
        Self { part: Part::Database, database: String::new(), retention_policy: String::new(), points }
    }

    fn point(&mut self, text: &str) -> Result<Option<Record>, Problem> {
        let source = &self.points.source;
        if source.database != self.database || source.retention_policy != self.retention_policy {
            let (database, retention_policy) = (self.database.clone(), self.retention_policy.clone());
            self.points.source = Arc::new(Source { database, retention_policy });
        }
        // A text with a quote too many would have taken the lines of the next point with it: to give some of them back
        // would mix up which line is which.
        match self.points.line(text) {
            Ok(None) => {
                Err(Problem::Meaning("there is no point behind database and retention policy".to_owned()))
            }
            Err(Problem::Syntax(problem)) => Err(Problem::Meaning(problem)),
            other => other,
        }
    }
}

impl Decoder for StreamRecording {
    fn quotes(&self) -> Quotes {
        if self.part == Part::Point { Quotes::LineProtocol } else { Quotes::None }
    }

    fn line(&mut self, text: &str) -> Result<Option<Record>, Problem> {
        let part = self.part;
        self.skip_line();
        match part {
            Part::Database => text.clone_into(&mut self.database),
            Part::RetentionPolicy => text.clone_into(&mut self.retention_policy),
            Part::Point => return self.point(text),
        }
        Ok(None)
    }

    fn skip_line(&mut self) {
        self.part = match self.part {
            Part::Database => Part::RetentionPolicy,
            Part::RetentionPolicy => Part::Point,
            Part::Point => Part::Database,
        };
    }

    fn end(&mut self) -> Result<Option<Record>, Problem> {
        match std::mem::replace(&mut self.part, Part::Database) {
            Part::Database => Ok(None),
            // An empty line at the end of a file is no database.
            Part::RetentionPolicy if self.database.is_empty() => Ok(None),
            _ => Err(Problem::Meaning("the recording ends before the point".to_owned())),
        }
    }
}
