//! The UDF nodes of tasks.

use std::time::Duration;

use kapacitor_wasm_status::{
    BlockedSeconds, History, LastError, LastSkipped, PluginMetric, PluginVersion, PointsSkipped, Rates,
    Snapshot, Task, TaskState,
};

use super::time::since_1970;
use crate::digest::hex;
use crate::metrics::{MetricReading, NOTE_RATES, NodeReading, Rate};
use crate::sandbox::MetricValue;
use crate::shared::Shared;
use crate::task::Counts;
use crate::udf_node::UdfNode;

/// Age from which on input that waits is worth a word.
const LONG: Duration = Duration::from_secs(1);

/// What a node does.
pub fn task(node: NodeReading) -> Task {
    let state = state(&node);
    let NodeReading { udf, running, starts, plugin, totals, held, snapshot, last, rate, metrics, .. } = node;
    let (name, sha256) = plugin;
    let Counts {
        points_in,
        processed: _,
        declined,
        passed_through,
        points_out,
        skipped,
        dropped,
        reduced,
        failures,
        recoveries,
    } = totals.counts;
    Task {
        function: udf.function,
        task: udf.task,
        node: udf.node,
        state,
        plugin: PluginVersion { sha256: if name.is_empty() { String::new() } else { hex(&sha256) }, name },
        sessions: running,
        starts,
        points_in,
        points_out,
        points_skipped: PointsSkipped {
            plugin: declined,
            failure: skipped,
            queue_full: totals.queue_full,
            unfinished: totals.unfinished,
        },
        points_passed_through: passed_through,
        points_dropped: dropped,
        points_reduced: reduced,
        failures,
        recoveries,
        checkpoint_failures: totals.checkpoint_failures,
        calls: totals.calls.iter().sum(),
        guest_cpu_seconds: totals.computed.as_secs_f64(),
        blocked_seconds: BlockedSeconds {
            plugin: totals.waited_for_plugin.as_secs_f64(),
            kapacitor: totals.waited_for_kapacitor.as_secs_f64(),
        },
        queue_bytes: held.queue,
        queue_age_seconds: held.age.as_secs_f64(),
        output_bytes: held.output,
        sandbox_memory_bytes: held.memory,
        plugin_metrics: metrics.iter().map(plugin_metric).collect(),
        snapshot: snapshot.map(|snapshot| Snapshot {
            bytes: snapshot.bytes,
            duration_seconds: snapshot.took.as_secs_f64(),
            timestamp_seconds: since_1970(snapshot.at),
        }),
        rates: rate.map(rates),
        history: None,
        last_error: last
            .error
            .map(|last| LastError { timestamp_seconds: since_1970(last.at), error: last.error.clone() }),
        last_skipped: last.skipped.map(|last| LastSkipped {
            timestamp_seconds: since_1970(last.at),
            reason: last.reason.clone(),
            points: last.points,
            point: last.point.clone(),
        }),
    }
}

fn plugin_metric(reading: &MetricReading) -> PluginMetric {
    let MetricReading { metric, value } = reading;
    let value = match value {
        MetricValue::Counter(value) => *value as f64,
        MetricValue::Gauge(value) => *value,
    };
    PluginMetric {
        name: metric.name.clone(),
        help: metric.help.clone(),
        kind: metric.kind.name().to_owned(),
        value: Some(value).filter(|value| value.is_finite()),
    }
}

fn state(node: &NodeReading) -> TaskState {
    if node.running == 0 {
        TaskState::Ended
    } else if node.passes_through {
        TaskState::PassesThrough
    } else if node.held.age < LONG {
        TaskState::Runs
    } else if node.held.output > 0 {
        TaskState::WaitsForKapacitor
    } else {
        TaskState::WaitsForPlugin
    }
}

fn rates(rate: Rate) -> Rates {
    let Rate { points_in, points_out, computed } = rate;
    Rates {
        points_in_per_second: points_in,
        points_out_per_second: points_out,
        guest_cpu_seconds_per_second: computed,
    }
}

/// The rates of a task so far.
pub fn history(shared: &Shared, task: &Task) -> History {
    let Task { function, task, node, .. } = task;
    let udf = UdfNode { task: task.clone(), node: node.clone(), function: function.clone() };
    let rates = shared.board().rates(&udf);
    let of = |part: fn(&Rate) -> f32| rates.iter().map(part).collect();
    History {
        interval_seconds: NOTE_RATES.as_secs_f64(),
        points_in_per_second: of(|rate| rate.points_in),
        points_out_per_second: of(|rate| rate.points_out),
        guest_cpu_seconds_per_second: of(|rate| rate.computed),
    }
}
