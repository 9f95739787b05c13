//! Whose log lines, results and errors these are.

/// The task that something is of, as Kapacitor and an operator name it. Empty where it is not known yet.
#[derive(Clone, Debug, Default)]
pub struct Who {
    /// The Kapacitor function.
    pub function: String,
    /// Kapacitor's task id.
    pub task: String,
    /// Kapacitor's node id.
    pub node: String,
    /// The plugin that does the work.
    pub plugin: String,
}

/// Logs a line that is about a [`Who`]: `log_for!(warn, who, reason = "…", "what has happened")`.
macro_rules! log_for {
    ($level:ident, $who:expr, $($fields_and_text:tt)+) => {{
        let who: &$crate::logging::Who = &$who;
        ::tracing::$level!(
            function = who.function,
            task = who.task,
            node = who.node,
            plugin = who.plugin,
            $($fields_and_text)+
        )
    }};
}

pub(crate) use log_for;
