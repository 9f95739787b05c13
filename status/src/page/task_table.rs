//! The table of tasks: sorted by links, filtered by a form, in pages.

use maud::{Markup, html};

use super::{MOST_ON_PAGE, PAGE_SIZE, layout, links, numbers, spark, words};
use crate::Status;
use crate::query::Query;
use crate::sort::Sort;
use crate::task::{Rates, Task, TaskState};

/// Number of rates of the past in a sparkline.
const RATES: usize = 60;

/// The tasks that `query` asks for.
pub fn tasks(status: &Status, query: &Query) -> Markup {
    let all = status.tasks_in_state.sum();
    html! {
        section aria-labelledby="tasks" {
            h2 #tasks { "Tasks" }
            (form(query))
            div #live-tasks data-live {
                p.muted #live-count {
                    @if status.tasks_matching < all { (numbers::count(status.tasks_matching)) " of " }
                    (numbers::some(all, "node"))
                    " of tasks"
                    @for state in TaskState::ALL {
                        @let count = status.tasks_in_state.get(state);
                        @let those = links::overview(&Query { state: Some(state), ..Query::default() });
                        @if count > 0 {
                            " · " a href=(those) { (numbers::count(count)) " " (words::state_text(state)) }
                        }
                    }
                }
                @if status.tasks.is_empty() {
                    p {
                        @if all == 0 { "No task has started yet." }
                        @else if status.tasks_matching == 0 { "No task is like that." }
                        @else { "There are not so many pages." }
                    }
                } @else {
                    (layout::wide("Tasks", table(status, query)))
                }
                (pages(status.tasks_matching, query))
            }
        }
    }
}

fn form(query: &Query) -> Markup {
    html! {
        form.filter action="/#tasks" method="get" role="search" aria-label="Filter the tasks" {
            label for="filter" { "Filter" }
            input #filter type="search" name="filter" value=(query.filter) maxlength="256"
                placeholder="task, node, function, plugin" autocomplete="off" spellcheck="false";
            label for="state" { "State" }
            select #state name="state" {
                option value="" selected[query.state.is_none()] { "any" }
                @for state in TaskState::ALL {
                    option value=(state.name()) selected[query.state == Some(state)] { (words::state_text(state)) }
                }
            }
            @for (key, value) in [("function", &query.function), ("task", &query.task), ("node", &query.node)] {
                @if !value.is_empty() { input type="hidden" name=(key) value=(value); }
            }
            @if query.sort != Sort::default() { input type="hidden" name="sort" value=(query.sort.name()); }
            @if query.reversed {
                input type="hidden" name="order" value=(if query.is_descending() { "desc" } else { "asc" });
            }
            @if let Some(size) = query.size { input type="hidden" name="size" value=(size); }
            button type="submit" { "Show" }
            @if query.is_filtered() {
                a href="/#tasks" { "Show all" }
            }
        }
    }
}

fn table(status: &Status, query: &Query) -> Markup {
    let now = status.host.now_timestamp_seconds;
    html! {
        table.tasks {
            thead { tr {
                (heading(query, Sort::Task, "Task / node", ""))
                (heading(query, Sort::State, "State", ""))
                (heading(query, Sort::Plugin, "Plugin", ""))
                (heading(query, Sort::In, "In /s", "number"))
                (heading(query, Sort::Out, "Out /s", "number"))
                (heading(query, Sort::Cpu, "CPU", "number"))
                (heading(query, Sort::Memory, "Memory", "number"))
                (heading(query, Sort::Queue, "Queue", "number"))
                (heading(query, Sort::Skipped, "Skipped", "number"))
                (heading(query, Sort::Failures, "Failures", "number"))
                (heading(query, Sort::Error, "Last error", ""))
            } }
            tbody { @for task in &status.tasks { (row(task, now)) } }
        }
    }
}

/// The heading of a column, which sorts by it, or the other way round if it does already.
fn heading(query: &Query, sort: Sort, title: &str, class: &str) -> Markup {
    let active = query.sort == sort;
    let target = Query { sort, reversed: active && !query.reversed, page: None, ..query.clone() };
    let (order, arrow) = match (active, query.is_descending()) {
        (false, _) => (None, ""),
        (true, true) => (Some("descending"), " ▼"),
        (true, false) => (Some("ascending"), " ▲"),
    };
    html! {
        th scope="col" class=[(!class.is_empty()).then_some(class)] aria-sort=[order] {
            a href=(links::overview(&target)) { (title) @if active { span aria-hidden="true" { (arrow) } } }
        }
    }
}

fn row(task: &Task, now: f64) -> Markup {
    let Task { function, task: id, node, .. } = task;
    let history = task.history.as_ref();
    let rounded =
        |of: fn(&Rates) -> f32| task.rates.as_ref().map(|rates| numbers::rounded(f64::from(of(rates))));
    html! {
        tr {
            th scope="row" {
                div.clamped {
                    a href=(links::task_page(function, id, node)) {
                        (words::name(id)) span.muted { " / " (words::name(node)) }
                    }
                    span.function.muted { "@" (words::name(function)) }
                }
            }
            td.nowrap { (words::state(task.state)) @if task.sessions > 1 { " " span.muted { "×" (task.sessions) } } }
            td {
                div.clamped { (words::name(&task.plugin.name)) " " span.muted { (words::hash(&task.plugin.sha256)) } }
            }
            (rate(
                "points in",
                rounded(|rates| rates.points_in_per_second),
                history.map(|history| &history.points_in_per_second),
            ))
            (rate("points out", rounded(|rates| rates.points_out_per_second), None))
            (rate(
                "time of the plugin",
                task.rates.as_ref().map(|rates| core_share(rates.guest_cpu_seconds_per_second)),
                history.map(|history| &history.guest_cpu_seconds_per_second),
            ))
            td.number.nowrap { (numbers::bytes(task.sandbox_memory_bytes)) }
            td.number.nowrap {
                @if task.queue_bytes > 0 {
                    (numbers::bytes(task.queue_bytes)) br; span.muted { (numbers::span(task.queue_age_seconds)) }
                } @else {
                    span.muted { "0" }
                }
            }
            (count(task.points_skipped.sum()))
            (count(task.failures))
            td.error {
                @if let Some(error) = &task.last_error {
                    div.clamped {
                        (words::time(now, error.timestamp_seconds)) ": " (words::text(&short(&error.error)))
                    }
                } @else { span.muted { "—" } }
            }
        }
    }
}

/// A number that is seldom more than zero.
fn count(number: u64) -> Markup {
    html! { td.number { @if number == 0 { span.muted { "0" } } @else { (numbers::count(number)) } } }
}

/// A rate as `text`, with its past.
fn rate(what: &str, text: Option<String>, past: Option<&Vec<f32>>) -> Markup {
    html! {
        td.number.nowrap {
            @if let Some(past) = past { (spark::line(past, RATES, &label(what, past), false)) }
            span.rate { (text.unwrap_or("—".to_owned())) }
        }
    }
}

/// A part of a core.
pub fn core_share(share: f32) -> String {
    format!("{}\u{202f}%", numbers::rounded(f64::from(share) * 100.0))
}

/// What a sparkline shows, for those who do not see it.
pub fn label(what: &str, values: &[f32]) -> String {
    let top = values.iter().copied().fold(0.0, f32::max);
    format!("{what} in the last minutes, at most {} in a second", numbers::rounded(f64::from(top)))
}

fn short(error: &str) -> String {
    let mut line: String = error.chars().take(160).collect();
    if line.len() < error.len() {
        line.push('…');
    }
    line
}

/// Links to the other pages.
fn pages(matching: u64, query: &Query) -> Markup {
    let size = query.size.unwrap_or(PAGE_SIZE).min(MOST_ON_PAGE) as u64;
    let last = matching.div_ceil(size).max(1);
    let page = query.page.unwrap_or(1) as u64;
    let link = |page: u64, text: &str, rel: Option<&str>| {
        let target = Query { page: (page > 1).then_some(page as usize), ..query.clone() };
        html! { a href=(links::overview(&target)) rel=[rel] { (text) } }
    };
    html! {
        @if last > 1 || page > 1 {
            nav.pages aria-label="Pages of tasks" {
                @if page > 1 { (link(1, "First", None)) (link((page - 1).min(last), "Previous", Some("prev"))) }
                span aria-current="page" { "Page " (numbers::count(page)) " of " (numbers::count(last)) }
                @if page < last { (link(page + 1, "Next", Some("next"))) (link(last, "Last", None)) }
            }
        }
    }
}
