//! Reads recordings: files, pipes and stdin in any of the formats.
//!
//! A file is recognised by its content, not by its name: first how it is packed (gzip, zstd, or the zip file of a batch
//! recording), and then what its first lines are. It is read as a stream: however large it is, no more is in memory than
//! some chunks of it and its longest line.

mod annotated_csv;
mod archive;
mod batches;
mod cells;
mod csv;
mod error;
mod format;
mod lines;
mod options;
mod quotes;
mod recognise;
mod source;
mod stream;
mod times;

use std::fmt;
use std::io::{self, Cursor, Read};
use std::path::Path;

use archive::Archive;
use error::one_line;
pub use error::{BadLine, BadLines, InputError};
pub use format::Format;
use format::{Decoder, Problem};
use lines::{Line, Lines};
pub use options::{CsvOptions, OnBadLine, Options, Precision, TimeIfMissing};
use recognise::{ENOUGH, Recognised, recognise};
use source::{Counter, Opened, Packing};

use crate::model::Record;

/// A UTF-8 file may begin with this mark, which is no part of its text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The records of a file, one after the other in the order of the file.
///
/// After an error there are no more.
pub struct Input {
    file: String,
    packing: Packing,
    format: Format,
    lines: Lines,
    decoder: Box<dyn Decoder>,
    /// The entries of a batch recording that have not been read yet.
    archive: Option<Archive>,
    /// The name of the file with that of the entry that is read.
    entry: Option<String>,
    on_bad_line: OnBadLine,
    bad_lines: BadLines,
    read: Counter,
    length: Option<u64>,
    /// Whether it is an error if there is no point.
    needs_point: bool,
    has_record: bool,
    is_ended: bool,
}

/// Opens a file, a pipe, or stdin for `-`, and recognises its format.
///
/// A line is given out as soon as all of it has been read, and nothing is read beforehand but for what it takes to
/// recognise the format: the first line of line protocol, and up to 64 KiB of anything else.
///
/// # Errors
///
/// If it can't be opened, is neither a regular file nor a pipe, or has no known format.
pub fn open(path: &Path, options: &Options) -> Result<Input, InputError> {
    if path == Path::new("-") {
        return Input::of_stream("stdin".to_owned(), None, io::stdin(), options, Archive::of_pipe);
    }
    let file = path.display().to_string();
    match source::open(path) {
        Ok(Opened { file: opened, length: None }) => {
            Input::of_stream(file, None, opened, options, Archive::of_pipe)
        }
        Ok(Opened { file: opened, length }) => Input::of_stream(file, length, opened, options, Archive::open),
        Err(problem) => Err(InputError::Unreadable { file, problem }),
    }
}

impl Input {
    /// Reads line protocol as it comes: each point is there as soon as its line is. It may end without any point.
    ///
    /// `file` is what messages call it.
    pub fn live(file: &str, reader: impl Read + Send + 'static, options: &Options) -> Self {
        let read = Counter::default();
        let lines = Lines::new(Box::new(read.count(reader)), 0);
        let decoder = Box::new(stream::LineProtocol::new(options.precision, options.time_if_missing));
        let input = Self::new(file.to_owned(), Format::LineProtocol, lines, decoder, options);
        Self { read, needs_point: false, ..input }
    }

    fn new(
        file: String,
        format: Format,
        mut lines: Lines,
        decoder: Box<dyn Decoder>,
        options: &Options,
    ) -> Self {
        lines.set_max(decoder.max_line());
        Self {
            file,
            packing: Packing::None,
            format,
            lines,
            decoder,
            archive: None,
            entry: None,
            on_bad_line: options.on_bad_line,
            bad_lines: BadLines::default(),
            read: Counter::default(),
            length: None,
            needs_point: true,
            has_record: false,
            is_ended: false,
        }
    }

    fn of_stream<R: Read + Send + 'static>(
        file: String,
        length: Option<u64>,
        mut reader: R,
        options: &Options,
        open_archive: impl FnOnce(R, Counter) -> Result<Archive, String>,
    ) -> Result<Self, InputError> {
        let unreadable =
            |problem: String| InputError::Unreadable { file: file.clone(), problem: one_line(&problem) };
        let start = source::read_start(&mut reader);
        let (packing, start) = start.map_err(|error| unreadable(format!("it can't be read: {error}")))?;
        let read = Counter::default();
        if packing == Packing::Zip {
            let archive = open_archive(reader, read.clone()).map_err(unreadable)?;
            let lines = Lines::new(Box::new(io::empty()), 0);
            let decoder = Box::new(batches::BatchRecording::new());
            let input = Self::new(file, Format::BatchRecording, lines, decoder, options);
            return Ok(Self { packing, archive: Some(archive), read, length, ..input });
        }
        let damaged = |error| unreadable(source::problem_of_reading(packing, &error));
        let reader =
            source::unpack(packing, read.count(Cursor::new(start).chain(reader))).map_err(damaged)?;
        let mut lines = Lines::new(reader, 0);
        let format = begin(&mut lines).map_err(damaged)?.map_err(unreadable)?;
        let measurement = || name_without_extension(&file);
        let decoder: Box<dyn Decoder> = match format {
            Format::LineProtocol => {
                Box::new(stream::LineProtocol::new(options.precision, options.time_if_missing))
            }
            Format::StreamRecording => Box::new(stream::StreamRecording::new()),
            Format::BatchRecording => Box::new(batches::BatchRecording::new()),
            Format::AnnotatedCsv => Box::new(annotated_csv::AnnotatedCsv::new(measurement(), &options.csv)),
            Format::Csv => {
                while lines.unread().len() < ENOUGH && lines.fill().map_err(damaged)? {}
                let csv = csv::Csv::new(lines.unread(), measurement(), options.precision, &options.csv);
                Box::new(csv.map_err(unreadable)?)
            }
        };
        let input = Self::new(file, format, lines, decoder, options);
        Ok(Self { packing, read, length, ..input })
    }

    /// The file as messages name it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// What the file was recognised as.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The lines that could not be read so far.
    pub fn bad_lines(&self) -> &BadLines {
        &self.bad_lines
    }

    /// How many bytes of the file have been read, and how many it has, before decompression. `None` if the length is not
    /// known, as that of a pipe.
    pub fn progress(&self) -> Option<(u64, u64)> {
        self.length.map(|length| (self.read.get().min(length), length))
    }

    /// The next record; `None` at the end.
    fn read(&mut self) -> Result<Option<Record>, InputError> {
        loop {
            let line = self.lines.next(self.decoder.quotes()).map_err(|error| self.unreadable(&error))?;
            let (number, decoded) = match line {
                Some(Line::Whole(number, range)) => {
                    let decoded = match std::str::from_utf8(self.lines.text(range.clone())) {
                        Ok(text) => self.decoder.line(text),
                        Err(_) => {
                            self.decoder.skip_line();
                            Err(Problem::Syntax("it is not UTF-8".to_owned()))
                        }
                    };
                    if matches!(decoded, Err(Problem::Syntax(_))) {
                        self.lines.take_back_all_but_first(number, range);
                    }
                    (number, decoded)
                }
                Some(Line::TooLong(number)) => {
                    self.decoder.skip_line();
                    let max = self.decoder.max_line();
                    (number, Err(Problem::Meaning(format!("it is longer than {max} bytes"))))
                }
                None => match self.decoder.end() {
                    Ok(None) if self.next_entry()? => continue,
                    Ok(None) => return self.end(),
                    decoded => (self.lines.number(), decoded),
                },
            };
            match decoded {
                Ok(Some(record)) => {
                    self.has_record = true;
                    return Ok(Some(record));
                }
                Ok(None) => {}
                Err(problem) => self.bad_line(number, problem)?,
            }
        }
    }

    /// Goes on with the next entry of a batch recording, if there is one.
    fn next_entry(&mut self) -> Result<bool, InputError> {
        let entry = self.archive.as_mut().map_or(Ok(None), Archive::next);
        let Some((name, reader)) = entry.map_err(|error| self.unreadable(&error))? else { return Ok(false) };
        let name: String = name.escape_debug().take(60).collect();
        self.lines = Lines::new(reader, self.decoder.max_line());
        match begin(&mut self.lines).map_err(|error| self.unreadable(&error))? {
            Ok(Format::BatchRecording) => {}
            // It is empty if the query has returned nothing.
            Ok(_) if self.lines.unread().trim_ascii().is_empty() => {}
            _ => {
                let problem = format!("its entry {name} is no batch recording: unpack the zip file");
                return Err(InputError::Unreadable { file: self.file.clone(), problem });
            }
        }
        self.entry = Some(format!("{} (entry {name})", self.file));
        Ok(true)
    }

    fn unreadable(&self, error: &io::Error) -> InputError {
        let problem = source::problem_of_reading(self.packing, error);
        InputError::Unreadable { file: self.file.clone(), problem }
    }

    fn bad_line(&mut self, line: u64, problem: Problem) -> Result<(), InputError> {
        let (Problem::Syntax(problem) | Problem::Meaning(problem)) = problem;
        let file = self.entry.as_ref().unwrap_or(&self.file);
        let line = BadLine { file: file.clone(), line, problem: one_line(&problem) };
        if self.on_bad_line == OnBadLine::Fail {
            return Err(InputError::BadLine(line));
        }
        self.bad_lines.add(line);
        Ok(())
    }

    fn end(&self) -> Result<Option<Record>, InputError> {
        if self.has_record || !self.needs_point {
            return Ok(None);
        }
        let problem = match self.bad_lines.first.first() {
            Some(BadLine { line, problem, .. }) => {
                let (count, format) = (self.bad_lines.count, self.format);
                format!(
                    "nothing in it can be read as {format}, {count} lines are bad, the first is line {line}: {problem}"
                )
            }
            None if self.read.get() == 0 && self.archive.is_none() => {
                "it is empty: choose a file with points".to_owned()
            }
            None if self.format == Format::LineProtocol => {
                "it has only comments and empty lines: choose a file with points".to_owned()
            }
            None => "there is no point in it: choose a file with points".to_owned(),
        };
        Err(InputError::NoPoint { file: self.file.clone(), problem })
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input")
            .field("file", &self.file)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

impl Iterator for Input {
    type Item = Result<Record, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_ended {
            return None;
        }
        let next = self.read().transpose();
        self.is_ended = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Reads as much as it takes to recognise the format. The inner error says why there is none.
fn begin(lines: &mut Lines) -> io::Result<Result<Format, String>> {
    while lines.unread().len() < BYTE_ORDER_MARK.len() && lines.fill()? {}
    if lines.unread().starts_with(BYTE_ORDER_MARK) {
        lines.skip(BYTE_ORDER_MARK.len());
    }
    let mut is_all = false;
    loop {
        match recognise(lines.unread(), is_all || lines.unread().len() >= ENOUGH) {
            Recognised::As(format) => return Ok(Ok(format)),
            Recognised::No(problem) => return Ok(Err(problem)),
            Recognised::NeedsMore => is_all = !lines.fill()?,
        }
    }
}

/// The name of a file without its folders, without `.gz` or `.zst`, and without its extension.
fn name_without_extension(file: &str) -> String {
    let path = Path::new(file);
    let is_packed = path.extension().is_some_and(|extension| extension == "gz" || extension == "zst");
    let path = if is_packed { path.with_extension("") } else { path.to_owned() };
    path.file_stem().map_or_else(|| file.to_owned(), |name| name.to_string_lossy().into_owned())
}
