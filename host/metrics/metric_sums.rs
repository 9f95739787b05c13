//! What the metrics of plugins' own come to, over the sessions of one UDF node.

use crate::sandbox::{MetricDescription, MetricValue};
use crate::task::PluginMetrics;

/// Maximum number of metrics that are kept of one node: those of several versions and plugins.
const MOST: usize = 64;

/// Metrics of plugins' own.
#[derive(Clone, Debug, Default)]
pub struct MetricSums(Vec<MetricReading>);

/// One of them.
#[derive(Clone, Debug)]
pub struct MetricReading {
    /// What the plugin says of it.
    pub metric: MetricDescription,
    /// Of a counter the sum of all sessions. Of a gauge the value of the session that has started last; the number of
    /// groups is that of all sessions which run.
    pub value: MetricValue,
}

impl MetricSums {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &MetricReading> {
        self.0.iter()
    }

    /// Adds those of a session that runs, which has started after all that were added before.
    pub fn add_running(&mut self, metrics: &PluginMetrics) {
        metrics.iter().for_each(|(metric, value)| self.add(metric, value));
    }

    /// Adds the counters of a session that has ended.
    pub fn add_ended(&mut self, metrics: &PluginMetrics) {
        let counters = metrics.iter().filter(|(_, value)| matches!(value, MetricValue::Counter(_)));
        counters.for_each(|(metric, value)| self.add(metric, value));
    }

    /// Adds those of another node.
    pub fn add_all(&mut self, other: &Self) {
        other.iter().for_each(|reading| self.add(&reading.metric, reading.value));
    }

    fn add(&mut self, metric: &MetricDescription, value: MetricValue) {
        let same =
            |known: &&mut MetricReading| known.metric.kind == metric.kind && known.metric.name == metric.name;
        let Some(known) = self.0.iter_mut().find(same) else {
            if self.0.len() < MOST {
                self.0.push(MetricReading { metric: metric.clone(), value });
            }
            return;
        };
        known.value = match (known.value, value) {
            (MetricValue::Counter(sum), MetricValue::Counter(more)) => {
                MetricValue::Counter(sum.saturating_add(more))
            }
            (MetricValue::Gauge(sum), MetricValue::Gauge(more)) if metric.is_groups() => {
                MetricValue::Gauge(sum + more)
            }
            (_, newest) => newest,
        };
    }
}
