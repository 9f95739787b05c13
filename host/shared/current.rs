//! What is served at this moment: `udf.toml` as it was read last, and the functions.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::config::{Config, Limits};
use crate::plugin::Plugins;
use crate::routing::{Function, PatternError};
use crate::units::Span;

/// All functions of the process, by name.
pub type Functions = BTreeMap<String, Arc<Function>>;

/// What is served at this moment. A session keeps what it began with.
#[derive(Clone)]
pub struct Current {
    /// What the operator wrote.
    pub config: Arc<Config>,
    /// All functions.
    pub functions: Arc<Functions>,
    /// Maximum time that a session takes to finish, the longest since the host has started.
    pub drain_deadline: Span,
}

impl Current {
    /// What `config` and the plugins of these names make.
    ///
    /// # Errors
    ///
    /// When a route is wrong.
    #[expect(single_use_lifetimes, reason = "an anonymous one can't stand here yet")]
    pub fn new<'a>(
        config: Arc<Config>,
        plugins: impl Iterator<Item = &'a String>,
    ) -> Result<Self, PatternError> {
        let functions = Function::all(&config, plugins)?;
        let functions = functions.into_iter().map(|function| (function.name.clone(), Arc::new(function)));
        let drain_deadline = config.sessions.drain_deadline;
        Ok(Self { config, functions: Arc::new(functions.collect()), drain_deadline })
    }

    /// Limits under which a plugin is admitted: it is if any function lets it run.
    pub fn limits(&self) -> Limits {
        let base = self.config.default_limits();
        self.functions.values().fold(base, |limits, function| limits.or_more(&function.limits))
    }

    /// The same with `config`. A function that was served stays: the one of a plugin whose file is gone, and, for
    /// its running tasks and for Kapacitor, one that was taken out of `udf.toml`.
    ///
    /// # Errors
    ///
    /// When a route is wrong.
    pub fn with_config(&self, config: Arc<Config>, plugins: &Plugins) -> Result<Self, PatternError> {
        let of_plugins = self.functions.values().filter(|function| function.is_of_plugin_file());
        let names = plugins.keys().chain(of_plugins.map(|function| &function.name));
        let mut new = Self::new(config, names)?;
        let functions = Arc::make_mut(&mut new.functions);
        for (name, function) in self.functions.iter() {
            functions.entry(name.clone()).or_insert_with(|| Arc::new(function.removed()));
        }
        new.drain_deadline = new.drain_deadline.max(self.drain_deadline);
        Ok(new)
    }
}

/// What is served, and who waits for a change of it.
pub struct Served(watch::Sender<Current>);

impl Served {
    /// Serves `current`.
    pub fn new(current: Current) -> Self {
        Self(watch::Sender::new(current))
    }

    /// What is served at this moment.
    pub fn current(&self) -> Current {
        self.0.borrow().clone()
    }

    /// Sees each change.
    pub fn changes(&self) -> watch::Receiver<Current> {
        self.0.subscribe()
    }

    /// Serves `current` from now on.
    pub fn replace(&self, current: Current) {
        self.0.send_replace(current);
    }

    /// Serves a function of the plugin `name`, too, whose file is new. True if that was no function before.
    pub fn add_plugin(&self, name: &str) -> bool {
        self.0.send_if_modified(|current| {
            let Some(function) = Function::of_plugin_file(name, &current.config) else { return false };
            if current.functions.contains_key(name) {
                return false;
            }
            Arc::make_mut(&mut current.functions).insert(name.to_owned(), Arc::new(function));
            true
        })
    }
}
