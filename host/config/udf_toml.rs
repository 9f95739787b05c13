//! The file `udf.toml`.
//!
//! Every key is documented in the `udf.toml` that is shipped, and nowhere else. Unknown keys are
//! refused with their line.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

use crate::config::limits::{HostLimits, Limits, PartialLimits};
use crate::config::policy::{CheckpointPolicy, PartialPolicy, Policy};
use crate::protocol::EdgeType;
use crate::units::{Bytes, Mode, Span};

/// A whole `udf.toml`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Folder of the `.wasm` files; relative to the folder of the file itself.
    #[serde(default = "default_plugins_dir", serialize_with = "shown")]
    pub plugins_dir: PathBuf,
    /// Folder of the sockets, `<socket-dir>/<function>.sock`.
    #[serde(default = "default_socket_dir", serialize_with = "shown")]
    pub socket_dir: PathBuf,
    /// Permissions of each socket.
    #[serde(default = "default_socket_mode")]
    pub socket_mode: Mode,
    /// Group of each socket, by name or number; the process's own if absent.
    pub socket_group: Option<String>,
    /// Folder of stored files: checkpoints, machine code, records of skipped points, states that were set aside.
    #[serde(default = "default_state_dir", serialize_with = "shown")]
    pub state_dir: PathBuf,
    /// Minimum log level.
    #[serde(default)]
    pub log_level: LogLevel,
    /// Limits of the host towards Kapacitor.
    #[serde(default)]
    pub sessions: Sessions,
    /// How the state of tasks is stored.
    #[serde(default)]
    pub state: State,
    /// Limits of all sandboxes together.
    #[serde(default)]
    pub host: HostLimits,
    /// Limits of every sandbox.
    #[serde(default)]
    limits: PartialLimits,
    /// Policies of every function.
    #[serde(default)]
    policy: PartialPolicy,
    /// Named functions, beside the one that each plugin gets by itself.
    #[serde(default)]
    pub functions: BTreeMap<String, FunctionConfig>,
}

/// One `[functions.NAME]`.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FunctionConfig {
    /// The plugin of this function.
    pub plugin: Option<String>,
    /// Name of the TICKscript option that names the plugin; makes the function generic.
    pub plugin_option: Option<String>,
    /// Edges of a generic function: `"stream -> batch"`.
    pub edges: Option<Edges>,
    /// Plugins by task, first match wins.
    #[serde(default)]
    pub route: Vec<Route>,
    /// Limits that differ from `[limits]`.
    #[serde(default)]
    limits: PartialLimits,
    /// Policies that differ from `[policy]`.
    #[serde(default)]
    policy: PartialPolicy,
}

/// One `[[functions.NAME.route]]`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Route {
    /// Pattern of a task id: `*`, `?`, `[abc]` and `{a,b}` as in a shell.
    pub task: String,
    /// The plugin of the tasks that match.
    pub plugin: String,
}

/// `[sessions]`: what the host allows one connection of Kapacitor.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Sessions {
    /// Maximum size of a message from Kapacitor.
    pub message: Bytes,
    /// Maximum input that waits for the sandbox before the host stops reading.
    pub queue: Bytes,
    /// Time to finish pending work once Kapacitor has ended its input.
    pub drain_deadline: Span,
    /// Maximum time that a snapshot request waits for the input before it, or for the end of its batch.
    pub snapshot_deadline: Span,
}

/// `[state]`: how the host stores the state of tasks.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct State {
    /// Which tasks have a checkpoint.
    pub checkpoints: CheckpointPolicy,
    /// Maximum age of a checkpoint while the state changes.
    pub checkpoint_interval: Span,
    /// Maximum time for which a state is kept that no task uses; zero for ever.
    pub keep: Span,
    /// Maximum size of all states that were set aside.
    pub set_aside: Bytes,
}

impl Default for State {
    fn default() -> Self {
        Self {
            checkpoints: CheckpointPolicy::Live,
            checkpoint_interval: Span(std::time::Duration::from_secs(30)),
            keep: Span(std::time::Duration::from_secs(90 * 24 * 3600)),
            set_aside: Bytes::mib(1024),
        }
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            message: Bytes::mib(64),
            queue: Bytes::mib(8),
            drain_deadline: Span(std::time::Duration::from_secs(5)),
            snapshot_deadline: Span(std::time::Duration::from_secs(1)),
        }
    }
}

/// The edges of a function, written `"stream -> batch"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edges {
    /// The edge that comes in.
    pub wants: EdgeType,
    /// The edge that goes out.
    pub provides: EdgeType,
}

impl std::fmt::Display for Edges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} -> {}", edge_name(self.wants), edge_name(self.provides))
    }
}

/// `stream` or `batch`.
pub fn edge_name(edge: EdgeType) -> &'static str {
    match edge {
        EdgeType::Stream => "stream",
        EdgeType::Batch => "batch",
    }
}

impl Serialize for Edges {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Edges {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let edge = |word: &str| match word.trim() {
            "stream" => Some(EdgeType::Stream),
            "batch" => Some(EdgeType::Batch),
            _ => None,
        };
        text.split_once("->")
            .and_then(|(wants, provides)| Some(Self { wants: edge(wants)?, provides: edge(provides)? }))
            .ok_or_else(|| {
                serde::de::Error::custom(format!(
                    "`{text}` are no edges: write \"stream -> stream\", with `batch` on either side as it is"
                ))
            })
    }
}

/// `log-level`, from the most lines to the fewest.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// All messages.
    Debug,
    /// Warnings, errors, and the start and end of tasks.
    #[default]
    Info,
    /// Errors, and problems that an operator should look at.
    Warn,
    /// Errors only.
    Error,
}

/// Why a `udf.toml` can't be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{} can't be read: copy the udf.toml that is shipped there, or name one with --config", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what it should be; the source names line and column.
    #[error("{}", .path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, where.
        source: Box<toml::de::Error>,
    },
    /// The keys are right one by one, but not together.
    #[error("{}: [functions.{function}]: {problem}", .path.display())]
    Function {
        /// The file.
        path: PathBuf,
        /// The function.
        function: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A limit can't be what it was set to.
    #[error("{}: [limits]: {problem}", .path.display())]
    Limit {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
}

impl Config {
    /// Reads a file. Relative folders in it are relative to the folder of the file.
    ///
    /// # Errors
    ///
    /// When the file can't be read or has a mistake.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let text =
            fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::from_text(&text, path)
    }

    /// Reads `text` as if it were the file `path`.
    ///
    /// # Errors
    ///
    /// When the text has a mistake.
    pub fn from_text(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text)
            .map_err(|source| ConfigError::Parse { path: path.to_owned(), source: Box::new(source) })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for dir in [&mut config.plugins_dir, &mut config.socket_dir, &mut config.state_dir] {
            *dir = folder.join(&*dir);
        }
        config.check(path)?;
        Ok(config)
    }

    /// The limits of the sandboxes of `function`.
    pub fn limits(&self, function: &str) -> Limits {
        let base = self.limits.over(Limits::default());
        match self.functions.get(function) {
            Some(function) => function.limits.over(base),
            None => base,
        }
    }

    /// The policies of `function`.
    pub fn policy(&self, function: &str) -> Policy {
        let base = self.policy.over(Policy::default());
        match self.functions.get(function) {
            Some(function) => function.policy.over(base),
            None => base,
        }
    }

    /// The limits of a sandbox that belongs to no function.
    pub fn default_limits(&self) -> Limits {
        self.limits.over(Limits::default())
    }

    /// Sets the stack of all sandboxes.
    pub(super) fn set_stack(&mut self, stack: Bytes) {
        self.limits.stack = Some(stack);
    }

    fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let limit = |problem: String| ConfigError::Limit { path: path.to_owned(), problem };
        let limits = self.default_limits();
        if limits.stack < Bytes::kib(64) || limits.stack > Bytes::mib(16) {
            return Err(limit(format!(
                "stack = \"{}\" is out of range: choose 64KiB to 16MiB",
                limits.stack
            )));
        }
        for (name, function) in &self.functions {
            let problem = if !is_identifier(name) {
                Some(format!(
                    "`{name}` can't be called from a TICKscript: use letters, digits and `_`, and start with a letter"
                ))
            } else if function.limits.stack.is_some() {
                Some("`stack` is one for the whole process: set it in [limits]".to_owned())
            } else if function.plugin.is_some() && function.plugin_option.is_some() {
                Some("`plugin` and `plugin-option` exclude each other: keep one".to_owned())
            } else if function.plugin_option.is_some() && function.edges.is_none() {
                Some("`plugin-option` needs `edges`, such as edges = \"stream -> stream\"".to_owned())
            } else if function.plugin_option.is_none() && function.edges.is_some() {
                Some("`edges` goes with `plugin-option` only: a plugin declares its own".to_owned())
            } else if function.plugin_option.as_deref().is_some_and(|o| !is_identifier(o) || o == "set") {
                Some("`plugin-option` must be a TICKscript identifier other than `set`".to_owned())
            } else if self.limits(name).are_zero() {
                Some("a limit of zero lets nothing run: leave it out for the default".to_owned())
            } else {
                None
            };
            if let Some(problem) = problem {
                return Err(ConfigError::Function { path: path.to_owned(), function: name.clone(), problem });
            }
        }
        if limits.are_zero() {
            return Err(limit("a limit of zero lets nothing run: leave it out for the default".to_owned()));
        }
        Ok(())
    }
}

/// Whether a TICKscript can use `name` for a function or an option.
pub fn is_identifier(name: &str) -> bool {
    const RESERVED: [&str; 7] = ["lambda", "var", "TRUE", "FALSE", "AND", "OR", "dbrp"];
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !RESERVED.contains(&name)
}

/// A path as a text, also if it is not UTF-8.
fn shown<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

fn default_plugins_dir() -> PathBuf {
    "plugins".into()
}

fn default_socket_dir() -> PathBuf {
    "/run/kapacitor-wasm".into()
}

fn default_state_dir() -> PathBuf {
    "/var/lib/kapacitor-wasm".into()
}

fn default_socket_mode() -> Mode {
    Mode(0o660)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The `udf.toml` that is shipped, with its comments.
    const SHIPPED: &str = include_str!("../../udf.toml");

    fn parse(text: &str) -> Result<Config, String> {
        Config::from_text(text, Path::new("/etc/kapacitor-wasm/udf.toml"))
            .map_err(|e| format!("{:#}", anyhow::Error::from(e)))
    }

    fn refused(text: &str, parts: &[&str]) {
        let error = parse(text).unwrap_err();
        for part in parts {
            assert!(error.contains(part), "{error:?} lacks {part:?}");
        }
    }

    #[test]
    fn the_shipped_file_says_the_defaults() {
        let shipped = parse(SHIPPED).unwrap();
        let empty = parse("").unwrap();
        assert_eq!(shipped.default_limits(), empty.default_limits());
        assert_eq!(shipped.host, empty.host);
        assert_eq!(shipped.policy(""), Policy::default());
        assert_eq!(format!("{:?}", shipped.sessions), format!("{:?}", empty.sessions));
        assert_eq!(format!("{:?}", shipped.state), format!("{:?}", empty.state));
        assert_eq!(shipped.plugins_dir, empty.plugins_dir);
        assert_eq!(shipped.socket_dir, empty.socket_dir);
        assert_eq!(shipped.state_dir, empty.state_dir);
        assert_eq!(shipped.log_level, empty.log_level);
    }

    #[test]
    fn every_example_of_the_shipped_file_works() {
        // An example is a line `#key = value` or `#[table]`, without a space after the `#`.
        let uncommented: String = SHIPPED
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(code) if code.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => code,
                _ => line,
            })
            .flat_map(|line| [line, "\n"])
            .collect();
        assert_ne!(uncommented, SHIPPED);
        let config = parse(&uncommented).unwrap();
        assert!(config.functions.values().any(|f| f.plugin_option.is_some()));
        assert!(config.functions.values().any(|f| !f.route.is_empty()));
    }

    #[test]
    fn unknown_keys_are_refused_with_the_line() {
        refused("\nplugin-dir = \"x\"\n", &["udf.toml", "line 2", "unknown field `plugin-dir`"]);
        refused("[limits]\nmem = \"1MiB\"\n", &["line 2", "unknown field `mem`"]);
        refused("[functions.f]\nplugins = \"x\"\n", &["line 2", "unknown field `plugins`"]);
    }

    #[test]
    fn units_are_typed() {
        refused(
            "[limits]\nmemory = 64\n",
            &["line 2", "integer `64`, expected a size with its unit, such as \"64MiB\""],
        );
        refused("[limits]\nmemory = \"64\"\n", &["line 2", "is not a size"]);
        refused("[limits]\ncall-deadline = \"fast\"\n", &["line 2", "is not a span of time"]);
        refused("socket-mode = \"rw\"\n", &["line 1", "is not a file mode"]);
    }

    #[test]
    fn keys_that_do_not_go_together_are_refused() {
        refused("[functions.f]\nplugin-option = \"plugin\"\n", &["functions.f", "needs `edges`"]);
        refused("[functions.f]\nplugin = \"a\"\nedges = \"batch -> batch\"\n", &["goes with"]);
        refused("[functions.f]\nplugin-option = \"p\"\nedges = \"batch\"\n", &["are no edges"]);
        refused("[functions.\"my-udf\"]\nplugin = \"a\"\n", &["my-udf", "can't be called"]);
        refused("[functions.f.limits]\nstack = \"1MiB\"\n", &["set it in [limits]"]);
        refused("[limits]\nstack = \"1GiB\"\n", &["64KiB to 16MiB"]);
        refused("[limits]\nmemory = \"0B\"\n", &["limit of zero"]);
    }

    #[test]
    fn a_function_overrides_single_limits() {
        let config = parse("[limits]\nmemory = \"1MiB\"\n[functions.f.limits]\noutput = \"2MiB\"\n").unwrap();
        let limits = config.limits("f");
        assert_eq!((limits.memory, limits.output), (Bytes::mib(1), Bytes::mib(2)));
        assert_eq!(config.limits("g").output, Limits::default().output);
    }
}
