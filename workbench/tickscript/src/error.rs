//! What is said when a script can't be read.

use std::fmt;

/// Why a TICKscript, a call, a value or a file of vars can't be read.
///
/// Its text is one sentence: what is wrong and what to do, with the place. The place is `FILE:LINE:COLUMN` at the
/// beginning if the text is a file's, and `(line L, column C)` at the end if it came from a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    file: Option<String>,
    line: usize,
    column: usize,
    message: String,
}

impl ScriptError {
    /// The error at a place that is already known.
    pub(crate) fn new(file: Option<&str>, line: usize, column: usize, message: String) -> Self {
        Self { file: file.map(str::to_owned), line, column, message }
    }

    /// Line of the text, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Column in the line: characters, counted from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// What is wrong and what to do, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, message } = self;
        match file {
            Some(file) => write!(f, "{file}:{line}:{column}: {message}"),
            None if *line == 1 => write!(f, "{message} (column {column})"),
            None => write!(f, "{message} (line {line}, column {column})"),
        }
    }
}

impl std::error::Error for ScriptError {}

/// A fault at a place of the text that is being read: what a [`ScriptError`] is made of once the place is worth
/// its line and column.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Offset in the text, in bytes.
    pub at: usize,
    pub message: String,
}

impl Fault {
    pub(crate) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }

    /// The error that a user sees.
    pub(crate) fn in_text(self, text: &str, file: Option<&str>) -> ScriptError {
        let before = text.get(..self.at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        ScriptError::new(file, line, before[line_start..].chars().count() + 1, self.message)
    }
}
