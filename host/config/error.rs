//! Why a `udf.toml` can't be used: one sentence each, with what to do.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::mistake::Mistake;
use crate::regular_file::FileKind;
use crate::units::{Bytes, Span};

/// Why a `udf.toml` can't be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{} can't be read: copy the udf.toml that is shipped there, or name one with --config", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// This user may not read the file.
    #[error("{} can't be read by user {user}: let this user read it", .path.display())]
    NotPermitted {
        /// The file.
        path: PathBuf,
        /// Number of the user of this process.
        user: u32,
    },
    /// The path leads to something else than a file.
    #[error("{} is {found}: name the udf.toml itself with --config", .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What is there.
        found: FileKind,
    },
    /// The file is larger than any `udf.toml`.
    #[error("{} is larger than {most}, so it is no udf.toml: name another file with --config", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Maximum size.
        most: Bytes,
    },
    /// The file is not text in UTF-8.
    #[error("{} {problem}", .path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// What it is.
        problem: EncodingProblem,
    },
    /// The text has a mistake.
    #[error("{}: line {line}, column {column}: {mistake}", .path.display())]
    Mistake {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// Number of the character in the line, from 1.
        column: usize,
        /// What is wrong and what to do.
        mistake: Mistake,
    },
    /// The keys are right one by one, but not together.
    #[error("{}: [functions.{function}]: {problem}", .path.display())]
    Function {
        /// The file.
        path: PathBuf,
        /// The function.
        function: String,
        /// What is wrong and what to do.
        problem: FunctionProblem,
    },
    /// No plugin can have the name.
    #[error("{}: [plugins.{plugin:?}]: a plugin has a name of letters, digits, `_`, `-` and `.`: rename it", .path.display())]
    PluginName {
        /// The file.
        path: PathBuf,
        /// The name.
        plugin: String,
    },
    /// A limit can't be what it was set to.
    #[error("{}: {problem}", .path.display())]
    Limit {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: LimitProblem,
    },
}

/// Why a file is not text in UTF-8, and what to do.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum EncodingProblem {
    /// Some editors save text like this.
    #[error("is text in UTF-16: save it as UTF-8")]
    Utf16,
    /// No text has it.
    #[error("has a NUL byte in line {line}, so it is not text: write it anew")]
    Nul {
        /// Number of the line, from 1.
        line: usize,
    },
    /// Bytes of another encoding, such as Latin-1.
    #[error("is not UTF-8 in line {line}: save it as UTF-8")]
    NotUtf8 {
        /// Number of the line, from 1.
        line: usize,
    },
}

/// What is wrong with a limit, and what to do.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum LimitProblem {
    /// The stack is smaller or larger than it may be.
    #[error("limits.stack = \"{0}\" is out of range: choose 64KiB to 16MiB")]
    Stack(Bytes),
    /// Input would wait for longer than anybody wants.
    #[error(
        "sessions.gather = \"{0}\" is too long: choose at most 100ms, or 0s to read each message at once"
    )]
    Gather(Span),
    /// A limit is zero.
    #[error("{0} is zero, which lets nothing run: leave it out for the default")]
    Zero(&'static str),
}

/// What is wrong with a function, and what to do.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FunctionProblem {
    /// The name is not an identifier.
    #[error("`{0}` can't be called from a TICKscript: use letters, digits and `_`, and start with a letter")]
    Name(String),
    /// The function sets a limit that belongs to the process.
    #[error("`stack` is one for the whole process: set it in [limits]")]
    Stack,
    /// The function names a plugin, and lets the TICKscript name one, too.
    #[error("`plugin` and `plugin-option` exclude each other: keep one")]
    TwoPlugins,
    /// A generic function lacks edges, which no plugin can declare for it.
    #[error("`plugin-option` needs `edges`, such as edges = \"stream -> stream\"")]
    NoEdges,
    /// A function that is not generic sets edges, which its plugin declares.
    #[error("`edges` goes with `plugin-option` only: a plugin declares its own")]
    NeedlessEdges,
    /// The option that names the plugin is not an identifier, or has another meaning.
    #[error("`plugin-option` must be a TICKscript identifier other than `set`")]
    PluginOption,
    /// A limit of the function can't be what it was set to.
    #[error("{0}")]
    Limit(LimitProblem),
}
