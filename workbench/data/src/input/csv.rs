//! CSV with a header.
//!
//! The type of a column is that of its cells at the beginning of the file: integers, numbers, `true` and `false`, or text.
//! Where a column of integers has a number with a fraction later on, it is one of doubles from there on.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::cells::{Cells, Kind};
use super::format::{Decoder, Problem};
use super::options::{CsvOptions, Precision};
use super::quotes::{Quotes, Scan};
use super::times::{from_number, parse_date};
use crate::model::{Point, Record, Source, Value};

/// Columns with the time, if the options name none. The first one that is there is it.
const TIME: [&str; 3] = ["time", "timestamp", "_time"];

/// A point in each row, after a header.
pub(super) struct Csv {
    source: Arc<Source>,
    measurement: String,
    precision: Precision,
    columns: Vec<Column>,
    /// The header has been seen.
    is_in_rows: bool,
    cells: Cells,
}

/// What the cells of a column are.
enum Column {
    Time,
    Tag(String),
    /// With the type of the cells that are not empty, if there was one.
    Field(String, Option<Kind>),
    /// It has no name, as the index that some programs write.
    Nameless,
}

impl Csv {
    /// `start` is the beginning of the text, with which the types of the columns are found. `measurement` is used if the
    /// options have none.
    pub(super) fn new(
        start: &[u8],
        measurement: String,
        precision: Precision,
        options: &CsvOptions,
    ) -> Result<Self, String> {
        let measurement = options.measurement.clone().unwrap_or(measurement);
        let mut rows = whole_rows(start);
        let mut cells = Cells::new();
        let header = rows.next().ok_or("it has no header of at most 64 KiB: add one")?;
        let header = cells.cut(header).map_err(|_| "a quote in its header is not closed: close it")?;
        let columns = columns(&header, options)?;
        let source = Arc::default();
        let mut csv = Self { source, measurement, precision, columns, is_in_rows: false, cells };
        rows.for_each(|row| csv.learn(row));
        Ok(csv)
    }

    /// Learns the types of the columns from a row.
    fn learn(&mut self, row: &str) {
        let Ok(cells) = self.cells.cut(row) else { return };
        if cells.len() != self.columns.len() {
            return;
        }
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            if let Column::Field(_, kind) = column
                && !cell.is_empty()
            {
                let of_cell = Kind::of(cell);
                *kind = Some(kind.map_or(of_cell, |kind| kind.or(of_cell)));
            }
        }
    }

    fn point(&mut self, row: &str) -> Result<Point, Problem> {
        let cells = self.cells.cut(row)?;
        if cells.len() != self.columns.len() {
            let (cells, columns) = (cells.len(), self.columns.len());
            return Err(Problem::Syntax(format!("it has {cells} cells, and the header {columns}")));
        }
        let (mut time, mut tags, mut fields) = (None, BTreeMap::new(), BTreeMap::new());
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            match column {
                Column::Time => time = Some(read_time(cell, self.precision)?),
                Column::Nameless => {}
                _ if cell.is_empty() => {}
                Column::Tag(key) => _ = tags.insert(key.clone(), cell.to_owned()),
                Column::Field(key, kind) => {
                    let of_column = *kind.get_or_insert_with(|| Kind::of(cell));
                    let is_integer = of_column == Kind::Int;
                    let as_double = || Kind::Double.value(cell).filter(|_| is_integer);
                    let value = of_column.value(cell).or_else(as_double);
                    if is_integer && matches!(value, Some(Value::Double(_))) {
                        *kind = Some(Kind::Double);
                    }
                    let Some(value) = value else {
                        let expected = of_column.name();
                        let problem = format!(
                            "{cell:?} in the column {key:?} is no {expected}, the type of this column"
                        );
                        return Err(Problem::Meaning(problem));
                    };
                    fields.insert(key.clone(), value);
                }
            }
        }
        let Some(time) = time else { return Err(Problem::Meaning("it has no time".to_owned())) };
        if fields.is_empty() {
            return Err(Problem::Meaning(
                "it has no field: all cells but time and tags are empty".to_owned(),
            ));
        }
        Ok(Point {
            source: Arc::clone(&self.source),
            measurement: self.measurement.clone(),
            tags,
            fields,
            time,
        })
    }
}

impl Decoder for Csv {
    fn quotes(&self) -> Quotes {
        Quotes::Csv
    }

    fn line(&mut self, text: &str) -> Result<Option<Record>, Problem> {
        if text.is_empty() || !self.is_in_rows && is_no_row(text) {
            return Ok(None);
        }
        if !std::mem::replace(&mut self.is_in_rows, true) {
            // It is the header.
            return Ok(None);
        }
        self.point(text).map(|point| Some(Record::Point(point)))
    }
}

/// The rows in `start`, without empty ones, comments before the header, and a last one that may not be complete.
fn whole_rows(mut start: &[u8]) -> impl Iterator<Item = &str> {
    let rows = std::iter::from_fn(move || {
        let end = Scan::default().find_end(start, Quotes::Csv)?;
        let (row, rest) = start.split_at_checked(end)?;
        start = rest.get(1..)?;
        Some(std::str::from_utf8(row.strip_suffix(b"\r").unwrap_or(row)).unwrap_or_default())
    });
    let mut is_in_rows = false;
    rows.filter(move |row| {
        is_in_rows |= !is_no_row(row);
        is_in_rows && !row.is_empty()
    })
}

/// Whether this is an empty line, or, before the header, a comment.
fn is_no_row(text: &str) -> bool {
    text.is_empty() || text.starts_with('#')
}

fn columns(header: &[&str], options: &CsvOptions) -> Result<Vec<Column>, String> {
    let listed = || header.join(", ").chars().take(200).collect::<String>();
    let missing = |what: &str| format!("it has no column {what}, only {}: name one of them", listed());
    let mut names = HashSet::new();
    if let Some(twice) = header.iter().find(|name| !name.is_empty() && !names.insert(**name)) {
        return Err(format!("it has two columns {twice:?}: rename one of them"));
    }
    if let Some(tag) = options.tags.iter().find(|tag| !names.contains(tag.as_str())) {
        return Err(missing(&format!("{tag:?}, which is to be a tag")));
    }
    let time = match &options.time {
        Some(time) => header
            .iter()
            .find(|name| *name == time)
            .ok_or_else(|| missing(&format!("{time:?} with the time")))?,
        None => {
            let find = |time: &str| header.iter().find(|name| name.eq_ignore_ascii_case(time));
            TIME.into_iter().find_map(find).ok_or_else(|| missing("`time`, `timestamp` or `_time`"))?
        }
    };
    let column = |name: &&str| match *name {
        "" => Column::Nameless,
        name if name == *time => Column::Time,
        name if options.tags.iter().any(|tag| tag == name) => Column::Tag(name.to_owned()),
        name => Column::Field(name.to_owned(), None),
    };
    let columns: Vec<_> = header.iter().map(column).collect();
    if !columns.iter().any(|column| matches!(column, Column::Field(..))) {
        return Err("it has no column for a field, besides the time and tags: add one".to_owned());
    }
    Ok(columns)
}

fn read_time(cell: &str, precision: Precision) -> Result<i64, Problem> {
    let number: Option<i64> = cell.parse().ok();
    let time = match number {
        Some(number) => from_number(number, precision),
        None => parse_date(cell),
    };
    time.ok_or_else(|| Problem::Meaning(format!("the time {cell:?} is none, or out of range")))
}
