//! The file `udf.toml`.
//!
//! Every key is documented in the `udf.toml` that is shipped, and nowhere else. Unknown keys are
//! refused with their line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, Serializer};

use super::edges::Edges;
use super::error::{ConfigError, FunctionProblem, LimitProblem};
use super::http::Http;
use super::mistake::Mistake;
use super::read;
use super::registry::{PluginSource, Registry, is_plugin_name};
use crate::config::limits::{HostLimits, Limits, PartialLimits};
use crate::config::policy::{CheckpointPolicy, PartialPolicy, Policy};
use crate::units::{Bytes, Mode, Span};

/// Maximum of `sessions.gather`.
const LONGEST_GATHER: Span = Span(std::time::Duration::from_millis(100));

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
    /// What the host tells of itself over HTTP.
    #[serde(default)]
    pub http: Http,
    /// How plugins come from registries, and whom this host trusts.
    #[serde(default)]
    pub registry: Registry,
    /// Plugins from registries, by name.
    #[serde(default)]
    pub plugins: BTreeMap<String, PluginSource>,
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

impl FunctionConfig {
    /// The same limits and policies for the one plugin `name`.
    pub(crate) fn of_plugin(self, name: &str) -> Self {
        Self { plugin: Some(name.to_owned()), plugin_option: None, edges: None, route: Vec::new(), ..self }
    }
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
    /// Interval between two reads while messages follow each other quickly; zero reads each at once.
    pub gather: Span,
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
            gather: Span(std::time::Duration::from_millis(1)),
        }
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

impl Config {
    /// Reads a file. Relative folders in it are relative to the folder of the file.
    ///
    /// # Errors
    ///
    /// When the file can't be read or has a mistake.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        Self::from_text(&read::read(path)?, path)
    }

    /// Reads a file as if it were the file `place`.
    ///
    /// # Errors
    ///
    /// As [`Config::from_file`].
    pub fn from_file_as(path: &Path, place: &Path) -> Result<Self, ConfigError> {
        let text = read::read(path)?;
        // What is wrong with it is said of the file itself.
        Self::from_text(&text, path)?;
        Self::from_text(&text, place)
    }

    /// Reads `text` as if it were the file `path`.
    ///
    /// # Errors
    ///
    /// When the text has a mistake.
    pub fn from_text(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|error| mistake(&error, text, path))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for dir in [&mut config.plugins_dir, &mut config.socket_dir, &mut config.state_dir] {
            *dir = folder.join(&*dir);
        }
        config.http.listen.iter_mut().for_each(|address| address.relative_to(folder));
        config.registry.relative_to(folder);
        config.plugins.values_mut().for_each(|plugin| plugin.relative_to(folder));
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

    /// Folder of what was pulled from registries.
    pub fn store_dir(&self) -> PathBuf {
        self.registry.store_dir.clone().unwrap_or_else(|| self.state_dir.join("registry"))
    }

    /// The limits of a sandbox that belongs to no function.
    pub fn default_limits(&self) -> Limits {
        self.limits.over(Limits::default())
    }

    /// Has `on-trap`, `failures-per-minute`, `on-full` and `on-mismatch` of `policy` hold for all functions, whatever the file says.
    pub(crate) fn override_policy(&mut self, policy: PartialPolicy) {
        self.policy = self.policy.overridden_by(policy);
        for function in self.functions.values_mut() {
            function.policy = function.policy.overridden_by(policy);
        }
    }

    /// Lets each plugin log as much as it does.
    pub(crate) fn lift_log_limit(&mut self) {
        let unlimited = Some(Bytes::mib(1 << 20));
        self.limits.log_per_second = unlimited;
        for function in self.functions.values_mut() {
            function.limits.log_per_second = unlimited;
        }
    }

    /// Sets the stack of all sandboxes.
    pub(super) fn set_stack(&mut self, stack: Bytes) {
        self.limits.stack = Some(stack);
    }

    fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let limit = |problem| ConfigError::Limit { path: path.to_owned(), problem };
        let limits = self.default_limits();
        if limits.stack < Bytes::kib(64) || limits.stack > Bytes::mib(16) {
            return Err(limit(LimitProblem::Stack(limits.stack)));
        }
        if self.sessions.gather > LONGEST_GATHER {
            return Err(limit(LimitProblem::Gather(self.sessions.gather)));
        }
        for (name, function) in &self.functions {
            self.check_function(name, function).map_err(|problem| ConfigError::Function {
                path: path.to_owned(),
                function: name.clone(),
                problem,
            })?;
        }
        if let Some(name) = self.plugins.keys().find(|name| !is_plugin_name(name)) {
            return Err(ConfigError::PluginName { path: path.to_owned(), plugin: name.clone() });
        }
        let zero = limits.zero().or(self.host.zero()).or(self.registry.zero());
        let zero = zero.or((self.sessions.message.0 == 0).then_some("sessions.message"));
        zero.map_or(Ok(()), |key| Err(limit(LimitProblem::Zero(key))))
    }

    fn check_function(&self, name: &str, function: &FunctionConfig) -> Result<(), FunctionProblem> {
        if !is_identifier(name) {
            return Err(FunctionProblem::Name(name.to_owned()));
        }
        if function.limits.stack.is_some() {
            return Err(FunctionProblem::Stack);
        }
        match (&function.plugin_option, function.edges) {
            (Some(_), _) if function.plugin.is_some() => return Err(FunctionProblem::TwoPlugins),
            (Some(_), None) => return Err(FunctionProblem::NoEdges),
            (None, Some(_)) => return Err(FunctionProblem::NeedlessEdges),
            (Some(option), _) if !is_identifier(option) || option == "set" => {
                return Err(FunctionProblem::PluginOption);
            }
            _ => {}
        }
        match self.limits(name).zero() {
            // The one of [limits] is reported as such.
            Some(key) if self.default_limits().zero() != Some(key) => {
                Err(FunctionProblem::Limit(LimitProblem::Zero(key)))
            }
            _ => Ok(()),
        }
    }
}

/// Where and what the mistake in `text` is that `error` reports.
fn mistake(error: &toml::de::Error, text: &str, path: &Path) -> ConfigError {
    let at = error.span().map_or(text.len(), |span| span.start.min(text.len()));
    let before = text.get(..at).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let defaults = toml::from_str::<Config>("").map(|defaults| defaults.settings()).unwrap_or_default();
    let keys: Vec<String> = defaults.into_keys().collect();
    ConfigError::Mistake {
        path: path.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        mistake: Mistake::of(error, text, &keys),
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
        assert_eq!(format!("{:?}", shipped.http), format!("{:?}", empty.http));
        assert_eq!(format!("{:?}", shipped.registry), format!("{:?}", empty.registry));
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
        assert!(config.plugins.values().any(|plugin| plugin.keys.is_some()));
    }

    #[test]
    fn unknown_keys_are_refused_with_the_line() {
        refused(
            "\nplugin-dir = \"x\"\n",
            &["udf.toml: line 2, column 1: unknown key `plugin-dir`: did you mean `plugins-dir`?"],
        );
        refused(
            "[limits]\nmemroy = \"1MiB\"\n",
            &["line 2", "unknown key `limits.memroy`: did you mean `memory`?"],
        );
        refused("[limits]\nzzz = \"1MiB\"\n", &["unknown key `limits.zzz`: there are: memory, table, "]);
        refused(
            "[functions.f]\nplugins = \"x\"\n",
            &["line 2", "`functions.f.plugins`: did you mean `plugin`?"],
        );
        refused("memory = \"1MiB\"\n", &["unknown key `memory`: it belongs in [host] or [limits]"]);
        refused("[limits]\non-trap = \"fail\"\n", &["unknown key `limits.on-trap`: it belongs in [policy]"]);
        refused(
            "[functions.f]\nmemory = \"1MiB\"\n",
            &["`functions.f.memory`: it belongs in [functions.f.limits]"],
        );
    }

    #[test]
    fn mistakes_are_one_sentence_with_the_key() {
        refused(
            "[policy]\non-trap = \"recovr\"\n",
            &["`policy.on-trap`: unknown value `recovr`: did you mean `recover`?"],
        );
        refused(
            "[policy]\non-trap = \"stop\"\n",
            &["unknown value `stop`: there are: recover, restart, pass-through, fail"],
        );
        refused(
            "[functions.f.limits]\nmemory = 5\n",
            &["line 2", "`functions.f.limits.memory`: invalid type: integer `5`, expected a size"],
        );
        refused(
            "[limits]\ntable = 5000000000\n",
            &["`limits.table`: ", "expected a whole number from 0 to 4294967295"],
        );
        refused(
            "[host]\nsandboxes = -1\n",
            &["`host.sandboxes`: ", "expected a whole number from 0 to 9223372036854775807"],
        );
        refused("[host]\nsandboxes = 1.5\n", &["`host.sandboxes`: ", "expected a whole number"]);
        refused("[host]\nsandboxes = 99999999999999999999\n", &["line 2", "`host.sandboxes`"]);
        refused("[limits]\ntable = 1\ntable = 2\n", &["line 3", "`table` is there twice: keep one"]);
        refused("plugins-dir = 5\n", &["`plugins-dir`: ", "expected a path in quotes"]);
        refused("functions = 5\n", &["`functions`: "]);
        refused("[[[\n", &["line 1", "this is not TOML: "]);
        refused(
            "[limits]\nmemory = \"99999999999GiB\"\n",
            &["`limits.memory`: ", "is larger than 8388607TiB"],
        );
        for text in ["[[[", "a = \"", "[limits\n", "x = 1 2\n", "\u{1}", "[limits]\nmemory = 1\n"] {
            let error = parse(text).unwrap_err();
            assert!(
                !error.contains('\n') && error.starts_with("/etc/kapacitor-wasm/udf.toml: line "),
                "{error:?}"
            );
        }
    }

    #[test]
    fn plugins_of_registries_are_named_as_files_could_be() {
        let config =
            parse("[registry]\nkeys = [\"a.pub\"]\n[plugins.a]\nsource = \"oci://h.example/a:1\"\n").unwrap();
        assert_eq!(config.registry.keys, [Path::new("/etc/kapacitor-wasm/a.pub")]);
        assert_eq!(config.registry.lock_file, Path::new("/etc/kapacitor-wasm/plugins.lock"));
        assert_eq!(config.store_dir(), Path::new("/var/lib/kapacitor-wasm/registry"));
        refused(
            "[plugins.a]\nsource = \"h.example/a:1\"\n",
            &["line 2", "`plugins.a.source`", "begin with oci://"],
        );
        refused("[plugins.a]\n", &["line 1", "`plugins.a`", "source"]);
        refused(
            "[plugins.\"../a\"]\nsource = \"oci://h.example/a:1\"\n",
            &["[plugins.\"../a\"]", "letters, digits"],
        );
        refused("[registry]\nsignatures = \"yes\"\n", &["unknown value `yes`: there are: ignored, required"]);
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
        refused("[functions.f]\nplugin-option = \"p\"\nedges = \"batch\"\n", &["is not a pair of edges"]);
        refused("[functions.\"my-udf\"]\nplugin = \"a\"\n", &["my-udf", "can't be called"]);
        refused("[functions.f.limits]\nstack = \"1MiB\"\n", &["set it in [limits]"]);
        refused("[limits]\nstack = \"1GiB\"\n", &["64KiB to 16MiB"]);
        refused("[sessions]\ngather = \"1s\"\n", &["sessions.gather", "at most 100ms"]);
        refused("[functions.f]\nplugin = \"a\"\nplugin-option = \"p\"\n", &["exclude each other"]);
        refused(
            "[functions.f]\nplugin-option = \"set\"\nedges = \"batch -> batch\"\n",
            &["other than `set`"],
        );
        refused("[functions.f.limits]\noutput = \"0B\"\n", &["functions.f", "limits.output is zero"]);
        for (table, key, zero) in [
            ("limits", "memory", "\"0B\""),
            ("limits", "call-deadline", "\"0s\""),
            ("limits", "cpu-share", "\"0%\""),
            ("host", "memory", "\"0B\""),
            ("host", "sandboxes", "0"),
            ("host", "compile-deadline", "\"0s\""),
            ("host", "module", "\"0MiB\""),
            ("sessions", "message", "\"0B\""),
            ("registry", "store-limit", "\"0B\""),
            ("registry", "timeout", "\"0s\""),
        ] {
            refused(
                &format!("[{table}]\n{key} = {zero}\n"),
                &[&format!("udf.toml: {table}.{key} is zero, which lets nothing run")],
            );
        }
    }

    #[test]
    fn a_function_overrides_single_limits() {
        let config = parse("[limits]\nmemory = \"1MiB\"\n[functions.f.limits]\noutput = \"2MiB\"\n").unwrap();
        let limits = config.limits("f");
        assert_eq!((limits.memory, limits.output), (Bytes::mib(1), Bytes::mib(2)));
        assert_eq!(config.limits("g").output, Limits::default().output);
    }
}
