//! Which plugin does the work of a task.
//!
//! Kapacitor never says which function it wants: the socket says it. From there on the task's id
//! (`route`), the TICKscript (`plugin-option`) or `udf.toml` (`plugin`) chooses.

use std::collections::BTreeMap;
use std::sync::Arc;

use globset::{Glob, GlobMatcher};

use super::error::{PatternError, RouteError};
use super::options;
use super::selector::{SET, Selection, Selector};
use crate::config::{Config, Edges, FunctionConfig, Limits, OnTrap, Policy, is_identifier};
use crate::plugin::{Plugin, Plugins};
use crate::protocol::{InfoResponse, InitRequest, OptionInfo, ValueType};

/// A Kapacitor function: one endpoint.
pub struct Function {
    /// Its name in kapacitor.conf and in TICKscripts.
    pub name: String,
    /// The limits of its sandboxes.
    pub limits: Limits,
    /// What becomes of its tasks when they fail.
    pub policy: Policy,
    selector: Selector,
    routes: Vec<(GlobMatcher, String)>,
    /// Whether `udf.toml` describes it. Otherwise it is the one of a plugin file.
    in_udf_toml: bool,
}

/// What a task is to run, and with which options.
#[derive(Debug)]
pub struct Routed {
    /// The plugin.
    pub plugin: Arc<Plugin>,
    /// The request for it, with the options that it declares.
    pub request: InitRequest,
}

impl Function {
    /// All functions: one for each plugin whose name a TICKscript can call, and those of
    /// `udf.toml`.
    ///
    /// # Errors
    ///
    /// When the pattern of a route is not valid.
    #[expect(single_use_lifetimes, reason = "an anonymous one can't stand here yet")]
    pub fn all<'a>(
        config: &Config,
        plugins: impl Iterator<Item = &'a String>,
    ) -> Result<Vec<Self>, PatternError> {
        let by_default = FunctionConfig::default();
        let mut configs: BTreeMap<&str, &FunctionConfig> =
            plugins.filter(|name| is_identifier(name)).map(|name| (name.as_str(), &by_default)).collect();
        configs.extend(config.functions.iter().map(|(name, function)| (name.as_str(), function)));
        configs.into_iter().map(|(name, function)| Self::new(name, function, config)).collect()
    }

    fn new(name: &str, function: &FunctionConfig, config: &Config) -> Result<Self, PatternError> {
        let routes = function.route.iter().map(|route| match Glob::new(&route.task) {
            Ok(glob) => Ok((glob.compile_matcher(), route.plugin.clone())),
            Err(e) => Err(PatternError {
                function: name.to_owned(),
                pattern: route.task.clone(),
                reason: e.kind().to_string(),
            }),
        });
        Ok(Self {
            name: name.to_owned(),
            limits: config.limits(name),
            policy: config.policy(name),
            selector: Selector::new(name, function),
            routes: routes.collect::<Result<_, _>>()?,
            in_udf_toml: config.functions.contains_key(name),
        })
    }

    /// The function that the file of the plugin `name` is by itself, if a TICKscript can call it.
    pub fn of_plugin_file(name: &str, config: &Config) -> Option<Self> {
        is_identifier(name).then(|| Self::new(name, &FunctionConfig::default(), config).ok())?
    }

    /// Whether it is one that a plugin file is by itself.
    pub fn is_of_plugin_file(&self) -> bool {
        !self.in_udf_toml
    }

    /// The same function after it was taken out of `udf.toml`: it refuses all tasks.
    #[must_use]
    pub fn removed(&self) -> Self {
        Self {
            name: self.name.clone(),
            limits: self.limits,
            policy: self.policy,
            selector: Selector::Removed,
            routes: Vec::new(),
            in_udf_toml: true,
        }
    }

    /// Whether tasks of it can start: its plugin was admitted, or the TICKscript names one.
    pub fn is_served(&self, plugins: &Plugins) -> bool {
        match &self.selector {
            Selector::Plugin(name) => matches!(plugins.get(name), Some(Ok(_))),
            Selector::Generic { .. } => true,
            Selector::Removed => false,
        }
    }

    /// Whether it was taken out of `udf.toml`.
    pub fn is_removed(&self) -> bool {
        matches!(self.selector, Selector::Removed)
    }

    /// The plugins that the function names; it may run others too if it is generic.
    pub fn named_plugins(&self) -> impl Iterator<Item = &str> {
        let own = match &self.selector {
            Selector::Plugin(name) => Some(name.as_str()),
            Selector::Generic { .. } | Selector::Removed => None,
        };
        own.into_iter().chain(self.routes.iter().map(|(_, plugin)| plugin.as_str()))
    }

    /// The plugin of its tasks that no route names; `None` if the TICKscript names it.
    pub fn plugin(&self) -> Option<&str> {
        match &self.selector {
            Selector::Plugin(name) => Some(name),
            Selector::Generic { .. } | Selector::Removed => None,
        }
    }

    /// The option with which a TICKscript names the plugin, if it may.
    pub fn plugin_option(&self) -> Option<&str> {
        self.is_generic().then(|| self.selector.plugin_option())
    }

    /// Patterns of tasks and their plugins; the first that fits counts.
    pub fn routes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.routes.iter().map(|(task, plugin)| (task.glob().glob(), plugin.as_str()))
    }

    /// Whether the TICKscript may name the plugin.
    pub fn is_generic(&self) -> bool {
        matches!(self.selector, Selector::Generic { .. })
    }

    /// What the function answers to Info.
    ///
    /// A function whose plugin was refused answers too: an error would keep kapacitord from
    /// starting, and with it every other task.
    pub fn info(&self, plugins: &Plugins) -> InfoResponse {
        match &self.selector {
            Selector::Plugin(name) => match plugins.get(name) {
                Some(Ok(plugin)) => plugin.info.clone(),
                _ => InfoResponse::default(),
            },
            Selector::Removed => InfoResponse::default(),
            Selector::Generic { option, edges } => {
                let types = |n| OptionInfo { value_types: vec![ValueType::String.into(); n] };
                InfoResponse {
                    wants: edges.wants.into(),
                    provides: edges.provides.into(),
                    options: [(option.clone(), types(1)), (SET.to_owned(), types(2))].into(),
                }
            }
        }
    }

    /// What Kapacitor is told of the function: its Info or, if its plugin was refused, the Info of the last time,
    /// `announced`. With it Kapacitor still understands the scripts that call the function, and needs no restart once
    /// the plugin is mended.
    pub fn told(&self, plugins: &Plugins, announced: Option<&InfoResponse>) -> InfoResponse {
        match announced {
            Some(announced) if !self.is_served(plugins) => announced.clone(),
            _ => self.info(plugins),
        }
    }

    /// The name of the plugin that a task is to run, if the request names one.
    pub fn chosen(&self, request: &InitRequest) -> Option<String> {
        self.select(request).ok()?.plugin
    }

    /// What is selected for a task. A route of `udf.toml` wins over the TICKscript.
    fn select(&self, request: &InitRequest) -> Result<Selection, RouteError> {
        let selection = self.selector.select(&self.name, &request.options)?;
        let route = self.routes.iter().find(|(task, _)| task.is_match(&request.task_id));
        let plugin = route.map(|(_, plugin)| plugin.clone()).or(selection.plugin);
        Ok(Selection { plugin, ..selection })
    }

    /// Chooses the plugin of a task and makes the request fit it. `announced` is the Info that Kapacitor was told
    /// of the function when it started, where that is known.
    ///
    /// # Errors
    ///
    /// What is wrong and what to change.
    pub fn route(
        &self,
        mut request: InitRequest,
        plugins: &Plugins,
        announced: Option<&InfoResponse>,
    ) -> Result<Routed, RouteError> {
        let Selection { plugin, settings } = self.select(&request)?;
        let Some(name) = plugin else {
            return Err(RouteError::NoPlugin {
                function: self.name.clone(),
                plugin_option: self.selector.plugin_option().to_owned(),
                known: known(plugins),
            });
        };
        let plugin = match plugins.get(&name) {
            Some(Ok(plugin)) => Arc::clone(plugin),
            Some(Err(error)) => {
                let error = Arc::clone(error);
                return Err(RouteError::Refused { function: self.name.clone(), error });
            }
            None => return Err(self.unknown_plugin(name, plugins)),
        };
        self.check_edges(&plugin, &self.told(plugins, announced))?;
        self.check_announced(&plugin, announced)?;
        self.check_plugin(&plugin)?;
        request.options = match settings {
            None => options::fit(request.options, &plugin.info).map_err(|errors| match announced {
                Some(announced) if announced.options != plugin.info.options => {
                    RouteError::AnnouncedOptions { plugin: name, errors }
                }
                _ => RouteError::Options { plugin: name, errors },
            })?,
            Some(settings) => options::from_texts(&settings, &plugin.info)
                .map_err(|errors| RouteError::Options { plugin: name, errors })?,
        };
        Ok(Routed { plugin, request })
    }

    /// Whether `plugin` can run under the function's limits and policies.
    ///
    /// # Errors
    ///
    /// What does not go together, and what to do.
    pub fn check_plugin(&self, plugin: &Plugin) -> Result<(), RouteError> {
        let (function, name) = (self.name.clone(), plugin.name.clone());
        if let Err(kind) = plugin.check_limits(&self.limits) {
            return Err(RouteError::Limits { function, plugin: name, kind });
        }
        let found = plugin.edges();
        if self.policy.on_trap == OnTrap::PassThrough && found.wants != found.provides {
            return Err(RouteError::PassThrough { function, plugin: name, found });
        }
        Ok(())
    }

    /// Kapacitor has built its tasks with the edges that it was told when it started.
    fn check_announced(&self, plugin: &Plugin, announced: Option<&InfoResponse>) -> Result<(), RouteError> {
        let Some(announced) = announced.map(edges_of).filter(|edges| *edges != plugin.edges()) else {
            return Ok(());
        };
        let (function, plugin, found) = (self.name.clone(), plugin.name.clone(), plugin.edges());
        Err(RouteError::AnnouncedEdges { function, announced, plugin, found })
    }

    /// A generic function has edges of its own, and a route may name a plugin with other edges than the function's.
    fn check_edges(&self, plugin: &Plugin, told: &InfoResponse) -> Result<(), RouteError> {
        let edges = edges_of(told);
        if plugin.edges() == edges {
            return Ok(());
        }
        let (function, plugin, found) = (self.name.clone(), plugin.name.clone(), plugin.edges());
        Err(RouteError::Edges { function, edges, plugin, found })
    }

    fn unknown_plugin(&self, plugin: String, plugins: &Plugins) -> RouteError {
        let (function, known) = (self.name.clone(), known(plugins));
        if let Some(plain) = plugin.strip_suffix(".wasm") {
            RouteError::FileName { function, plain: plain.to_owned() }
        } else if plugin == function {
            RouteError::NoPluginOfName { function, known }
        } else {
            RouteError::UnknownPlugin { function, plugin, known }
        }
    }
}

fn edges_of(info: &InfoResponse) -> Edges {
    Edges { wants: info.wants(), provides: info.provides() }
}

/// The plugins that can be named, for a message.
fn known(plugins: &Plugins) -> String {
    let names: Vec<&str> = plugins.iter().filter(|(_, p)| p.is_ok()).map(|(name, _)| name.as_str()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use super::*;
    use crate::plugin::{AdmissionError, AdmissionErrorKind};
    use crate::protocol::client::text;

    const CONFIG: &str = r#"
[functions.udf]
plugin-option = "plugin"
edges = "stream -> stream"

[[functions.udf.route]]
task = "night-*"
plugin = "night"

[functions.named]
plugin = "mean"
"#;

    fn function(name: &str) -> Function {
        let config = Config::from_text(CONFIG, Path::new("udf.toml")).unwrap();
        let functions = Function::all(&config, ["plain".to_owned()].iter()).unwrap();
        functions.into_iter().find(|function| function.name == name).unwrap()
    }

    /// The error for a task of `function` with one option, where only the plugin `broken` is there, refused.
    fn error(function_name: &str, task: &str, option: Option<(&str, &str)>) -> String {
        let refusal = AdmissionError {
            path: "broken.wasm".into(),
            kind: AdmissionErrorKind::Read(io::ErrorKind::NotFound.into()),
        };
        let plugins = Plugins::from([("broken".to_owned(), Err(Arc::new(refusal)))]);
        let request = InitRequest {
            task_id: task.to_owned(),
            options: option.map(|(name, value)| text(name, value)).into_iter().collect(),
            ..InitRequest::default()
        };
        function(function_name).route(request, &plugins, None).unwrap_err().to_string()
    }

    #[test]
    fn route_of_the_task_wins_over_the_script() {
        let request = |task: &str| InitRequest {
            task_id: task.to_owned(),
            options: vec![text("plugin", "mean")],
            ..InitRequest::default()
        };
        assert_eq!(function("udf").chosen(&request("night-shift")), Some("night".to_owned()));
        assert_eq!(function("udf").chosen(&request("day")), Some("mean".to_owned()));
        assert_eq!(function("named").chosen(&request("day")), Some("mean".to_owned()));
        assert_eq!(function("plain").chosen(&request("day")), Some("plain".to_owned()));
    }

    #[test]
    fn errors_say_what_to_do() {
        let no_plugin = error("udf", "t", None);
        assert!(no_plugin.contains("no plugin named: add .plugin('NAME')"), "{no_plugin}");
        let file = error("udf", "t", Some(("plugin", "mean.wasm")));
        assert!(file.ends_with("write `mean`, without .wasm"), "{file}");
        let unknown = error("udf", "t", Some(("plugin", "mean")));
        assert!(unknown.contains("put mean.wasm into the plugins folder; there are: none"), "{unknown}");
        let refused = error("udf", "t", Some(("plugin", "broken")));
        assert!(refused.starts_with("function `udf`: plugin broken.wasm: can't be read"), "{refused}");
        let own_name = error("plain", "t", None);
        assert!(own_name.contains("add plugin = \"NAME\" to [functions.plain]"), "{own_name}");
    }

    #[test]
    fn pattern_that_is_not_valid_is_refused() {
        let config = CONFIG.replace("night-*", "night-[");
        let config = Config::from_text(&config, Path::new("udf.toml")).unwrap();
        let error = Function::all(&config, [].iter()).err().unwrap().to_string();
        assert!(error.contains("task = \"night-[\" is not a valid pattern"), "{error}");
    }
}
