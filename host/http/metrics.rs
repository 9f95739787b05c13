//! All metrics, in OpenMetrics 1.0. `docs/monitoring.md` describes each.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet,
    text as openmetrics_text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::process::Process;
use crate::digest::hex;
use crate::metrics::{MetricReading, NodeReading};
use crate::routing::Function;
use crate::sandbox::{CALL_TIME_BOUNDS, MetricValue};
use crate::shared::Shared;

/// The text of all metrics.
pub fn openmetrics(shared: &Arc<Shared>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Host(Arc::clone(shared))));
    let mut out = String::new();
    // A string takes all that is written to it.
    let _ = openmetrics_text::encode(&mut out, &registry);
    out
}

/// What the host knows at this moment.
struct Host(Arc<Shared>);

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Host")
    }
}

type Labels = Vec<(&'static str, String)>;

/// Writes metrics, each with its samples.
struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    /// A metric, with what writes its samples.
    fn metric(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        samples: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        samples(&mut self.0.encode_descriptor(name, help, None, kind)?)
    }

    fn counter<V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels, V)>,
    ) -> fmt::Result {
        self.metric(name, help, MetricType::Counter, |metric| {
            for (labels, value) in samples {
                labelled(metric, &labels, |sample| {
                    sample.encode_counter::<NoLabelSet, _, u64>(&value, None)
                })?;
            }
            Ok(())
        })
    }

    fn gauge<V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels, V)>,
    ) -> fmt::Result {
        self.metric(name, help, MetricType::Gauge, |metric| {
            for (labels, value) in samples {
                labelled(metric, &labels, |sample| sample.encode_gauge(&value))?;
            }
            Ok(())
        })
    }

    fn info(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = Labels>) -> fmt::Result {
        self.metric(name, help, MetricType::Info, |metric| {
            for labels in samples {
                metric.encode_info(&labels)?;
            }
            Ok(())
        })
    }
}

/// Writes a sample with these labels. Without any, the encoder would write empty braces.
fn labelled(
    metric: &mut MetricEncoder<'_>,
    labels: &Labels,
    sample: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    if labels.is_empty() { sample(metric) } else { sample(&mut metric.encode_family(labels)?) }
}

impl Collector for Host {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Writer(encoder);
        nodes(&mut out, &self.0.board().read())?;
        plugins(&mut out, &self.0)?;
        host(&mut out, &self.0)?;
        process(&mut out)
    }
}

/// The value of a label, as the format wants it: the encoder writes it as it is.
fn text(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The labels of a node.
fn of(node: &NodeReading) -> Labels {
    let udf = &node.udf;
    vec![("function", text(&udf.function)), ("task", text(&udf.task)), ("node", text(&udf.node))]
}

/// The same and another one.
fn with(node: &NodeReading, name: &'static str, value: &str) -> Labels {
    let mut labels = of(node);
    labels.push((name, text(value)));
    labels
}

/// The tasks, by UDF node.
fn nodes(out: &mut Writer<'_>, nodes: &[NodeReading]) -> fmt::Result {
    let count = |value: fn(&NodeReading) -> u64| nodes.iter().map(move |node| (of(node), value(node)));
    out.gauge(
        "kapacitor_wasm_task_sessions",
        "Connections of Kapacitor that run this node now.",
        count(|node| node.running),
    )?;
    out.counter("kapacitor_wasm_task_starts", "Tasks that were started.", count(|node| node.starts))?;
    out.info(
        "kapacitor_wasm_task_plugin",
        "The plugin that the node runs, or ran last.",
        nodes.iter().filter(|node| !node.plugin.0.is_empty()).map(|node| {
            let (name, sha256) = &node.plugin;
            let mut labels = with(node, "plugin", name);
            labels.push(("sha256", hex(sha256)));
            labels
        }),
    )?;
    out.counter(
        "kapacitor_wasm_points_in",
        "Points that Kapacitor sent.",
        count(|node| node.totals.counts.points_in),
    )?;
    out.counter(
        "kapacitor_wasm_points_out",
        "Points that Kapacitor gets.",
        count(|node| node.totals.counts.points_out),
    )?;
    out.counter(
        "kapacitor_wasm_points_skipped",
        "Points of the input that nothing came of, by reason.",
        nodes.iter().flat_map(|node| {
            let totals = &node.totals;
            [
                ("plugin", totals.counts.declined),
                ("failure", totals.counts.skipped),
                ("queue-full", totals.queue_full),
                ("unfinished", totals.unfinished),
            ]
            .map(|(reason, points)| (with(node, "reason", reason), points))
        }),
    )?;
    out.counter(
        "kapacitor_wasm_points_passed_through",
        "Points that went on unchanged, since the plugin had failed.",
        count(|node| node.totals.counts.passed_through),
    )?;
    out.counter(
        "kapacitor_wasm_points_dropped",
        "Points of the output that were left out, since InfluxDB can't store them.",
        count(|node| node.totals.counts.dropped),
    )?;
    out.counter(
        "kapacitor_wasm_points_reduced",
        "Points of the output that lost fields which InfluxDB can't store.",
        count(|node| node.totals.counts.reduced),
    )?;
    out.counter(
        "kapacitor_wasm_failures",
        "Calls at which the plugin failed.",
        count(|node| node.totals.counts.failures),
    )?;
    out.counter(
        "kapacitor_wasm_recoveries",
        "Times that the plugin was brought back with its state.",
        count(|node| node.totals.counts.recoveries),
    )?;
    times(out, nodes)?;
    out.gauge(
        "kapacitor_wasm_queue_bytes",
        "Input that waits for the plugin.",
        count(|node| node.held.queue),
    )?;
    out.gauge(
        "kapacitor_wasm_queue_age_seconds",
        "How long the oldest input that waits has waited.",
        nodes.iter().map(|node| (of(node), node.held.age.as_secs_f64())),
    )?;
    out.gauge(
        "kapacitor_wasm_output_bytes",
        "Output that Kapacitor has not read yet.",
        count(|node| node.held.output),
    )?;
    out.gauge(
        "kapacitor_wasm_sandbox_memory_bytes",
        "Memory of the plugin.",
        count(|node| node.held.memory),
    )?;
    snapshots(out, nodes)?;
    metrics_of_plugins(out, nodes)
}

/// The metrics that plugins have of their own.
fn metrics_of_plugins(out: &mut Writer<'_>, nodes: &[NodeReading]) -> fmt::Result {
    let readings = || nodes.iter().flat_map(|node| node.metrics.iter().map(move |reading| (node, reading)));
    let labels = |node, reading: &MetricReading| with(node, "metric", &reading.metric.name);
    out.gauge(
        "kapacitor_wasm_groups",
        "Groups that the plugin keeps a state of.",
        readings().filter(|(_, reading)| reading.metric.is_groups()).filter_map(|(node, reading)| {
            let MetricValue::Gauge(value) = reading.value else { return None };
            value.is_finite().then(|| (of(node), value))
        }),
    )?;
    out.counter(
        "kapacitor_wasm_plugin_events",
        "Counters that the plugin has of its own.",
        readings().filter_map(|(node, reading)| {
            let MetricValue::Counter(value) = reading.value else { return None };
            Some((labels(node, reading), value))
        }),
    )?;
    out.gauge(
        "kapacitor_wasm_plugin_value",
        "Gauges that the plugin has of its own.",
        readings().filter(|(_, reading)| !reading.metric.is_groups()).filter_map(|(node, reading)| {
            let MetricValue::Gauge(value) = reading.value else { return None };
            value.is_finite().then(|| (labels(node, reading), value))
        }),
    )
}

/// Where the time of the tasks went.
fn times(out: &mut Writer<'_>, nodes: &[NodeReading]) -> fmt::Result {
    out.counter(
        "kapacitor_wasm_guest_cpu_seconds",
        "Time for which the plugin computed.",
        nodes.iter().map(|node| (of(node), node.totals.computed.as_secs_f64())),
    )?;
    out.metric(
        "kapacitor_wasm_call_seconds",
        "Time for which the plugin computed in each call.",
        MetricType::Histogram,
        |metric| {
            for node in nodes {
                let bounds = CALL_TIME_BOUNDS.iter().map(Duration::as_secs_f64).chain([f64::MAX]);
                let buckets: Vec<_> = bounds.zip(node.totals.calls).collect();
                let (sum, count) = (node.totals.computed.as_secs_f64(), node.totals.calls.iter().sum());
                metric
                    .encode_family(&of(node))?
                    .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
            }
            Ok(())
        },
    )?;
    out.counter(
        "kapacitor_wasm_blocked_seconds",
        "Time for which input waited for the plugin, or output for Kapacitor.",
        nodes.iter().flat_map(|node| {
            let totals = &node.totals;
            [("plugin", totals.waited_for_plugin), ("kapacitor", totals.waited_for_kapacitor)]
                .map(|(on, waited)| (with(node, "on", on), waited.as_secs_f64()))
        }),
    )
}

/// The states of the tasks.
fn snapshots(out: &mut Writer<'_>, nodes: &[NodeReading]) -> fmt::Result {
    let taken = || nodes.iter().filter_map(|node| Some((of(node), node.snapshot?)));
    out.gauge(
        "kapacitor_wasm_snapshot_bytes",
        "Size of the last snapshot or checkpoint.",
        taken().map(|(labels, snapshot)| (labels, snapshot.bytes)),
    )?;
    out.gauge(
        "kapacitor_wasm_snapshot_duration_seconds",
        "Time that the last snapshot or checkpoint took.",
        taken().map(|(labels, snapshot)| (labels, snapshot.took.as_secs_f64())),
    )?;
    out.gauge(
        "kapacitor_wasm_snapshot_timestamp_seconds",
        "When the last snapshot or checkpoint was taken, in seconds since 1970.",
        taken().map(|(labels, snapshot)| (labels, since_1970(snapshot.at))),
    )?;
    out.counter(
        "kapacitor_wasm_checkpoint_failures",
        "Checkpoints that were not written.",
        nodes.iter().map(|node| (of(node), node.totals.checkpoint_failures)),
    )
}

fn since_1970(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn plugins(out: &mut Writer<'_>, shared: &Shared) -> fmt::Result {
    let plugins = shared.plugins();
    out.info(
        "kapacitor_wasm_plugin",
        "The plugins, and whether they are loaded or refused.",
        plugins.iter().map(|(name, plugin)| {
            let (sha256, status) = match plugin {
                Ok(plugin) => (hex(&plugin.sha256), "loaded"),
                Err(_) => (String::new(), "refused"),
            };
            vec![("plugin", text(name)), ("sha256", sha256), ("status", status.to_owned())]
        }),
    )?;
    out.info(
        "kapacitor_wasm_plugin_metric",
        "The counters and gauges that the plugins have of their own.",
        plugins.iter().flat_map(|(name, plugin)| {
            let metrics = plugin.as_ref().map_or(&[][..], |plugin| &plugin.metrics.metrics);
            metrics.iter().map(move |metric| {
                vec![
                    ("plugin", text(name)),
                    ("metric", text(&metric.name)),
                    ("type", metric.kind.name().to_owned()),
                    ("help", text(&metric.help)),
                ]
            })
        }),
    )?;
    out.gauge(
        "kapacitor_wasm_plugin_load_seconds",
        "Time that loading the plugin took.",
        plugins.iter().filter_map(|(name, plugin)| {
            let took = plugin.as_ref().ok()?.loaded_in.as_secs_f64();
            Some((vec![("plugin", text(name))], took))
        }),
    )
}

fn host(out: &mut Writer<'_>, shared: &Shared) -> fmt::Result {
    let build = [("version", env!("CARGO_PKG_VERSION")), ("build", env!("BUILD"))];
    out.info(
        "kapacitor_wasm_build",
        "The version of the host.",
        [build.map(|(name, value)| (name, text(value))).to_vec()],
    )?;
    let budget = shared.budget();
    let (plugins, sockets) = (shared.plugins(), shared.sockets());
    let works = |function: &&Arc<Function>| {
        function.is_served(&plugins) && sockets.get(&function.name).is_some_and(Result::is_ok)
    };
    let functions = shared.functions().values().filter(works).count() as u64;
    for (name, help, value) in [
        ("kapacitor_wasm_functions", "Functions that Kapacitor can use.", functions),
        ("kapacitor_wasm_connections", "Connections of Kapacitor.", budget.connections()),
        ("kapacitor_wasm_sandboxes", "Sandboxes there are.", budget.sandboxes()),
        ("kapacitor_wasm_sandboxes_limit", "Sandboxes that can be there.", budget.room().0),
        ("kapacitor_wasm_memory_bytes", "Memory that counts in host.memory.", budget.memory().0),
        ("kapacitor_wasm_memory_limit_bytes", "Limit of that memory.", budget.memory_limit().bytes().0),
    ] {
        out.gauge(name, help, [(Labels::new(), value.min(i64::MAX as u64))])?;
    }
    Ok(())
}

fn process(out: &mut Writer<'_>) -> fmt::Result {
    let Process { cpu, resident, open_fds, max_fds, started } = Process::now();
    let one = |value: Option<f64>| value.map(|value| (Labels::new(), value));
    let whole = |value: Option<u64>| value.map(|value| (Labels::new(), value.min(i64::MAX as u64)));
    let cpu = one(cpu.map(|time| time.as_secs_f64()));
    out.counter("process_cpu_seconds", "CPU time of the process.", cpu)?;
    out.gauge("process_resident_memory_bytes", "Memory of the process.", whole(resident))?;
    out.gauge("process_open_fds", "Open file descriptors.", whole(open_fds))?;
    out.gauge("process_max_fds", "Limit of the file descriptors.", whole(max_fds))?;
    out.gauge("process_start_time_seconds", "When the process started, in seconds since 1970.", one(started))
}
