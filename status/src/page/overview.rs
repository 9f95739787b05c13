//! The page of the whole host.

use maud::html;

use super::{attention, functions, host, layout, plugins, task_table};
use crate::Status;
use crate::query::Query;

/// The page of the whole host, with the tasks that `query` asked for.
pub fn overview(status: &Status, query: &Query) -> String {
    let main = html! {
        h1.visually-hidden { "Status of the host" }
        (host::limits(&status.limits))
        (attention::attention(status))
        (task_table::tasks(status, query))
        (functions::functions(&status.functions))
        (plugins::plugins(&status.plugins))
        (host::host(status))
    };
    layout::document("Status", status, main)
}
