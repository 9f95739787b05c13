//! What needs a look, at the top of the overview.

use maud::{Markup, html};

use super::{layout, links, numbers, words};
use crate::host::Limit;
use crate::query::Query;
use crate::sort::Sort;
use crate::task::TaskState;
use crate::{RECENT_SECONDS, RefusedStart, Status};

/// Part of a limit from which on it is worth a word.
const NEAR: f64 = 0.9;

/// Maximum number of sentences of one kind.
const MOST: usize = 20;

/// What needs a look, or that nothing does.
pub fn attention(status: &Status) -> Markup {
    let sentences = sentences(status);
    html! {
        section #attention data-live aria-labelledby="attention-title" {
            @if sentences.is_empty() {
                h2 #attention-title.visually-hidden { "State of the host" }
                p.well { (words::verdict(true, "Kapacitor can use all functions, and no task needs a look.")) }
            } @else {
                h2 #attention-title { "Needs a look" }
                ul.attention {
                    @for sentence in &sentences { li { span.sign aria-hidden="true" { "▲" } " " (sentence) } }
                }
            }
            @if !status.refused_starts.is_empty() { (refused(status)) }
        }
    }
}

fn sentences(status: &Status) -> Vec<Markup> {
    let mut found: Vec<Markup> =
        status.host.not_ready.iter().take(MOST).map(|reason| html! { (numbers::visible(reason)) }).collect();
    if status.host.not_ready.len() > MOST {
        found.push(html! { (status.host.not_ready.len() - MOST) " more of this kind: see /ready" });
    }
    if let Some(error) = status.host.last_reload.as_ref().and_then(|reload| reload.error.as_ref()) {
        let what = "udf.toml was read again and refused, everything stayed as it was: ";
        found.push(html! { (what) (numbers::visible(error)) });
    }
    let differing: Vec<_> =
        status.functions.iter().filter(|function| !function.differences.is_empty()).collect();
    for function in differing.iter().take(MOST) {
        found.push(html! {
            "Kapacitor was told something else of the function "
            a href=(links::function(&function.name)) { (words::name(&function.name)) } ": "
            @if function.breaks_scripts {
                "change the scripts that do not fit the plugin any more before you restart it."
            } @else {
                "restart it to use the plugin as it is now."
            }
        });
    }
    if differing.len() > MOST {
        found.push(
            html! { (differing.len() - MOST) " more functions of which Kapacitor was told something else" },
        );
    }
    for (state, text) in [
        (
            TaskState::PassesThrough,
            "run without their plugin, which has failed: their points go on unchanged",
        ),
        (TaskState::WaitsForPlugin, "have input that waits for the plugin for more than a second"),
        (TaskState::WaitsForKapacitor, "have output that Kapacitor does not read"),
    ] {
        let count = status.tasks_in_state.get(state);
        if count > 0 {
            let query = Query { state: Some(state), ..Query::default() };
            found.push(html! {
                a href=(links::overview(&query)) { (numbers::count(count)) " of the tasks" } " " (text) "."
            });
        }
    }
    let failing = status.tasks_with_recent_error;
    if failing > 0 {
        let query = Query { sort: Sort::Error, ..Query::default() };
        found.push(html! {
            a href=(links::overview(&query)) { (numbers::count(failing)) " of the tasks" }
            " had an error in the last " (numbers::span(RECENT_SECONDS)) "."
        });
    }
    let limits = &status.limits;
    for (what, limit) in [
        ("sandboxes", &limits.sandboxes),
        ("memory", &limits.memory_bytes),
        ("connections", &limits.connections),
        ("open files", &limits.open_files),
    ] {
        if let Some(share) = limit.share().filter(|share| *share >= NEAR) {
            found.push(near(what, share, limit));
        }
    }
    found
}

fn near(what: &str, share: f64, limit: &Limit) -> Markup {
    html! { (numbers::percent(share)) " of the " (what) " are in use. The limit: " (numbers::visible(&limit.set_by)) }
}

/// The tasks that could not start.
fn refused(status: &Status) -> Markup {
    let row = |refused: &RefusedStart| {
        let RefusedStart { function, task, node, timestamp_seconds, error } = refused;
        html! {
            tr {
                th scope="row" { (words::name(task)) span.muted { " / " (words::name(node)) } }
                td.prose { (words::text(error)) }
                td.nowrap { (words::time(status.host.now_timestamp_seconds, *timestamp_seconds)) }
                td { (words::name(function)) }
            }
        }
    };
    let table = html! {
        table {
            caption { "Tasks that could not start" }
            thead { tr {
                th scope="col" { "Task / node" }
                th scope="col" { "Reason" }
                th scope="col" { "Tried" }
                th scope="col" { "Function" }
            } }
            tbody { @for refused in &status.refused_starts { (row(refused)) } }
        }
    };
    layout::wide("Tasks that could not start", table)
}
