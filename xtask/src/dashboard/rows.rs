//! The rows of the dashboard, and the panels in them.

/// What a panel shows.
#[derive(Clone, Copy)]
pub enum Kind {
    /// The last value of each series, in this unit.
    Values(&'static str),
    /// The labels of each series, as a list.
    Names,
    /// Values over time, in this unit.
    Lines(&'static str),
    /// The labels of each series, as columns.
    Labels,
}

use Kind::{Labels, Lines, Names, Values};

/// A panel of the dashboard.
pub struct Panel {
    pub title: &'static str,
    pub kind: Kind,
    /// Columns, of 24.
    pub width: u32,
    /// Each with what its legend has beside the labels of the metric.
    pub queries: &'static [(&'static str, &'static str)],
}

const fn panel(
    title: &'static str,
    kind: Kind,
    width: u32,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    Panel { title, kind, width, queries }
}

/// Rows of the dashboard. Names of units are Grafana's: `cps` is a number in a second.
pub const ROWS: [(&str, &[Panel]); 5] = [
    (
        "Host",
        &[
            panel("Version", Names, 6, &[("kapacitor_wasm_build_info", "{{version}}")]),
            panel("Running for", Values("s"), 6, &[("time() - process_start_time_seconds", "")]),
            panel("Functions", Values("none"), 4, &[("kapacitor_wasm_functions", "")]),
            panel("Connections of Kapacitor", Values("none"), 4, &[("kapacitor_wasm_connections", "")]),
            panel(
                "Plugins that are refused",
                Values("none"),
                4,
                &[(
                    // A host without any would have no value.
                    "count by (job, instance) (kapacitor_wasm_plugin_info{status=\"refused\"}) \
                     or on (job, instance) 0 * kapacitor_wasm_functions",
                    "",
                )],
            ),
            panel(
                "Sandboxes",
                Lines("none"),
                8,
                &[("kapacitor_wasm_sandboxes", ""), ("kapacitor_wasm_sandboxes_limit", "limit")],
            ),
            panel(
                "Memory that counts in host.memory",
                Lines("bytes"),
                8,
                &[("kapacitor_wasm_memory_bytes", ""), ("kapacitor_wasm_memory_limit_bytes", "limit")],
            ),
            panel(
                "File descriptors",
                Lines("none"),
                8,
                &[("process_open_fds", ""), ("process_max_fds", "limit")],
            ),
            panel(
                "CPU of the process",
                Lines("percentunit"),
                12,
                &[("rate(process_cpu_seconds_total[$__rate_interval])", "")],
            ),
            panel("Memory of the process", Lines("bytes"), 12, &[("process_resident_memory_bytes", "")]),
        ],
    ),
    (
        "Points",
        &[
            panel(
                "Points in",
                Lines("cps"),
                12,
                &[("rate(kapacitor_wasm_points_in_total[$__rate_interval])", "")],
            ),
            panel(
                "Points out",
                Lines("cps"),
                12,
                &[("rate(kapacitor_wasm_points_out_total[$__rate_interval])", "")],
            ),
            panel(
                "Points skipped",
                Lines("cps"),
                12,
                &[("rate(kapacitor_wasm_points_skipped_total[$__rate_interval]) > 0", "{{reason}}")],
            ),
            panel(
                "Points passed through, dropped and reduced",
                Lines("cps"),
                12,
                &[
                    (
                        "rate(kapacitor_wasm_points_passed_through_total[$__rate_interval]) > 0",
                        "passed through",
                    ),
                    ("rate(kapacitor_wasm_points_dropped_total[$__rate_interval]) > 0", "dropped"),
                    ("rate(kapacitor_wasm_points_reduced_total[$__rate_interval]) > 0", "reduced"),
                ],
            ),
            panel(
                "Failures and recoveries",
                Lines("cps"),
                12,
                &[
                    ("rate(kapacitor_wasm_failures_total[$__rate_interval])", "failures"),
                    ("rate(kapacitor_wasm_recoveries_total[$__rate_interval])", "recoveries"),
                ],
            ),
            panel(
                "Sessions, and starts in an hour",
                Lines("none"),
                12,
                &[
                    ("kapacitor_wasm_task_sessions", "sessions"),
                    ("increase(kapacitor_wasm_task_starts_total[1h])", "starts"),
                ],
            ),
        ],
    ),
    (
        "Time",
        &[
            panel(
                "CPU of the plugin",
                Lines("percentunit"),
                12,
                &[("rate(kapacitor_wasm_guest_cpu_seconds_total[$__rate_interval])", "")],
            ),
            panel(
                "Time of a call",
                Lines("s"),
                12,
                &[
                    (
                        "histogram_quantile(0.5, rate(kapacitor_wasm_call_seconds_bucket[$__rate_interval]))",
                        "50%",
                    ),
                    (
                        "histogram_quantile(0.99, rate(kapacitor_wasm_call_seconds_bucket[$__rate_interval]))",
                        "99%",
                    ),
                ],
            ),
            panel(
                "Blocked, of the time",
                Lines("percentunit"),
                12,
                &[("rate(kapacitor_wasm_blocked_seconds_total[$__rate_interval])", "on {{on}}")],
            ),
            panel("Age of the queue", Lines("s"), 12, &[("kapacitor_wasm_queue_age_seconds", "")]),
            panel("Input that waits", Lines("bytes"), 12, &[("kapacitor_wasm_queue_bytes", "")]),
            panel("Output that waits", Lines("bytes"), 12, &[("kapacitor_wasm_output_bytes", "")]),
        ],
    ),
    (
        "Memory and state",
        &[
            panel("Memory of the plugin", Lines("bytes"), 8, &[("kapacitor_wasm_sandbox_memory_bytes", "")]),
            panel("Groups", Lines("none"), 8, &[("kapacitor_wasm_groups", "")]),
            panel(
                "Age of the last snapshot or checkpoint",
                Lines("s"),
                8,
                &[("time() - kapacitor_wasm_snapshot_timestamp_seconds", "")],
            ),
            panel(
                "Size of the last snapshot or checkpoint",
                Lines("bytes"),
                8,
                &[("kapacitor_wasm_snapshot_bytes", "")],
            ),
            panel("Time that it took", Lines("s"), 8, &[("kapacitor_wasm_snapshot_duration_seconds", "")]),
            panel(
                "Checkpoints that were not written",
                Lines("none"),
                8,
                &[("increase(kapacitor_wasm_checkpoint_failures_total[1h])", "in an hour")],
            ),
        ],
    ),
    (
        "Plugins",
        &[
            panel("Plugins", Labels, 12, &[("kapacitor_wasm_plugin_info", "")]),
            panel("What the tasks run, or ran last", Labels, 12, &[("kapacitor_wasm_task_plugin_info", "")]),
            panel(
                "Time that loading the plugin took",
                Values("s"),
                24,
                &[("kapacitor_wasm_plugin_load_seconds", "{{plugin}}")],
            ),
            panel(
                "Counters of the plugins' own",
                Lines("cps"),
                12,
                &[("rate(kapacitor_wasm_plugin_events_total[$__rate_interval])", "{{metric}}")],
            ),
            panel(
                "Gauges of the plugins' own",
                Lines("none"),
                12,
                &[("kapacitor_wasm_plugin_value", "{{metric}}")],
            ),
            panel("What they are", Labels, 24, &[("kapacitor_wasm_plugin_metric_info", "")]),
        ],
    ),
];
