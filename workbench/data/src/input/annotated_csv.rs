//! Annotated CSV of InfluxDB 2 and 3.
//!
//! A file has several tables, each with its own annotations and header. Without pivoting, each row has one field. Rows
//! that follow each other and have the same measurement, tags and time become one point; a point of which InfluxDB wrote
//! the fields into different tables stays several points with one field each, since to put these together would need all
//! of the file in memory (`pivot` in the query does it).
//!
//! Source: <https://docs.influxdata.com/influxdb/v2/reference/syntax/annotated-csv/>.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cells::{Cells, Kind};
use super::format::{Decoder, Problem};
use super::options::CsvOptions;
use super::quotes::Quotes;
use super::times::parse_date;
use crate::model::{Point, Record, Source};

/// Maximum number of fields that are put together in one point.
const MAX_FIELDS: usize = 10_000;

/// Columns that say how the result was made.
const OF_RESULT: [&str; 5] = ["", "result", "table", "_start", "_stop"];

/// Tables of points.
pub(super) struct AnnotatedCsv {
    source: Arc<Source>,
    /// For a table without a column for it.
    measurement: String,
    tags: Vec<String>,
    annotations: Annotations,
    state: State,
    /// The point of the last row. The next row may have more fields of it.
    point: Option<Point>,
    cells: Cells,
}

/// What the annotations of a table say, for each of its columns.
#[derive(Default)]
struct Annotations {
    datatypes: Vec<String>,
    are_groups: Option<Vec<bool>>,
    defaults: Vec<String>,
}

/// What comes next.
enum State {
    /// Annotations, or a header.
    Header,
    /// Rows of points.
    Points(Vec<Column>),
    /// Rows that say why the query failed: the column with the message.
    Errors(usize),
    /// Rows that can't be used, which was said at the header.
    Ignored,
}

/// What the cells of a column are.
enum Column {
    OfResult,
    Time,
    Measurement,
    /// The name of the field whose value is in the column `Value`.
    FieldKey,
    Value(Option<Kind>),
    Tag(String),
    Field(String, Option<Kind>),
}

impl AnnotatedCsv {
    /// `measurement` is used if neither the file nor the options have one.
    pub(super) fn new(measurement: String, options: &CsvOptions) -> Self {
        Self {
            source: Arc::default(),
            measurement: options.measurement.clone().unwrap_or(measurement),
            tags: options.tags.clone(),
            annotations: Annotations::default(),
            state: State::Header,
            point: None,
            cells: Cells::new(),
        }
    }

    /// Puts a point together with the one before it, or gives out that one.
    fn add(&mut self, point: Point) -> Option<Point> {
        if let Some(last) = &mut self.point
            && (last.time, &last.measurement, &last.tags) == (point.time, &point.measurement, &point.tags)
            && last.fields.len() + point.fields.len() <= MAX_FIELDS
            && !point.fields.keys().any(|key| last.fields.contains_key(key))
        {
            last.fields.extend(point.fields);
            return None;
        }
        self.point.replace(point)
    }
}

impl Decoder for AnnotatedCsv {
    fn quotes(&self) -> Quotes {
        Quotes::Csv
    }

    fn line(&mut self, text: &str) -> Result<Option<Record>, Problem> {
        if text.is_empty() {
            self.state = State::Header;
            self.annotations = Annotations::default();
            return Ok(None);
        }
        let cells = self.cells.cut(text)?;
        if let Some(annotation) = cells[0].strip_prefix('#') {
            if !matches!(self.state, State::Header) {
                self.state = State::Header;
                self.annotations = Annotations::default();
            }
            return self.annotations.add(annotation, &cells).map(|()| None);
        }
        match &self.state {
            State::Header => {
                // If the header can't be used, neither can its rows.
                self.state = State::Ignored;
                self.state = header(&cells, &self.annotations, &self.tags)?;
                Ok(None)
            }
            State::Ignored => Ok(None),
            State::Errors(column) => {
                let message = cells.get(*column).unwrap_or(&"");
                Err(Problem::Meaning(format!("the query that made this file failed: {message}")))
            }
            State::Points(columns) => {
                let point =
                    point(&cells, columns, &self.annotations.defaults, &self.measurement, &self.source)?;
                Ok(point.and_then(|point| self.add(point)).map(Record::Point))
            }
        }
    }

    fn end(&mut self) -> Result<Option<Record>, Problem> {
        Ok(self.point.take().map(Record::Point))
    }
}

impl Annotations {
    fn add(&mut self, annotation: &str, cells: &[&str]) -> Result<(), Problem> {
        let owned = || cells.iter().map(|&cell| cell.to_owned()).collect();
        match annotation {
            "datatype" => self.datatypes = owned(),
            "default" => self.defaults = owned(),
            "group" => self.are_groups = Some(cells.iter().map(|&cell| cell == "true").collect()),
            "constant" | "timezone" | "concat" => {
                let problem = format!("`#{annotation}` is of extended annotated CSV, which can't be read");
                return Err(Problem::Meaning(problem));
            }
            // A comment.
            _ => {}
        }
        Ok(())
    }

    /// The type of the values in a column; `None` if the table says nothing of types.
    fn kind(&self, column: usize) -> Option<Kind> {
        let datatype = self.datatypes.get(column).map(String::as_str);
        (!self.datatypes.is_empty()).then_some(match datatype {
            Some("long") => Kind::Int,
            Some("unsignedLong") => Kind::Unsigned,
            Some("double") => Kind::Double,
            Some("boolean") => Kind::Bool,
            _ => Kind::Text,
        })
    }
}

/// What the rows below this header are.
fn header(cells: &[&str], annotations: &Annotations, tags: &[String]) -> Result<State, Problem> {
    let has = |name: &str| cells.contains(&name);
    if let Some(column) = cells.iter().position(|&name| name == "error")
        && !has("_time")
    {
        return Ok(State::Errors(column));
    }
    if !has("_time") {
        let problem = "the table has no column `_time`, and is left out: keep that column in the query";
        return Err(Problem::Meaning(problem.to_owned()));
    }
    let is_pivoted = !has("_field") || !has("_value");
    let is_group = |column: usize| {
        annotations.are_groups.as_ref().is_some_and(|groups| groups.get(column) == Some(&true))
    };
    let column = |(column, &name): (usize, &&str)| match name {
        "_time" => Column::Time,
        "_measurement" => Column::Measurement,
        "_field" if !is_pivoted => Column::FieldKey,
        "_value" if !is_pivoted => Column::Value(annotations.kind(column)),
        name if OF_RESULT.contains(&name) => Column::OfResult,
        name if !is_pivoted || is_group(column) || tags.iter().any(|tag| tag == name) => {
            Column::Tag(name.to_owned())
        }
        "_value" => Column::Field("value".to_owned(), annotations.kind(column)),
        name => Column::Field(name.to_owned(), annotations.kind(column)),
    };
    Ok(State::Points(cells.iter().enumerate().map(column).collect()))
}

/// The point of a row; `None` if its fields are null.
fn point(
    cells: &[&str],
    columns: &[Column],
    defaults: &[String],
    measurement: &str,
    source: &Arc<Source>,
) -> Result<Option<Point>, Problem> {
    if cells.len() != columns.len() {
        let (cells, columns) = (cells.len(), columns.len());
        return Err(Problem::Syntax(format!("it has {cells} cells, and the header {columns}")));
    }
    let (mut time, mut tags, mut fields) = (None, BTreeMap::new(), BTreeMap::new());
    let (mut measurement, mut field_key, mut field) = (measurement, None, None);
    for (index, (column, cell)) in columns.iter().zip(cells).enumerate() {
        let cell = if cell.is_empty() { defaults.get(index).map_or("", String::as_str) } else { cell };
        let value = |kind: &Option<Kind>| {
            // InfluxDB writes a double without a fraction as if it were an integer.
            let guess = || if Kind::of(cell) == Kind::Int { Kind::Double } else { Kind::of(cell) };
            let kind = kind.unwrap_or_else(guess);
            let problem = || Problem::Meaning(format!("the value {cell:?} is no {}", kind.name()));
            kind.value(cell).ok_or_else(problem)
        };
        match column {
            Column::OfResult => {}
            Column::Time => {
                let problem = || Problem::Meaning(format!("the time {cell:?} is none, or out of range"));
                time = Some(parse_date(cell).ok_or_else(problem)?);
            }
            _ if cell.is_empty() => {}
            Column::Measurement => measurement = cell,
            Column::FieldKey => field_key = Some(cell),
            Column::Value(kind) => field = Some(value(kind)?),
            Column::Tag(key) => _ = tags.insert(key.clone(), cell.to_owned()),
            Column::Field(key, kind) => _ = fields.insert(key.clone(), value(kind)?),
        }
    }
    if let (Some(key), Some(value)) = (field_key, field) {
        fields.insert(key.to_owned(), value);
    }
    let Some(time) = time.filter(|_| !fields.is_empty()) else { return Ok(None) };
    Ok(Some(Point { source: Arc::clone(source), measurement: measurement.to_owned(), tags, fields, time }))
}
