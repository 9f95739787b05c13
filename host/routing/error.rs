//! Why a task gets no plugin.

use std::sync::Arc;

use thiserror::Error;

use super::options::OptionErrors;
use crate::config::{Edges, edge_name};
use crate::plugin::{AdmissionError, AdmissionErrorKind};

/// A route of `udf.toml` whose pattern is not valid.
#[derive(Debug, Error)]
#[error("[[functions.{function}.route]]: task = \"{pattern}\" is not a valid pattern: {reason}")]
pub struct PatternError {
    /// The function.
    pub function: String,
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Why a function can't run a task: a sentence for the user of the task, with what to change.
#[derive(Debug, Error)]
pub enum RouteError {
    /// The TICKscript calls an option of a generic function wrongly.
    #[error(
        "function `{function}`: option `{option}` is not one of its options, or has other values than they take: .{plugin_option}('NAME').{set}('OPTION', 'VALUE')"
    )]
    GenericOption {
        /// The function.
        function: String,
        /// The option.
        option: String,
        /// The option that names the plugin.
        plugin_option: String,
        /// The option that sets an option of the plugin.
        set: &'static str,
    },
    /// The function was taken out of `udf.toml`, and has its socket only until the host stops.
    #[error(
        "function `{function}` was taken out of udf.toml: put [functions.{function}] back and reload the host, or call another function in the TICKscript"
    )]
    Removed {
        /// The function.
        function: String,
    },
    /// Neither the TICKscript nor a route names a plugin.
    #[error(
        "function `{function}`: no plugin named: add .{plugin_option}('NAME') to the TICKscript or a route to udf.toml; there are: {known}"
    )]
    NoPlugin {
        /// The function.
        function: String,
        /// The option that names the plugin.
        plugin_option: String,
        /// The plugins that there are.
        known: String,
    },
    /// The TICKscript names a plugin by its file.
    #[error("function `{function}`: there is no plugin `{plain}.wasm`: write `{plain}`, without .wasm")]
    FileName {
        /// The function.
        function: String,
        /// The name without its ending.
        plain: String,
    },
    /// A function of `udf.toml` names no plugin, and there is none of its own name.
    #[error(
        "function `{function}`: there is no plugin of its name: add plugin = \"NAME\" to [functions.{function}], or plugin-option and edges; there are: {known}"
    )]
    NoPluginOfName {
        /// The function.
        function: String,
        /// The plugins that there are.
        known: String,
    },
    /// There is no such plugin.
    #[error(
        "function `{function}`: there is no plugin `{plugin}`: put {plugin}.wasm into the plugins folder; there are: {known}"
    )]
    UnknownPlugin {
        /// The function.
        function: String,
        /// The plugin.
        plugin: String,
        /// The plugins that there are.
        known: String,
    },
    /// The plugin was refused.
    #[error("function `{function}`: plugin {error}")]
    Refused {
        /// The function.
        function: String,
        /// Why it was refused.
        error: Arc<AdmissionError>,
    },
    /// The plugin has other edges than the function.
    #[error(
        "function `{function}` is {edges}, and plugin `{plugin}` is {found}: choose another plugin, or a function that wants {} and provides {}",
        edge_name(.found.wants),
        edge_name(.found.provides)
    )]
    Edges {
        /// The function.
        function: String,
        /// Its edges.
        edges: Edges,
        /// The plugin.
        plugin: String,
        /// The plugin's edges.
        found: Edges,
    },
    /// The plugin has other edges than Kapacitor has built the task with.
    #[error(
        "function `{function}`: Kapacitor was told when it started that it is {announced}, and plugin `{plugin}` is {found} now: restart Kapacitor"
    )]
    AnnouncedEdges {
        /// The function.
        function: String,
        /// The edges that Kapacitor was told.
        announced: Edges,
        /// The plugin.
        plugin: String,
        /// The plugin's edges.
        found: Edges,
    },
    /// The plugin can't run under the function's limits.
    #[error("function `{function}`: plugin `{plugin}` {kind}")]
    Limits {
        /// The function.
        function: String,
        /// The plugin.
        plugin: String,
        /// Which limit it needs.
        kind: AdmissionErrorKind,
    },
    /// The plugin can't run under the function's policy.
    #[error(
        "function `{function}`: on-trap = \"pass-through\" needs a plugin that provides what it wants, and `{plugin}` wants {} and provides {}: choose another on-trap",
        edge_name(.found.wants),
        edge_name(.found.provides)
    )]
    PassThrough {
        /// The function.
        function: String,
        /// The plugin.
        plugin: String,
        /// The plugin's edges.
        found: Edges,
    },
    /// The TICKscript gives options that the plugin does not take.
    #[error("plugin `{plugin}`: {errors}")]
    Options {
        /// The plugin.
        plugin: String,
        /// What is wrong with the options.
        errors: OptionErrors,
    },
    /// The same, and Kapacitor has checked them against other options.
    #[error("plugin `{plugin}`: {errors}; Kapacitor was told of other options when it started: restart it")]
    AnnouncedOptions {
        /// The plugin.
        plugin: String,
        /// What is wrong with the options.
        errors: OptionErrors,
    },
}
