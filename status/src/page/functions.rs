//! The functions.

use maud::{Markup, html};

use super::{layout, links, numbers, words};
use crate::function::{Function, Socket};

/// All functions.
pub fn functions(functions: &[Function]) -> Markup {
    let table = html! {
        table {
            thead { tr {
                th scope="col" { "Function" }
                // On a narrow screen only the first columns are in view.
                th scope="col" { "State" }
                th scope="col" { "Plugin" }
                th scope="col" { "Edges and options" }
                th scope="col" { "Socket" }
                th scope="col" .number { "Sessions" }
            } }
            tbody { @for function in functions { (row(function)) } }
        }
    };
    html! {
        section aria-labelledby="functions" {
            h2 #functions { "Functions" }
            div #live-functions data-live {
                @if functions.is_empty() { p.muted { "There are none: put plugins into the plugins folder." } }
                @else { (layout::wide("Functions", table)) }
            }
        }
    }
}

fn row(function: &Function) -> Markup {
    html! {
        tr id=(links::function_id(&function.name)) {
            th scope="row" { (words::name(&function.name)) }
            td.prose { (state(function)) }
            td { (chooser(function)) }
            td { (words::info(&function.info)) }
            td { (socket(function.socket.as_ref())) }
            td.number { (numbers::count(function.sessions)) }
        }
    }
}

/// What chooses the plugin of a task.
pub fn chooser(function: &Function) -> Markup {
    html! {
        @if let Some(plugin) = &function.plugin { a href=(links::plugin(plugin)) { (words::name(plugin)) } }
        @if let Some(option) = &function.plugin_option {
            "named by the script with " code { "." (words::text(option)) "('NAME')" }
        }
        @if !function.routes.is_empty() {
            ul.routes { @for route in &function.routes {
                li {
                    code { (words::text(&route.task)) } " → "
                    a href=(links::plugin(&route.plugin)) { (words::name(&route.plugin)) }
                }
            } }
        }
    }
}

/// Where Kapacitor reaches a function.
pub fn socket(socket: Option<&Socket>) -> Markup {
    let Some(socket) = socket else { return html! { span.muted { "not tried yet" } } };
    html! {
        code { (words::text(&socket.path)) }
        @if let Some(rights) = &socket.rights { " " span.muted.nowrap { (words::text(rights)) } }
        @if let Some(error) = &socket.error { br; (words::verdict(false, error)) }
    }
}

/// Whether a function can be used, and what Kapacitor does not know of it.
pub fn state(function: &Function) -> Markup {
    let differs = if function.breaks_scripts {
        "scripts may not fit after Kapacitor's restart:"
    } else {
        "Kapacitor must be restarted to know:"
    };
    html! {
        @match &function.error {
            Some(error) => (words::verdict(false, error)),
            None => (words::verdict(true, "can be used")),
        }
        @if function.told.is_none() { br; span.muted { "Kapacitor has not asked for it yet" } }
        @if !function.differences.is_empty() {
            br; (words::verdict(false, differs))
            ul { @for difference in &function.differences { li { (words::text(difference)) } } }
        }
    }
}
