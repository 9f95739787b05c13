//! The labels of a log line: which task it is about.

use crate::udf_node::UdfNode;

/// The UDF node and the plugin that a log line is about. Empty where they are not known yet.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    /// The UDF node of Kapacitor.
    pub udf: UdfNode,
    /// Name of the plugin that does the work.
    pub plugin: String,
}

/// Logs a line with [`Labels`]: `log_for!(warn, labels, reason = "…", "what has happened")`.
macro_rules! log_for {
    ($level:ident, $labels:expr, $($fields_and_text:tt)+) => {{
        let labels: &$crate::logging::Labels = &$labels;
        ::tracing::$level!(
            function = labels.udf.function,
            task = labels.udf.task,
            node = labels.udf.node,
            plugin = labels.plugin,
            $($fields_and_text)+
        )
    }};
}

pub(crate) use log_for;
