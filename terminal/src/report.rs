//! The status once, as text.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use kapacitor_wasm_status::{Limit, PluginStatus, Status, Task};

use crate::columns::Column;
use crate::text::shown;
use crate::units::{bytes, number, span};

/// What an operator wants to know at first: how the host is, what is wrong, and what the `tasks` do.
///
/// `tasks` are those of `status` that are shown. No text from outside has characters that a terminal obeys.
pub fn report(status: &Status, tasks: &[&Task]) -> String {
    let mut text = host(status);
    let wrong = wrong(status);
    if !wrong.is_empty() {
        text.push('\n');
        for line in wrong {
            text += &format!("! {line}\n");
        }
    }
    text.push('\n');
    if tasks.is_empty() {
        let such = if status.tasks.is_empty() { "no task" } else { "no such task" };
        text += &format!("{such} runs, or has run since the host has started\n");
        return text;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(Column::ALL.map(Column::title));
    for task in tasks {
        table.add_row(Column::ALL.map(|column| shown(&column.cell(task))));
    }
    for (column, drawn) in Column::ALL.into_iter().zip(table.column_iter_mut()) {
        if column.is_number() {
            drawn.set_cell_alignment(CellAlignment::Right);
        }
    }
    for line in table.lines() {
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// The host in two lines.
pub fn host(status: &Status) -> String {
    let host = &status.host;
    let up = host.started_timestamp_seconds.map(|at| span(host.now_timestamp_seconds - at));
    let mut text = format!("kapacitor-wasm {} (build {})", shown(&host.version), shown(&host.build));
    if let Some(up) = up {
        text += &format!(", up {up}");
    }
    if let Some(resident) = host.resident_memory_bytes {
        text += &format!(", {} in RAM", bytes(resident));
    }
    let limits = &status.limits;
    let count = |count: u64| number(count as f64);
    let counts = [
        ("sandboxes", used(&limits.sandboxes, count)),
        ("memory", used(&limits.memory_bytes, bytes)),
        ("connections", used(&limits.connections, count)),
        ("files", used(&limits.open_files, count)),
    ];
    let counts = counts.map(|(name, used)| format!("{name} {used}")).join(", ");
    format!("{text}\n{counts}\n")
}

fn used(limit: &Limit, shown: impl Fn(u64) -> String) -> String {
    let text = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), &shown);
    if limit.limit.is_some() {
        format!("{} of {}", text(limit.used), text(limit.limit))
    } else {
        text(limit.used)
    }
}

/// What is wrong with the host, its functions and its plugins, a line each.
pub fn wrong(status: &Status) -> Vec<String> {
    let mut lines: Vec<_> = status.host.not_ready.iter().map(|reason| shown(reason)).collect();
    if let Some(error) = status.host.last_reload.as_ref().and_then(|reload| reload.error.as_ref()) {
        lines.push(format!("udf.toml was refused when it was read again: {}", shown(error)));
    }
    for plugin in status.plugins.iter().filter(|plugin| plugin.status == PluginStatus::Refused) {
        let error = shown(plugin.error.as_deref().unwrap_or_default());
        let line = format!("plugin \"{}\" is refused: {error}", shown(&plugin.name));
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    for function in status.functions.iter().filter(|function| !function.differences.is_empty()) {
        let differences: Vec<_> = function.differences.iter().map(|difference| shown(difference)).collect();
        lines.push(format!(
            "function \"{}\" is not what Kapacitor was told, restart Kapacitor: {}",
            shown(&function.name),
            differences.join(", ")
        ));
    }
    for refused in &status.refused_starts {
        lines.push(format!("task \"{}\" can't start: {}", shown(&refused.task), shown(&refused.error)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use kapacitor_wasm_status::{Host, Limits, PluginVersion, Rates, TaskState};

    use super::*;

    fn status() -> Status {
        let task = |name: &str, cpu: f32| Task {
            function: "mean".into(),
            task: name.into(),
            node: "mean2".into(),
            state: TaskState::Runs,
            plugin: PluginVersion { name: "moving_avg".into(), sha256: "ab".repeat(32) },
            sandbox_memory_bytes: 1 << 20,
            rates: Some(Rates {
                points_in_per_second: 1500.0,
                points_out_per_second: 3.0,
                guest_cpu_seconds_per_second: cpu,
            }),
            ..Task::default()
        };
        Status {
            host: Host {
                version: "0.1.0".into(),
                build: "abc".into(),
                now_timestamp_seconds: 1000.0,
                started_timestamp_seconds: Some(900.0),
                not_ready: vec!["plugin \"a\u{1b}[31m\" is refused: no".into()],
                ..Host::default()
            },
            limits: Limits {
                sandboxes: Limit { used: Some(2), limit: Some(20_000), set_by: String::new() },
                ..Limits::default()
            },
            tasks: vec![task("cpu", 0.25), task("evil\n\u{1b}[2J", 0.0)],
            ..Status::default()
        }
    }

    #[test]
    fn report_has_host_problems_and_tasks() {
        let status = status();
        let text = report(&status, &status.tasks.iter().collect::<Vec<_>>());
        let expected = "\
kapacitor-wasm 0.1.0 (build abc), up 100s
sandboxes 2 of 20k, memory -, connections -, files -

! plugin \"a\\u001b[31m\" is refused: no

 task                 node   plugin      state  in/s  out/s  cpu  memory  waits  skipped  failed
 cpu                  mean2  moving_avg  runs   1500      3  25%   1 MiB     0s        0       0
 evil\\u000a\\u001b[2J  mean2  moving_avg  runs   1500      3   0%   1 MiB     0s        0       0
";
        assert_eq!(text, expected, "{text}");
        assert!(
            report(&status, &[]).ends_with("\n\nno such task runs, or has run since the host has started\n")
        );
    }
}
