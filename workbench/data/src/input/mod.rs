//! Reads recordings: files, pipes and stdin in any of the formats.
//!
//! A file is recognised by its content, not by its name: first how it is packed (gzip, zstd, or the zip file of a batch
//! recording), and then what its first lines are. It is read as a stream: however large it is, no more is in memory than
//! some chunks of it and its longest line.

mod error;
mod format;
mod lines;
mod options;
mod quotes;
mod recognise;
mod source;
mod stream;

use std::io::Read;
use std::path::Path;

use crate::model::Record;
pub use error::{BadLine, BadLines, InputError};
pub use format::Format;
use format::{Decoder, Problem};
use lines::{Line, Lines};
pub use options::{CsvOptions, OnBadLine, Options, Precision, TimeIfMissing};
use recognise::{ENOUGH, Recognised, recognise};
use source::{Counter, Opened, Packing};

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
/// A line is given out as soon as all of it has been read, and nothing is read beforehand, but for what it takes to
/// recognise the format: the first line of line protocol, and up to 64 KiB of anything else.
///
/// # Errors
///
/// If it can't be opened, is neither a regular file nor a pipe, is empty, or has no known format.
pub fn open(path: &Path, options: &Options) -> Result<Input, InputError> {
    if path == Path::new("-") {
        return Input::recognised("stdin".to_owned(), None, std::io::stdin(), options);
    }
    let file = path.display().to_string();
    match source::open(path) {
        Ok(Opened { file: opened, length }) => Input::recognised(file, length, opened, options),
        Err(problem) => Err(InputError::Unreadable { file, problem }),
    }
}

impl Input {
    /// Reads line protocol as it comes: each point is there as soon as its line is. It may end without any point.
    ///
    /// `file` is what messages call it.
    pub fn live(file: &str, reader: impl Read + Send + 'static, options: &Options) -> Self {
        let decoder = Box::new(stream::LineProtocol::new(options.precision, options.time_if_missing));
        let read = Counter::default();
        Self {
            file: file.to_owned(),
            packing: Packing::None,
            format: Format::LineProtocol,
            lines: Lines::new(Box::new(read.count(reader)), decoder.max_line()),
            decoder,
            on_bad_line: options.on_bad_line,
            bad_lines: BadLines::default(),
            read,
            length: None,
            needs_point: false,
            has_record: false,
            is_ended: false,
        }
    }

    fn recognised(
        file: String,
        length: Option<u64>,
        reader: impl Read + Send + 'static,
        options: &Options,
    ) -> Result<Self, InputError> {
        let unreadable = |problem| InputError::Unreadable { file: file.clone(), problem };
        let read = Counter::default();
        let peeked = source::peek(read.count(reader));
        let (packing, reader) = peeked.map_err(|error| unreadable(format!("it can't be read: {error}")))?;
        let damaged = |error| unreadable(source::problem_of_reading(packing, &error));
        let reader = source::unpack(packing, reader).map_err(damaged)?;
        let mut lines = Lines::new(reader, 0);
        while lines.unread().len() < BYTE_ORDER_MARK.len() && lines.fill().map_err(damaged)? {}
        if lines.unread().starts_with(BYTE_ORDER_MARK) {
            lines.skip(BYTE_ORDER_MARK.len());
        }
        let mut is_all = false;
        let format = loop {
            match recognise(lines.unread(), is_all || lines.unread().len() >= ENOUGH) {
                Recognised::As(format) => break format,
                Recognised::No(problem) => return Err(unreadable(problem)),
                Recognised::NeedsMore => is_all = !lines.fill().map_err(damaged)?,
            }
        };
        let decoder: Box<dyn Decoder> = match format {
            Format::StreamRecording => Box::new(stream::StreamRecording::new()),
            Format::LineProtocol => {
                Box::new(stream::LineProtocol::new(options.precision, options.time_if_missing))
            }
            _ => return Err(unreadable(format!("{format} can't be read yet"))),
        };
        lines.set_max(decoder.max_line());
        Ok(Self {
            file,
            packing,
            format,
            lines,
            decoder,
            on_bad_line: options.on_bad_line,
            bad_lines: BadLines::default(),
            read,
            length,
            needs_point: true,
            has_record: false,
            is_ended: false,
        })
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
            let line = self.lines.next(self.decoder.quotes());
            let line = line.map_err(|error| {
                let problem = source::problem_of_reading(self.packing, &error);
                InputError::Unreadable { file: self.file.clone(), problem }
            })?;
            let (number, decoded) = match line {
                None => return self.end(),
                Some(Line::TooLong(number)) => {
                    self.decoder.skip_line();
                    let max = self.decoder.max_line();
                    (number, Err(Problem::Meaning(format!("it is longer than {max} bytes"))))
                }
                Some(Line::Whole(number, range)) => match std::str::from_utf8(self.lines.text(range.clone()))
                {
                    Ok(text) => {
                        let decoded = self.decoder.line(text);
                        if matches!(decoded, Err(Problem::Syntax(_))) {
                            self.lines.take_back_all_but_first(number, range);
                        }
                        (number, decoded)
                    }
                    Err(_) => {
                        self.decoder.skip_line();
                        (number, Err(Problem::Syntax("it is not UTF-8".to_owned())))
                    }
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

    fn bad_line(&mut self, line: u64, problem: Problem) -> Result<(), InputError> {
        let (Problem::Syntax(problem) | Problem::Meaning(problem)) = problem;
        let line = BadLine { file: self.file.clone(), line, problem };
        if self.on_bad_line == OnBadLine::Fail {
            return Err(InputError::BadLine(line));
        }
        self.bad_lines.add(line);
        Ok(())
    }

    fn end(&mut self) -> Result<Option<Record>, InputError> {
        match self.decoder.end() {
            Ok(Some(record)) => {
                self.has_record = true;
                return Ok(Some(record));
            }
            Ok(None) => {}
            Err(problem) => self.bad_line(self.lines.number(), problem)?,
        }
        if self.has_record || !self.needs_point {
            return Ok(None);
        }
        let problem = match self.bad_lines.first.first() {
            Some(first) => {
                let count = self.bad_lines.count;
                format!(
                    "none of its {count} lines can be read as {}; line {}: {}",
                    self.format, first.line, first.problem
                )
            }
            None if self.read.get() == 0 => "it is empty: choose a file with points".to_owned(),
            None => format!("there is no point in this {}: choose a file with points", self.format),
        };
        Err(InputError::NoPoint { file: self.file.clone(), problem })
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
