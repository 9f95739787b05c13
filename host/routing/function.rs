//! Which plugin does the work of a task.
//!
//! Kapacitor never says which function it wants: the socket says it. From there on the task's id
//! (`route`), the TICKscript (`plugin-option`) or `udf.toml` (`plugin`) chooses.

use std::collections::BTreeMap;
use std::sync::Arc;

use globset::{Glob, GlobMatcher};

use crate::config::Limits;
use crate::config::OnTrap;
use crate::config::Policy;
use crate::config::{Config, Edges, FunctionConfig, edge_name, is_identifier};
use crate::plugin::{AdmissionError, Plugin};
use crate::protocol::EdgeType;
use crate::protocol::option_value::Value;
use crate::protocol::{InfoResponse, InitRequest, Option as UdfOption, OptionInfo, ValueType};
use crate::routing::options;

/// The option of a generic function that gives the plugin one of its options.
const SET: &str = "set";

/// The plugins by name: admitted, or refused with the reason.
pub type Plugins = BTreeMap<String, Result<Arc<Plugin>, Arc<AdmissionError>>>;

/// A Kapacitor function: one endpoint.
pub struct Function {
    /// Its name in kapacitor.conf and in TICKscripts.
    pub name: String,
    /// The limits of its sandboxes.
    pub limits: Limits,
    /// What becomes of its tasks when they fail.
    pub policy: Policy,
    choice: Choice,
    routes: Vec<(GlobMatcher, String)>,
}

enum Choice {
    /// `plugin = …`
    Plugin(String),
    /// `plugin-option = …`
    Generic { option: String, edges: Edges },
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
    /// When a route's pattern is none.
    pub fn all<'a>(config: &Config, plugins: impl Iterator<Item = &'a String>) -> Result<Vec<Self>, String> {
        let by_default = FunctionConfig::default();
        let mut configs: BTreeMap<&str, &FunctionConfig> =
            plugins.filter(|name| is_identifier(name)).map(|name| (name.as_str(), &by_default)).collect();
        configs.extend(config.functions.iter().map(|(name, function)| (name.as_str(), function)));
        configs.into_iter().map(|(name, function)| Self::new(name, function, config)).collect()
    }

    fn new(name: &str, function: &FunctionConfig, config: &Config) -> Result<Self, String> {
        let routes = function.route.iter().map(|route| match Glob::new(&route.task) {
            Ok(glob) => Ok((glob.compile_matcher(), route.plugin.clone())),
            Err(e) => Err(format!(
                "[[functions.{name}.route]]: task = \"{}\" is no pattern: {}",
                route.task,
                e.kind()
            )),
        });
        let choice = match (&function.plugin_option, function.edges) {
            (Some(option), Some(edges)) => Choice::Generic { option: option.clone(), edges },
            _ => Choice::Plugin(function.plugin.clone().unwrap_or_else(|| name.to_owned())),
        };
        Ok(Self {
            name: name.to_owned(),
            limits: config.limits(name),
            policy: config.policy(name),
            choice,
            routes: routes.collect::<Result<_, _>>()?,
        })
    }

    /// The plugins that the function names; it may run others too if it is generic.
    pub fn named_plugins(&self) -> impl Iterator<Item = &str> {
        let own = match &self.choice {
            Choice::Plugin(name) => Some(name.as_str()),
            Choice::Generic { .. } => None,
        };
        own.into_iter().chain(self.routes.iter().map(|(_, plugin)| plugin.as_str()))
    }

    /// Whether the TICKscript may name the plugin.
    pub fn is_generic(&self) -> bool {
        matches!(self.choice, Choice::Generic { .. })
    }

    /// What the function answers to Info.
    ///
    /// A function whose plugin was refused answers too: an error would keep kapacitord from
    /// starting, and with it every other task.
    pub fn info(&self, plugins: &Plugins) -> InfoResponse {
        match &self.choice {
            Choice::Plugin(name) => match plugins.get(name) {
                Some(Ok(plugin)) => plugin.info.clone(),
                _ => InfoResponse::default(),
            },
            Choice::Generic { option, edges } => {
                let types = |n| OptionInfo { value_types: vec![ValueType::String.into(); n] };
                InfoResponse {
                    wants: edges.wants.into(),
                    provides: edges.provides.into(),
                    options: [(option.clone(), types(1)), (SET.to_owned(), types(2))].into(),
                }
            }
        }
    }

    /// The name of the plugin that a task is to run, if it can be told.
    pub fn chosen(&self, request: &InitRequest) -> Option<String> {
        self.choose(request).ok()?.0
    }

    /// The plugin's name, and the options of a generic function.
    #[allow(clippy::type_complexity, reason = "a name, and pairs of key and value")]
    fn choose(
        &self,
        request: &InitRequest,
    ) -> Result<(Option<String>, Option<Vec<(String, String)>>), String> {
        let by_task = self.routes.iter().find(|(task, _)| task.is_match(&request.task_id));
        let (by_script, settings) = match &self.choice {
            Choice::Plugin(name) => (Some(name.clone()), None),
            Choice::Generic { option, .. } => {
                let (named, settings) = self.read_generic(option, &request.options)?;
                (named, Some(settings))
            }
        };
        Ok((by_task.map(|(_, name)| name.clone()).or(by_script), settings))
    }

    /// Chooses the plugin of a task and makes the request fit it. `told` is what Kapacitor was told of the
    /// function when it started, where that is known.
    ///
    /// # Errors
    ///
    /// A sentence for the user of the task: what is wrong and what to change.
    pub fn route(
        &self,
        mut request: InitRequest,
        plugins: &Plugins,
        told: Option<&InfoResponse>,
    ) -> Result<Routed, String> {
        let (name, settings) = self.choose(&request)?;
        let Some(name) = name else { return Err(self.no_plugin_named(plugins)) };
        let plugin = match plugins.get(&name) {
            Some(Ok(plugin)) => Arc::clone(plugin),
            Some(Err(refusal)) => {
                return Err(format!("function `{}`: plugin {refusal}", self.name));
            }
            None => return Err(unknown_plugin(&name, &self.name, plugins)),
        };
        self.check_edges(&plugin, plugins)?;
        self.check_told(&plugin, told)?;
        self.check_plugin(&plugin)?;
        request.options = match settings {
            None => options::fit(request.options, &plugin.info, &name).map_err(|problems| match told {
                Some(told) if told.options != plugin.info.options => {
                    format!("{problems}; Kapacitor was told of other options when it started: restart it")
                }
                _ => problems,
            })?,
            Some(settings) => {
                let (fitted, problems): (Vec<_>, Vec<_>) = settings
                    .iter()
                    .map(|(key, text)| options::from_text(key, text, &plugin.info, &name))
                    .partition(Result::is_ok);
                if !problems.is_empty() {
                    let problems: Vec<_> = problems.into_iter().filter_map(Result::err).collect();
                    return Err(format!("plugin `{name}`: {}", problems.join("; ")));
                }
                fitted.into_iter().filter_map(Result::ok).collect()
            }
        };
        Ok(Routed { plugin, request })
    }

    /// Whether `plugin` can run under the function's limits and policies.
    ///
    /// # Errors
    ///
    /// What does not go together, and what to do.
    pub fn check_plugin(&self, plugin: &Plugin) -> Result<(), String> {
        plugin
            .check_limits(&self.limits)
            .map_err(|problem| format!("function `{}`: plugin `{}` {problem}", self.name, plugin.name))?;
        check_policy(&self.policy, plugin).map_err(|problem| format!("function `{}`: {problem}", self.name))
    }

    /// Reads `.plugin('x').set('a', 'b')`.
    #[allow(clippy::type_complexity, reason = "a name and pairs of key and value")]
    fn read_generic(
        &self,
        plugin_option: &str,
        options: &[UdfOption],
    ) -> Result<(Option<String>, Vec<(String, String)>), String> {
        let mut plugin = None;
        let mut settings = Vec::new();
        for option in options {
            let texts: Vec<&str> = option
                .values
                .iter()
                .filter_map(|value| match &value.value {
                    Some(Value::StringValue(text)) => Some(text.as_str()),
                    _ => None,
                })
                .collect();
            match (option.name.as_str(), &texts[..]) {
                (name, [text]) if name == plugin_option => plugin = Some((*text).to_owned()),
                (SET, [key, text]) => settings.push(((*key).to_owned(), (*text).to_owned())),
                (name, _) => {
                    return Err(format!(
                        "function `{}`: option `{name}` is not as it takes it: .{plugin_option}('NAME').{SET}('OPTION', 'VALUE')",
                        self.name
                    ));
                }
            }
        }
        Ok((plugin, settings))
    }

    fn no_plugin_named(&self, plugins: &Plugins) -> String {
        let option = match &self.choice {
            Choice::Generic { option, .. } => option.as_str(),
            Choice::Plugin(_) => "plugin",
        };
        format!(
            "function `{}`: no plugin named: add .{option}('NAME') to the TICKscript or a route to udf.toml; there are: {}",
            self.name,
            known(plugins)
        )
    }

    /// Kapacitor has built its tasks with the edges that it was told when it started.
    fn check_told(&self, plugin: &Plugin, told: Option<&InfoResponse>) -> Result<(), String> {
        let Some(told) = told else { return Ok(()) };
        let edges = Edges { wants: told.wants(), provides: told.provides() };
        if plugin.edges() == edges {
            return Ok(());
        }
        Err(format!(
            "function `{}`: Kapacitor was told when it started that it is {edges}, and plugin `{}` is {} now: restart Kapacitor",
            self.name,
            plugin.name,
            plugin.edges()
        ))
    }

    /// A generic function has edges of its own, and a route may name a plugin with others than the function's.
    fn check_edges(&self, plugin: &Plugin, plugins: &Plugins) -> Result<(), String> {
        let info = self.info(plugins);
        let edges = Edges { wants: info.wants(), provides: info.provides() };
        if plugin.edges() == edges {
            return Ok(());
        }
        Err(format!(
            "function `{}` is {edges}, and plugin `{}` is {}: choose another plugin, or a function that wants {} and provides {}",
            self.name,
            plugin.name,
            plugin.edges(),
            edge_name(plugin.info.wants()),
            edge_name(plugin.info.provides()),
        ))
    }
}

fn unknown_plugin(name: &str, function: &str, plugins: &Plugins) -> String {
    if let Some(plain) = name.strip_suffix(".wasm") {
        return format!("function `{function}`: there is no plugin `{name}`: write `{plain}`, without .wasm");
    }
    if name == function {
        return format!(
            "function `{function}`: there is no plugin of its name: add plugin = \"NAME\" to [functions.{function}], or plugin-option and edges; there are: {}",
            known(plugins)
        );
    }
    format!(
        "function `{function}`: there is no plugin `{name}`: put {name}.wasm into the plugins folder; there are: {}",
        known(plugins)
    )
}

fn known(plugins: &Plugins) -> String {
    let names: Vec<&str> = plugins.iter().filter(|(_, p)| p.is_ok()).map(|(name, _)| name.as_str()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Whether `policy` can be kept with a plugin of these edges.
///
/// # Errors
///
/// What does not go together, and what to do.
pub fn check_policy(policy: &Policy, plugin: &Plugin) -> Result<(), String> {
    let name = |edge: EdgeType| edge_name(edge);
    let (wants, provides) = (plugin.info.wants(), plugin.info.provides());
    if policy.on_trap == OnTrap::PassThrough && wants != provides {
        return Err(format!(
            "on-trap = \"pass-through\" needs a plugin that provides what it wants, and `{}` wants {} and provides {}: choose another on-trap",
            plugin.name,
            name(wants),
            name(provides)
        ));
    }
    Ok(())
}
