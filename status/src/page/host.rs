//! The process and its limits.

use maud::{Markup, html};

use super::{numbers, spark, words};
use crate::host::{Host, Limit, Reload};
use crate::{Limits, Status};

/// The limits, each with a bar.
pub fn limits(limits: &Limits) -> Markup {
    let card = |title: &str, limit: &Limit, shown: fn(u64) -> String| {
        let used = limit.used.map_or("—".to_owned(), shown);
        let most = limit.limit.map_or("no limit".to_owned(), |most| format!("of {}", shown(most)));
        html! {
            div.card {
                dt { (title) }
                dd title=(numbers::visible(&limit.set_by)) {
                    b { (used) } " " span.muted { (most) }
                    @if let Some(share) = limit.share() { (spark::bar(share)) }
                }
            }
        }
    };
    html! {
        dl #limits.cards data-live aria-label="Limits" {
            (card("Sandboxes", &limits.sandboxes, numbers::count))
            (card("Memory", &limits.memory_bytes, numbers::bytes))
            (card("Connections", &limits.connections, numbers::count))
            (card("Open files", &limits.open_files, numbers::count))
        }
    }
}

/// The process.
pub fn host(status: &Status) -> Markup {
    let Host {
        version,
        build,
        now_timestamp_seconds: now,
        started_timestamp_seconds: started,
        not_ready: _,
        config_file,
        plugins_dir,
        state_dir,
        last_reload,
        cpu_seconds,
        resident_memory_bytes,
    } = &status.host;
    html! {
        section aria-labelledby="host" {
            h2 #host { "Host" }
            dl.facts #live-host data-live {
                dt { "Version" } dd { (words::text(version)) " " span.muted { "build " (words::text(build)) } }
                @if let Some(started) = started {
                    dt { "Started" } dd { time datetime=(numbers::rfc3339(*started)) { (numbers::rfc3339(*started)) } " " span.muted { (numbers::ago(*now, *started)) } }
                }
                dt { "Configuration" } dd { @if let Some(file) = config_file { code { (words::text(file)) } } @else { "—" } }
                dt { "Read again" } dd { @match last_reload { Some(reload) => (last_reload_of(reload, *now)), None => "not since the start" } }
                dt { "Plugins" } dd { code { (words::text(plugins_dir)) } }
                dt { "States" } dd { code { (words::text(state_dir)) } }
                @if let Some(cpu) = cpu_seconds { dt { "CPU time" } dd { (numbers::span(*cpu)) } }
                @if let Some(memory) = resident_memory_bytes { dt { "Memory of the process" } dd { (numbers::bytes(*memory)) } }
            }
        }
    }
}

fn last_reload_of(reload: &Reload, now: f64) -> Markup {
    let Reload { timestamp_seconds, error, changes } = reload;
    html! {
        (words::time(now, *timestamp_seconds)) ", "
        @match error {
            Some(error) => { (words::verdict(false, "refused")) ": " (words::text(error)) }
            None if changes.is_empty() => "nothing had changed",
            None => ul { @for change in changes { li { (words::text(change)) } } },
        }
    }
}
