//! The functions: what chooses their plugins, where Kapacitor reaches them, and what it was told of them.

use std::collections::{BTreeMap, HashMap};

use kapacitor_wasm_status::{Function, Info, InfoOption, Route, Socket};

use crate::config::{Config, edge_name};
use crate::endpoint::{rights, socket_path};
use crate::metrics::NodeReading;
use crate::plugin::Plugins;
use crate::protocol::{InfoResponse, OptionInfo};
use crate::routing::{self, Drift, type_name};
use crate::shared::Shared;

/// All functions.
pub fn all(shared: &Shared, nodes: &[NodeReading]) -> Vec<Function> {
    let (config, plugins, sockets) = (shared.config(), shared.plugins(), shared.sockets());
    let mut sessions: HashMap<&str, u64> = HashMap::new();
    for node in nodes {
        *sessions.entry(&node.udf.function).or_default() += node.running;
    }
    let function = |function: &routing::Function| {
        let name = function.name.as_str();
        let announced = shared.announced();
        let told = announced.get(name);
        let now = function.told(&plugins, told.as_ref());
        let drift = announced.drift(name, &now);
        let (told, differences, breaks_scripts) = match drift {
            Some(Drift { told, differences, breaks_scripts }) => {
                (Some(info(&told)), differences, breaks_scripts)
            }
            None => (None, Vec::new(), false),
        };
        Function {
            name: name.to_owned(),
            plugin: function.plugin().map(str::to_owned),
            plugin_option: function.plugin_option().map(str::to_owned),
            routes: function.routes().map(route).collect(),
            error: error(function, &plugins),
            socket: sockets.get(name).map(|socket| self::socket(&config, name, socket)),
            sessions: sessions.get(name).copied().unwrap_or(0),
            sandbox_memory_limit_bytes: function.limits.memory.0,
            info: info(&now),
            told,
            differences,
            breaks_scripts,
        }
    };
    shared.functions().values().map(|found| function(found)).collect()
}

fn route((task, plugin): (&str, &str)) -> Route {
    Route { task: task.to_owned(), plugin: plugin.to_owned() }
}

/// Why tasks of a function can't start.
fn error(function: &routing::Function, plugins: &Plugins) -> Option<String> {
    if function.is_removed() {
        return Some("it was taken out of udf.toml".to_owned());
    }
    let name = function.plugin()?;
    match plugins.get(name) {
        None => Some(format!("there is no plugin {name}: put {name}.wasm into the plugins folder")),
        Some(Err(error)) => Some(format!("{error:#}")),
        Some(Ok(plugin)) => function.check_plugin(plugin).err().map(|error| error.to_string()),
    }
}

fn socket(config: &Config, function: &str, socket: &Result<(), String>) -> Socket {
    let path = socket_path(config, function);
    Socket {
        rights: socket.as_ref().ok().and_then(|()| rights(&path)),
        path: path.display().to_string(),
        error: socket.as_ref().err().cloned(),
    }
}

/// An Info in words.
pub fn info(info: &InfoResponse) -> Info {
    let option = |option: &OptionInfo| InfoOption {
        types: option.value_types().map(|ty| type_name(ty).to_owned()).collect(),
    };
    let options: BTreeMap<_, _> =
        info.options.iter().map(|(name, found)| (name.clone(), option(found))).collect();
    Info {
        wants: edge_name(info.wants()).to_owned(),
        provides: edge_name(info.provides()).to_owned(),
        options,
    }
}
