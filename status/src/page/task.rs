//! The page of one task.

use maud::{Markup, html};

use super::links::TaskName;
use super::task_table::{core_share, label};
use super::{functions, layout, links, numbers, spark, words};
use crate::Status;
use crate::task::{Rates, Task};

/// Number of rates of the past in a chart.
const RATES: usize = 60;

/// The page of `task`, which is one of `status`.
pub fn task(status: &Status, task: &Task) -> String {
    let now = status.host.now_timestamp_seconds;
    let main = html! {
        p.crumbs { a href="/#tasks" { "Tasks" } " / " (words::name(&task.task)) }
        h1 { (words::name(&task.task)) span.muted { " / " (words::name(&task.node)) } }
        div #task-state data-live {
            p.lead {
                (words::state(task.state))
                " · " a href=(links::function(&task.function)) { "@" (words::name(&task.function)) }
                " · plugin " a href=(links::plugin(&task.plugin.name)) { (words::name(&task.plugin.name)) }
                " " (words::hash(&task.plugin.sha256))
                " · " (numbers::some(task.sessions, "session")) ", started " (numbers::some(task.starts, "time"))
            }
        }
        (charts(task))
        (trouble(task, now))
        section aria-labelledby="counts" {
            h2 #counts { "Counts since the host has started" }
            dl.facts.columns #task-counts data-live { (counts(task)) }
        }
        section aria-labelledby="held" {
            h2 #held { "Now" }
            dl.facts.columns #task-held data-live { (held(task, status, now)) }
        }
        (plugin_metrics(task))
        (function(status, task))
    };
    layout::document(&format!("{} / {}", task.task, task.node), status, main)
}

/// The page of a task that the host does not know.
pub fn no_such_task(status: &Status, name: &TaskName) -> String {
    let main = html! {
        p.crumbs { a href="/#tasks" { "Tasks" } }
        h1 { "There is no such task" }
        p {
            "The host knows no node " b { (words::name(&name.node)) } " of the task " b { (words::name(&name.task)) }
            " with the function " b { (words::name(&name.function)) }
            ". It forgets all tasks when it starts, and the ones that ended longest ago when there are more than "
            code { "http.tasks" } "."
        }
    };
    layout::document("No such task", status, main)
}

fn charts(task: &Task) -> Markup {
    let history = task.history.clone().unwrap_or_default();
    let minutes = history.interval_seconds * RATES as f64 / 60.0;
    let chart = |title: &str, what: &str, values: &[f32], now: Option<String>| {
        html! {
            figure.chart {
                figcaption { (title) " " b { (now.unwrap_or("—".to_owned())) } }
                (spark::line(values, RATES, &label(what, values), true))
            }
        }
    };
    let rate =
        |of: fn(&Rates) -> f32| task.rates.as_ref().map(|rates| numbers::rounded(f64::from(of(rates))));
    let points_in = rate(|rates| rates.points_in_per_second);
    let points_out = rate(|rates| rates.points_out_per_second);
    let cpu = task.rates.as_ref().map(|rates| core_share(rates.guest_cpu_seconds_per_second));
    html! {
        div #task-charts data-live {
            div.charts {
                (chart("Points in /s", "points in", &history.points_in_per_second, points_in))
                (chart("Points out /s", "points out", &history.points_out_per_second, points_out))
                (chart("CPU", "time of the plugin", &history.guest_cpu_seconds_per_second, cpu))
            }
            p.muted {
                "The last " (numbers::rounded(minutes)) " minutes; the top of each chart is its largest value."
            }
        }
    }
}

fn trouble(task: &Task, now: f64) -> Markup {
    html! {
        section aria-labelledby="trouble" {
            h2 #trouble { "Last error" }
            div #task-trouble data-live {
                @if let Some(error) = &task.last_error {
                    @let at = error.timestamp_seconds;
                    p { (words::time(now, at)) " (" (numbers::rfc3339(at)) ")" }
                    pre tabindex="0" aria-label="Last error" { (words::text(&error.error)) }
                } @else { p.muted { "None since the host has started." } }
                @if let Some(skipped) = &task.last_skipped {
                    h3 { "Last skipped" }
                    p {
                        (words::time(now, skipped.timestamp_seconds)) ", "
                        (numbers::some(skipped.points, "point"))
                        ": " (words::text(&skipped.reason))
                    }
                    pre tabindex="0" aria-label="The first point that was skipped" { (words::text(&skipped.point)) }
                    p.muted { code { "kapacitor-wasm skipped" } " shows the newest points that were skipped, whole." }
                }
            }
        }
    }
}

fn counts(task: &Task) -> Markup {
    let skipped = &task.points_skipped;
    let facts = [
        ("Points in", task.points_in),
        ("Points out", task.points_out),
        ("Skipped by the plugin", skipped.plugin),
        ("Skipped by failures", skipped.failure),
        ("Dropped from a full queue", skipped.queue_full),
        ("Not finished", skipped.unfinished),
        ("Passed through", task.points_passed_through),
        ("Output dropped", task.points_dropped),
        ("Output reduced", task.points_reduced),
        ("Calls", task.calls),
        ("Failures", task.failures),
        ("Recoveries", task.recoveries),
        ("Checkpoints not written", task.checkpoint_failures),
    ];
    html! {
        @for (name, count) in facts { div { dt { (name) } dd { (numbers::count(count)) } } }
        div { dt { "CPU time of the plugin" } dd { (numbers::span(task.guest_cpu_seconds)) } }
        div { dt { "Waited for the plugin" } dd { (numbers::span(task.blocked_seconds.plugin)) } }
        div { dt { "Waited for Kapacitor" } dd { (numbers::span(task.blocked_seconds.kapacitor)) } }
    }
}

fn held(task: &Task, status: &Status, now: f64) -> Markup {
    let function = status.functions.iter().find(|function| function.name == task.function);
    let limit = function.map(|function| function.sandbox_memory_limit_bytes).filter(|limit| *limit > 0);
    html! {
        div {
            dt { "Memory of the plugin" }
            dd {
                (numbers::bytes(task.sandbox_memory_bytes))
                @if let Some(limit) = limit {
                    " " span.muted { "of " (numbers::bytes(limit)) }
                    (spark::bar(task.sandbox_memory_bytes as f64 / limit.saturating_mul(task.sessions.max(1)) as f64))
                }
            }
        }
        div {
            dt { "Input that waits" }
            dd {
                (numbers::bytes(task.queue_bytes))
                @if task.queue_bytes > 0 { ", for " (numbers::span(task.queue_age_seconds)) }
            }
        }
        div { dt { "Output that waits" } dd { (numbers::bytes(task.output_bytes)) } }
        div {
            dt { "Last snapshot" }
            dd {
                @if let Some(snapshot) = &task.snapshot {
                    (numbers::bytes(snapshot.bytes)) ", taken in " (numbers::span(snapshot.duration_seconds)) ", "
                    (words::time(now, snapshot.timestamp_seconds))
                } @else { "none yet" }
            }
        }
    }
}

/// The metrics of the plugin's own, if it has any.
fn plugin_metrics(task: &Task) -> Markup {
    if task.plugin_metrics.is_empty() {
        return html! {};
    }
    html! {
        section aria-labelledby="plugin-metrics" {
            h2 #plugin-metrics { "What the plugin counts" }
            dl.facts.columns #task-plugin-metrics data-live {
                @for metric in &task.plugin_metrics {
                    div {
                        dt title=(numbers::visible(&metric.help)) { (words::name(&metric.name)) }
                        dd { (metric.value.map_or("not finite".to_owned(), numbers::exact)) }
                    }
                }
            }
        }
    }
}

fn function(status: &Status, task: &Task) -> Markup {
    let Some(function) = status.functions.iter().find(|function| function.name == task.function) else {
        return html! {};
    };
    html! {
        section aria-labelledby="function" {
            h2 #function { "Function @" (words::name(&function.name)) }
            dl.facts #task-function data-live {
                dt { "Plugin" } dd { (functions::chooser(function)) }
                dt { "Edges and options" } dd { (words::info(&function.info)) }
                dt { "Socket" } dd { (functions::socket(function.socket.as_ref())) }
                dt { "State" } dd { (functions::state(function)) }
            }
        }
    }
}
