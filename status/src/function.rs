//! Functions: what Kapacitor can call.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A function of Kapacitor.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Function {
    /// Its name in kapacitor.conf and in TICKscripts.
    pub name: String,
    /// The plugin of its tasks, unless a route names another; `None` if the TICKscript names it.
    pub plugin: Option<String>,
    /// The option with which a TICKscript names the plugin; `None` if it can't.
    pub plugin_option: Option<String>,
    /// Which tasks get which plugin, whatever else is said; the first that fits counts.
    pub routes: Vec<Route>,
    /// Why tasks of it can't start; `None` if they can.
    pub error: Option<String>,
    /// Where Kapacitor reaches it; `None` while its socket was not tried yet.
    pub socket: Option<Socket>,
    /// Connections of Kapacitor that run a task of it now.
    pub sessions: u64,
    /// Maximum memory of each of its sandboxes, in bytes: `limits.memory`.
    pub sandbox_memory_limit_bytes: u64,
    /// What Kapacitor would be told of it now.
    pub info: Info,
    /// What Kapacitor was told when it asked last; `None` if it has not asked yet.
    pub told: Option<Info>,
    /// Where `info` differs from `told`, one difference each: Kapacitor must be restarted to know.
    pub differences: Vec<String>,
    /// Whether a script that Kapacitor knows may not fit after its restart.
    pub breaks_scripts: bool,
}

/// The tasks whose id fits a pattern get a plugin.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Route {
    /// The pattern, such as `night-*`.
    pub task: String,
    /// The plugin.
    pub plugin: String,
}

/// The socket of a function.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Socket {
    /// Its path, as in kapacitor.conf.
    pub path: String,
    /// Owner, group and mode, such as `kapacitor:kapacitor 0660`; `None` if the file can't be looked at.
    pub rights: Option<String>,
    /// Why it is not there; `None` if it is.
    pub error: Option<String>,
}

/// What a function tells Kapacitor of its edges and options.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Info {
    /// The edge that comes in: `stream` or `batch`.
    pub wants: String,
    /// The edge that goes out: `stream` or `batch`.
    pub provides: String,
    /// The options by name.
    pub options: BTreeMap<String, InfoOption>,
}

/// An option of a function.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct InfoOption {
    /// The types of its arguments: `bool`, `int`, `double`, `string` or `duration`.
    pub types: Vec<String>,
}
