//! How a function knows which plugin runs a task.

use super::error::RouteError;
use crate::config::{Edges, FunctionConfig};
use crate::protocol::Option as UdfOption;
use crate::protocol::option_value::Value;

/// The option of a generic function that sets an option of the plugin.
pub const SET: &str = "set";

/// What names the plugin of a task, unless a route does.
#[derive(Debug)]
pub enum Selector {
    /// `udf.toml` names it, `plugin = ...`, or it has the function's own name.
    Plugin(String),
    /// The TICKscript names it, `plugin-option = ...`: this option does, of a function with these edges.
    Generic {
        /// The option that names the plugin.
        option: String,
        /// The edges of the function.
        edges: Edges,
    },
    /// Nothing: the function was taken out of `udf.toml` while the host runs.
    Removed,
}

/// What a TICKscript or `udf.toml` has selected for one task.
#[derive(Debug, PartialEq, Eq)]
pub struct Selection {
    /// Name of the plugin, if any was named.
    pub plugin: Option<String>,
    /// Names and texts of the plugin's options, as `.set('NAME', 'TEXT')` gives them; `None` if the task's
    /// options are the plugin's own.
    pub settings: Option<Vec<(String, String)>>,
}

impl Selector {
    /// The selector of the function `name`, as `udf.toml` describes it.
    pub fn new(name: &str, config: &FunctionConfig) -> Self {
        match (&config.plugin_option, config.edges) {
            (Some(option), Some(edges)) => Self::Generic { option: option.clone(), edges },
            _ => Self::Plugin(config.plugin.clone().unwrap_or_else(|| name.to_owned())),
        }
    }

    /// The option of the TICKscript that names the plugin.
    pub fn plugin_option(&self) -> &str {
        match self {
            Self::Plugin(_) | Self::Removed => "plugin",
            Self::Generic { option, .. } => option,
        }
    }

    /// What `options`, the options of a task of `function`, select.
    ///
    /// # Errors
    ///
    /// When the options of a generic function are called wrongly.
    pub fn select(&self, function: &str, options: &[UdfOption]) -> Result<Selection, RouteError> {
        let plugin_option = match self {
            Self::Plugin(name) => return Ok(Selection { plugin: Some(name.clone()), settings: None }),
            Self::Generic { option, .. } => option,
            Self::Removed => return Err(RouteError::Removed { function: function.to_owned() }),
        };
        let (mut plugin, mut settings) = (None, Vec::new());
        for option in options {
            let texts: Vec<&str> =
                option.values.iter().filter_map(|value| text(value.value.as_ref())).collect();
            match (option.name.as_str(), &texts[..]) {
                (name, [text]) if name == plugin_option => plugin = Some((*text).to_owned()),
                (SET, [key, text]) => settings.push(((*key).to_owned(), (*text).to_owned())),
                (name, _) => {
                    return Err(RouteError::GenericOption {
                        function: function.to_owned(),
                        option: name.to_owned(),
                        plugin_option: plugin_option.clone(),
                        set: SET,
                    });
                }
            }
        }
        Ok(Selection { plugin, settings: Some(settings) })
    }
}

fn text(value: Option<&Value>) -> Option<&str> {
    match value {
        Some(Value::StringValue(text)) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::EdgeType::Stream;
    use crate::protocol::client::{option, text};

    fn generic() -> Selector {
        let edges = Edges { wants: Stream, provides: Stream };
        Selector::Generic { option: "plugin".to_owned(), edges }
    }

    fn set(name: &str, value: &str) -> UdfOption {
        let mut option = text(SET, name);
        option.values.extend(text(SET, value).values);
        option
    }

    #[test]
    fn named_plugin_gets_the_options_of_the_task() {
        let selector = Selector::Plugin("mean".to_owned());
        let selected = selector.select("f", &[text("field", "x")]).unwrap();
        assert_eq!(selected, Selection { plugin: Some("mean".to_owned()), settings: None });
    }

    #[test]
    fn generic_function_is_told_the_plugin_and_its_options() {
        let selected = generic().select("f", &[set("size", "3"), text("plugin", "mean")]).unwrap();
        let settings = Some(vec![("size".to_owned(), "3".to_owned())]);
        assert_eq!(selected, Selection { plugin: Some("mean".to_owned()), settings });
        assert_eq!(generic().select("f", &[]).unwrap().plugin, None);
    }

    #[test]
    fn wrong_options_of_a_generic_function_are_refused() {
        for wrong in [text("field", "x"), option("plugin", Value::IntValue(1)), text(SET, "size")] {
            let error = generic().select("f", &[wrong]).unwrap_err();
            assert!(matches!(error, RouteError::GenericOption { .. }), "{error}");
        }
    }
}
