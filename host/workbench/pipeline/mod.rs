//! From the records of a recording to what Kapacitor would send to the UDF: `from`, `groupBy` and `window`.

mod frames;
mod group;
mod input_counts;
mod window;

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use kapacitor_wasm_data::{Batch, Point, Record, Source};
use thiserror::Error;

pub use self::frames::put_frames;
pub use self::group::{Group, GroupBy};
pub use self::input_counts::{InputCounts, MAX_GROUPS};
use self::window::{Complete, Windows};
pub use self::window::{TooManyPoints, WindowSpec};
use crate::protocol::EdgeType;

/// What lies between the recording and the UDF.
#[derive(Clone, Debug, Default)]
pub struct PipelineSpec {
    /// Only points of this database; all if it is empty. Points without a database, such as those of line protocol, are
    /// taken as written to it.
    pub database: String,
    /// Only points of this retention policy; all if it is empty. The same holds for points without one.
    pub retention_policy: String,
    /// Only points of these measurements; all if there are none.
    pub measurements: Vec<String>,
    /// The groups.
    pub group_by: GroupBy,
    /// Cuts the stream into batches.
    pub window: Option<WindowSpec>,
}

/// What the UDF gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A point of a stream.
    Point(Group, Point),
    /// A whole batch.
    Batch(Group, Batch),
}

/// Why a record can't be given to the UDF.
#[derive(Debug, Error)]
pub enum PipelineError {
    /// The plugin takes batches, and the recording is a stream.
    #[error(
        "the plugin takes batches, and the recording has single points: give --window PERIOD, or a script with a window"
    )]
    NeedsWindow,
    /// The plugin takes a stream, and the recording or the script makes batches.
    #[error("the plugin takes single points, and {0} makes batches of them")]
    NeedsStream(&'static str),
    /// A recording of batches can't be cut into windows.
    #[error("the recording has batches already: leave out --window")]
    WindowOfBatches,
    /// The windows hold too many points.
    #[error(transparent)]
    TooManyPoints(#[from] TooManyPoints),
}

/// Turns records into messages.
pub struct Pipeline {
    spec: PipelineSpec,
    wants: EdgeType,
    windows: Option<Windows>,
    /// Where points without a database and retention policy are taken to be written to.
    source: Arc<Source>,
    /// What came, if it is counted.
    pub counts: InputCounts,
    is_counted: bool,
}

impl Pipeline {
    /// A pipeline to a plugin that wants this edge.
    ///
    /// # Errors
    ///
    /// When the plugin does not take what the pipeline makes.
    pub fn new(spec: PipelineSpec, wants: EdgeType) -> Result<Self, PipelineError> {
        if spec.window.is_some() && wants == EdgeType::Stream {
            return Err(PipelineError::NeedsStream("the window"));
        }
        let windows = spec.window.map(Windows::new);
        let source =
            Source { database: spec.database.clone(), retention_policy: spec.retention_policy.clone() };
        let counts = InputCounts::default();
        Ok(Self { spec, wants, windows, source: Arc::new(source), counts, is_counted: true })
    }

    /// The same without counting what comes, for an input that does not end: the counts take memory for each group.
    #[must_use]
    pub fn uncounted(self) -> Self {
        Self { is_counted: false, ..self }
    }

    /// The messages that a record leads to: none or one.
    ///
    /// # Errors
    ///
    /// When the record can't be given to the plugin.
    pub fn push(&mut self, record: Record) -> Result<Option<Message>, PipelineError> {
        match record {
            Record::Point(point) => self.push_point(point),
            Record::Batch(batch) => self.push_batch(batch),
        }
    }

    fn push_point(&mut self, mut point: Point) -> Result<Option<Message>, PipelineError> {
        let spec = &self.spec;
        if point.source.database.is_empty() && point.source.retention_policy.is_empty() {
            point.source = Arc::clone(&self.source);
        }
        let other = |wanted: &str, is: &str| !wanted.is_empty() && wanted != is;
        if other(&spec.database, &point.source.database)
            || other(&spec.retention_policy, &point.source.retention_policy)
        {
            self.counts.filter(&format!("{}.{}", point.source.database, point.source.retention_policy));
            return Ok(None);
        }
        if !self.is_wanted(&point.measurement) {
            self.counts.filter(&point.measurement);
            return Ok(None);
        }
        if self.wants == EdgeType::Batch && self.windows.is_none() {
            return Err(PipelineError::NeedsWindow);
        }
        let group = self.spec.group_by.group(&point);
        if self.is_counted {
            self.counts.take(&group, &point);
        }
        let Some(windows) = &mut self.windows else { return Ok(Some(Message::Point(group, point))) };
        let complete = windows.push(&group, point)?;
        Ok(complete.map(|complete| batch_of(complete, group)))
    }

    fn push_batch(&mut self, mut batch: Batch) -> Result<Option<Message>, PipelineError> {
        if !self.is_wanted(&batch.name) {
            self.counts.filter(&batch.name);
            return Ok(None);
        }
        if self.windows.is_some() {
            return Err(PipelineError::WindowOfBatches);
        }
        if self.wants == EdgeType::Stream {
            return Err(PipelineError::NeedsStream("the recording"));
        }
        let group = Group::new(&batch.name, &batch.tags, batch.tags.keys().cloned().collect(), batch.by_name);
        for point in &mut batch.points {
            self.counts.take(&group, point);
        }
        Ok(Some(Message::Batch(group, batch)))
    }

    fn is_wanted(&self, measurement: &str) -> bool {
        self.spec.measurements.is_empty() || self.spec.measurements.iter().any(|wanted| wanted == measurement)
    }

    /// Number of points that wait in a window that no later point has completed.
    pub fn unsent(&self) -> u64 {
        self.windows.as_ref().map_or(0, Windows::unsent)
    }
}

fn batch_of(complete: Complete, group: Group) -> Message {
    let Complete { name, tmax, points } = complete;
    let none = BTreeMap::new();
    let tags = group.tags(points.first().map_or(&none, |point| &point.tags));
    let by_name = group.by_name;
    Message::Batch(group, Batch { name, tags, by_name, tmax, points })
}

impl Message {
    /// Its group.
    pub fn group(&self) -> &Group {
        match self {
            Self::Point(group, _) | Self::Batch(group, _) => group,
        }
    }

    /// Its points.
    pub fn points(&self) -> &[Point] {
        match self {
            Self::Point(_, point) => std::slice::from_ref(point),
            Self::Batch(_, batch) => &batch.points,
        }
    }

    /// Its points, to change them.
    pub fn points_mut(&mut self) -> &mut [Point] {
        match self {
            Self::Point(_, point) => std::slice::from_mut(point),
            Self::Batch(_, batch) => &mut batch.points,
        }
    }

    /// Its time: that of the point, or the end of the batch.
    pub fn time(&self) -> i64 {
        match self {
            Self::Point(_, point) => point.time,
            Self::Batch(_, batch) => batch.tmax,
        }
    }

    /// Takes its points.
    pub fn take_points(&mut self) -> Vec<Point> {
        match self {
            Self::Point(_, point) => vec![point.clone()],
            Self::Batch(_, batch) => mem::take(&mut batch.points),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use kapacitor_wasm_data::Value;

    use super::*;

    /// The point of one line with plain names and doubles.
    pub fn point(line: &str) -> Point {
        let [series, fields, time] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let mut series = series.split(',');
        let pair = |text: &str| text.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())).unwrap();
        Point {
            source: Arc::default(),
            measurement: series.next().unwrap().to_owned(),
            tags: series.map(pair).collect(),
            fields: fields
                .split(',')
                .map(pair)
                .map(|(key, value)| (key, Value::Double(value.parse().unwrap())))
                .collect(),
            time: time.parse().unwrap(),
        }
    }

    fn pipeline(spec: PipelineSpec, wants: EdgeType) -> Pipeline {
        Pipeline::new(spec, wants).unwrap()
    }

    #[test]
    fn other_measurements_and_databases_are_left_out_and_counted() {
        let spec = PipelineSpec { measurements: vec!["cpu".to_owned()], ..PipelineSpec::default() };
        let mut pipeline = pipeline(spec, EdgeType::Stream);
        assert!(pipeline.push(Record::Point(point("mem v=1 1"))).unwrap().is_none());
        assert!(pipeline.push(Record::Point(point("cpu v=1 2"))).unwrap().is_some());
        assert_eq!(pipeline.counts.filtered(), [("mem".to_owned(), 1)].into());
        assert_eq!(pipeline.counts.points, 1);
    }

    #[test]
    fn points_without_a_database_are_taken_as_written_to_that_of_the_script() {
        let spec = PipelineSpec { database: "telegraf".to_owned(), ..PipelineSpec::default() };
        let mut pipeline = pipeline(spec, EdgeType::Stream);
        let Some(Message::Point(_, taken)) = pipeline.push(Record::Point(point("cpu v=1 1"))).unwrap() else {
            panic!()
        };
        assert_eq!(taken.source.database, "telegraf");
        let source = Source { database: "other".to_owned(), retention_policy: "autogen".to_owned() };
        let other = Point { source: Arc::new(source), ..point("cpu v=1 2") };
        assert!(pipeline.push(Record::Point(other)).unwrap().is_none());
        assert_eq!(pipeline.counts.filtered(), [("other.autogen".to_owned(), 1)].into());
    }

    #[test]
    fn edges_must_fit() {
        let window = Some(WindowSpec::Time { period: 10, every: 10, align: true, fill_period: false });
        let windowed = PipelineSpec { window, ..PipelineSpec::default() };
        assert!(Pipeline::new(windowed.clone(), EdgeType::Stream).is_err());
        let batch = Batch {
            name: "cpu".to_owned(),
            tags: BTreeMap::new(),
            by_name: false,
            tmax: 5,
            points: vec![point("cpu v=1 1")],
        };
        let mut plain = pipeline(PipelineSpec::default(), EdgeType::Batch);
        assert!(matches!(plain.push(Record::Point(point("cpu v=1 1"))), Err(PipelineError::NeedsWindow)));
        assert!(plain.push(Record::Batch(batch.clone())).unwrap().is_some());
        let mut windowed = pipeline(windowed, EdgeType::Batch);
        assert!(matches!(windowed.push(Record::Batch(batch.clone())), Err(PipelineError::WindowOfBatches)));
        let mut stream = pipeline(PipelineSpec::default(), EdgeType::Stream);
        assert!(matches!(stream.push(Record::Batch(batch)), Err(PipelineError::NeedsStream(_))));
    }

    #[test]
    fn a_window_becomes_a_batch_of_its_group() {
        let window = Some(WindowSpec::Time { period: 10, every: 10, align: true, fill_period: false });
        let group_by = GroupBy::new(["host".to_owned()], false);
        let spec = PipelineSpec { window, group_by, ..PipelineSpec::default() };
        let mut pipeline = pipeline(spec, EdgeType::Batch);
        for line in ["x,host=a v=1 13", "x,host=b v=1 14", "x,host=a v=1 19"] {
            assert!(pipeline.push(Record::Point(point(line))).unwrap().is_none());
        }
        assert_eq!(pipeline.unsent(), 3);
        let message = pipeline.push(Record::Point(point("x,host=a v=1 20"))).unwrap().unwrap();
        let Message::Batch(group, batch) = &message else { panic!() };
        assert_eq!((group.id.as_str(), batch.tmax, batch.points.len()), ("host=a", 20, 2));
        assert_eq!(batch.tags, [("host".to_owned(), "a".to_owned())].into());
        assert_eq!((pipeline.unsent(), message.time()), (2, 20));
    }
}
