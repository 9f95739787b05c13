//! A case as it is in its folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kapacitor_wasm_data::{Point, Record, input, line_protocol};
use serde::Deserialize;
use thiserror::Error;

use crate::workbench::call::{Call, CallSpec};

/// Maximum number of points of an input, and of an expected output.
const MAX_POINTS: usize = 1_000_000;

/// Why a case can't be run. Each has the name of its file.
#[derive(Debug, Error)]
pub enum CaseError {
    /// A file is missing or can't be read.
    #[error("{}: {problem}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// An input can't be read.
    #[error(transparent)]
    Input(#[from] input::InputError),
}

/// `case.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct CaseFile {
    call: Option<String>,
    tick: Option<PathBuf>,
    node: Option<usize>,
    vars: Option<PathBuf>,
    option: Vec<String>,
    measurement: Vec<String>,
    group_by: Vec<String>,
    group_by_measurement: bool,
    window: Option<String>,
    every: Option<String>,
    align: bool,
    precision: Option<String>,
    csv_time: Option<String>,
    csv_measurement: Option<String>,
    csv_tags: Vec<String>,
    error: Option<String>,
    skipped: Option<u64>,
    log: Vec<String>,
    tolerance: Tolerance,
    proofs: Proofs,
}

/// By how much two doubles may differ and are the same.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Tolerance {
    /// By so much.
    pub absolute: f64,
    /// By so much of the larger one.
    pub relative: f64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { absolute: 0.0, relative: 1e-9 }
    }
}

/// Which proofs are run.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Proofs {
    /// Whether the task is interrupted.
    pub interrupted: bool,
    /// Whether the task recovers from failures.
    pub recovered: bool,
}

impl Default for Proofs {
    fn default() -> Self {
        Self { interrupted: true, recovered: true }
    }
}

/// A case.
#[derive(Debug)]
pub struct Case {
    /// Name of its folder.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// How the plugin is called.
    pub call: Call,
    /// The input.
    pub input: Vec<Record>,
    /// The points that are expected; `None` if they are not compared.
    pub expected: Option<Vec<Point>>,
    /// A part of the error with which the task does not start.
    pub error: Option<String>,
    /// Number of points that are skipped.
    pub skipped: Option<u64>,
    /// Patterns, each of which a line of the plugin's log matches.
    pub log: Vec<regex::Regex>,
    /// By how much doubles may differ.
    pub tolerance: Tolerance,
    /// Which proofs are run.
    pub proofs: Proofs,
}

/// The folders of the cases in `folder`, sorted by name.
///
/// # Errors
///
/// When the folder can't be read, or has no case.
pub fn find_cases(folder: &Path) -> Result<Vec<PathBuf>, CaseError> {
    let problem = |problem: String| CaseError::File { path: folder.to_owned(), problem };
    let entries =
        fs::read_dir(folder).map_err(|e| problem(format!("the folder of cases can't be read: {e}")))?;
    let mut cases: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join(CASE).exists())
        .collect();
    cases.sort();
    if cases.is_empty() {
        return Err(problem(format!("there is no case in it: make a folder with a {CASE} and an input.lp")));
    }
    Ok(cases)
}

/// The file that makes a folder a case.
const CASE: &str = "case.toml";

impl Case {
    /// Reads the case in `folder`.
    ///
    /// # Errors
    ///
    /// When a file of it can't be read or has a mistake.
    pub fn read(folder: &Path) -> Result<Self, CaseError> {
        let path = folder.join(CASE);
        let problem = |problem: String| CaseError::File { path: path.clone(), problem };
        let text = fs::read_to_string(&path).map_err(|e| problem(format!("can't be read: {e}")))?;
        let file: CaseFile = toml::from_str(&text).map_err(|e| problem(on_one_line(&e, &text)))?;
        let log = file.log.iter().map(|pattern| {
            regex::Regex::new(pattern)
                .map_err(|_| problem(format!("log: `{pattern}` is no regular expression")))
        });
        let log = log.collect::<Result<_, _>>()?;
        for (name, value) in [("absolute", file.tolerance.absolute), ("relative", file.tolerance.relative)] {
            // NaN is no tolerance either.
            if !(value >= 0.0 && value.is_finite()) {
                return Err(problem(format!("tolerance.{name}: {value} is no tolerance, write 0 or more")));
            }
        }
        if [file.call.is_some(), file.tick.is_some(), !file.option.is_empty()]
            .iter()
            .filter(|is| **is)
            .count()
            > 1
        {
            return Err(problem("it has several of call, tick and option: keep one".to_owned()));
        }
        let options = file.input_options().map_err(problem)?;
        let call = file.call_spec(folder).read().map_err(|e| problem(format!("{e:#}")))?;
        let input = read_records(&input_of(folder)?, &options)?;
        // The output is written in nanoseconds, whatever the input is in.
        let expected_file = folder.join(EXPECTED);
        let expected = if expected_file.exists() { Some(read_points(&expected_file)?) } else { None };
        let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
        let CaseFile { error, skipped, tolerance, proofs, .. } = file;
        Ok(Self {
            name,
            folder: folder.to_owned(),
            call,
            input,
            expected,
            error,
            skipped,
            log,
            tolerance,
            proofs,
        })
    }

    /// The file with the expected points.
    pub fn expected_file(&self) -> PathBuf {
        self.folder.join(EXPECTED)
    }
}

/// Writes points as those that a case expects.
///
/// # Errors
///
/// When the file can't be written, or line protocol can't express a point.
pub fn write_expected(file: &Path, points: &[Point]) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    for point in points {
        line_protocol::write(point, &mut lines).map_err(|problem| {
            anyhow::anyhow!("a point can't be written as line protocol: it has {problem}")
        })?;
    }
    Ok(fs::write(file, lines)?)
}

/// The file with the expected points.
const EXPECTED: &str = "expected.lp";

impl CaseFile {
    fn call_spec(&self, folder: &Path) -> CallSpec {
        CallSpec {
            call: self.call.clone(),
            tick: self.tick.as_ref().map(|tick| folder.join(tick)),
            node: self.node,
            vars: self.vars.as_ref().map(|vars| folder.join(vars)),
            option: self.option.clone(),
            measurement: self.measurement.clone(),
            group_by: self.group_by.clone(),
            group_by_measurement: self.group_by_measurement,
            window: self.window.clone(),
            every: self.every.clone(),
            align: self.align,
        }
    }

    fn input_options(&self) -> Result<input::Options, String> {
        let precision = self.precision.as_deref().map_or(Ok(input::Precision::default()), str::parse)?;
        let csv = input::CsvOptions {
            time: self.csv_time.clone(),
            measurement: self.csv_measurement.clone(),
            tags: self.csv_tags.clone(),
        };
        Ok(input::Options {
            precision,
            on_bad_line: input::OnBadLine::Fail,
            csv,
            ..input::Options::default()
        })
    }
}

/// The input of a case: the one file whose name begins with `input.`.
fn input_of(folder: &Path) -> Result<PathBuf, CaseError> {
    let problem = |problem: &str| CaseError::File { path: folder.to_owned(), problem: problem.to_owned() };
    let entries = fs::read_dir(folder).map_err(|e| problem(&e.to_string()))?;
    let is_input =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("input."));
    let mut inputs = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_input);
    match (inputs.next(), inputs.next()) {
        (Some(input), None) => Ok(input),
        (None, _) => Err(problem("there is no input: add a file input.lp")),
        (Some(_), Some(_)) => Err(problem("there are several files input.*: keep one")),
    }
}

fn read_records(path: &Path, options: &input::Options) -> Result<Vec<Record>, CaseError> {
    let (mut records, mut points) = (Vec::new(), 0);
    for record in input::open(path, options)? {
        let record = record?;
        points += match &record {
            Record::Point(_) => 1,
            Record::Batch(batch) => batch.points.len(),
        };
        if points > MAX_POINTS {
            let problem = format!("a case has {MAX_POINTS} points at most: use `replay` for more");
            return Err(CaseError::File { path: path.to_owned(), problem });
        }
        records.push(record);
    }
    Ok(records)
}

/// The points of a file, which may have none.
fn read_points(path: &Path) -> Result<Vec<Point>, CaseError> {
    let is_blank = |line: &str| line.trim().is_empty() || line.starts_with('#');
    match fs::read_to_string(path) {
        Ok(text) if text.lines().all(is_blank) => return Ok(Vec::new()),
        Err(e) if e.kind() != io::ErrorKind::InvalidData => {
            return Err(CaseError::File { path: path.to_owned(), problem: format!("can't be read: {e}") });
        }
        _ => {}
    }
    let options = input::Options { on_bad_line: input::OnBadLine::Fail, ..input::Options::default() };
    let records = read_records(path, &options)?;
    let points = records.into_iter().flat_map(|record| match record {
        Record::Point(point) => vec![point],
        Record::Batch(batch) => batch.points,
    });
    Ok(points.collect())
}

/// What is wrong with a TOML file, and in which line.
fn on_one_line(error: &toml::de::Error, text: &str) -> String {
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    match line {
        Some(line) => format!("line {line}: {message}"),
        None => message,
    }
}
