//! The plugins.

use maud::{Markup, html};

use super::{layout, links, numbers, words};
use crate::plugin::{Plugin, PluginStatus};

/// All plugins.
pub fn plugins(plugins: &[Plugin]) -> Markup {
    let table = html! {
        table {
            thead { tr {
                th scope="col" { "Plugin" }
                // On a narrow screen only the first columns are in view.
                th scope="col" { "State" }
                th scope="col" { "SHA-256" }
                th scope="col" { "Edges and options" }
                th scope="col" .number { "Tasks" }
                th scope="col" .number { "Loaded in" }
            } }
            tbody { @for plugin in plugins { (row(plugin)) } }
        }
    };
    html! {
        section aria-labelledby="plugins" {
            h2 #plugins { "Plugins" }
            div #live-plugins data-live {
                @if plugins.is_empty() { p.muted { "There are none." } } @else { (layout::wide("Plugins", table)) }
            }
        }
    }
}

fn row(plugin: &Plugin) -> Markup {
    html! {
        tr id=(links::plugin_id(&plugin.name)) {
            th scope="row" { (words::name(&plugin.name)) }
            td.prose { @match (plugin.status, &plugin.error) {
                (PluginStatus::Loaded, _) => (words::verdict(true, "loaded")),
                (PluginStatus::Refused, error) => (words::verdict(false, error.as_deref().unwrap_or("refused"))),
            } }
            td { (words::hash(plugin.sha256.as_deref().unwrap_or_default())) }
            td { @match &plugin.info { Some(info) => (words::info(info)), None => "—" } }
            td.number { (numbers::count(plugin.tasks)) }
            td.number.nowrap { (plugin.load_seconds.map_or("—".to_owned(), numbers::span)) }
        }
    }
}
