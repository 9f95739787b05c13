//! The values of a plugin's own metrics, over all guests that a task has had.
//!
//! A guest's counters are part of its state, which goes back after a failure and comes from a snapshot at the start. What
//! counts here is by how much they have grown in calls that have succeeded, so nothing is counted twice, and a call that
//! has failed counts nothing.

use std::sync::Arc;

use crate::sandbox::{MetricDescription, MetricKind, MetricTable, MetricValue};

/// The values of a plugin's metrics.
#[derive(Clone, Debug, Default)]
pub struct PluginMetrics {
    table: Arc<MetricTable>,
    /// By how much each counter has grown, and the bits of each gauge.
    values: Vec<u64>,
    /// Whether a value has changed since [`PluginMetrics::take_change`].
    has_changed: bool,
}

impl PluginMetrics {
    /// All zero.
    pub fn new(table: &Arc<MetricTable>) -> Self {
        Self { table: Arc::clone(table), values: vec![0; table.metrics.len()], has_changed: true }
    }

    /// Each metric and its value.
    pub fn iter(&self) -> impl Iterator<Item = (&MetricDescription, MetricValue)> {
        self.table.metrics.iter().zip(&self.values).map(|(metric, value)| {
            let value = match metric.kind {
                MetricKind::Counter => MetricValue::Counter(*value),
                MetricKind::Gauge => MetricValue::Gauge(f64::from_bits(*value)),
            };
            (metric, value)
        })
    }

    /// What the plugin says of them.
    pub fn table(&self) -> &MetricTable {
        &self.table
    }

    /// Begins with a guest whose values are these, in its `memory`. `last` gets what was read: what its counters are then
    /// was counted before.
    pub fn begin(&mut self, last: &mut Vec<u64>, memory: &[u8]) {
        *last = values_in(memory).collect();
        // Of a memory that is too short there is nothing to read later, either.
        last.resize(self.values.len(), 0);
        for ((metric, value), now) in self.table.metrics.iter().zip(&mut self.values).zip(last) {
            if metric.kind == MetricKind::Gauge && value != now {
                *value = *now;
                self.has_changed = true;
            }
        }
    }

    /// Reads the values of a guest after a call that has succeeded. `last` is what was read of this guest before.
    pub fn read(&mut self, last: &mut [u64], memory: &[u8]) {
        for (index, (now, last)) in values_in(memory).zip(last).enumerate() {
            if now == *last {
                continue;
            }
            let (Some(value), Some(metric)) = (self.values.get_mut(index), self.table.metrics.get(index))
            else {
                return;
            };
            *value = match metric.kind {
                // A counter that goes back counts nothing, and goes on from there.
                MetricKind::Counter => value.saturating_add(now.saturating_sub(*last)),
                MetricKind::Gauge => now,
            };
            *last = now;
            self.has_changed = true;
        }
    }

    /// Goes on from the metrics of another version of the plugin: counters of the same name are added.
    pub fn take_over(&mut self, before: &Self) {
        for (metric, value) in self.table.metrics.iter().zip(&mut self.values) {
            let same = |other: &MetricDescription| other.kind == metric.kind && other.name == metric.name;
            if metric.kind == MetricKind::Counter
                && let Some(index) = before.table.metrics.iter().position(same)
            {
                *value = value.saturating_add(before.values[index]);
            }
        }
        self.has_changed = true;
    }

    /// Whether a value has changed since this was asked last.
    #[inline]
    pub fn take_change(&mut self) -> bool {
        std::mem::take(&mut self.has_changed)
    }

    /// Makes this the same as `other`, which is mostly of the same plugin.
    pub fn copy_from(&mut self, other: &Self) {
        if !Arc::ptr_eq(&self.table, &other.table) {
            self.table = Arc::clone(&other.table);
        }
        self.values.clone_from(&other.values);
    }
}

fn values_in(memory: &[u8]) -> impl Iterator<Item = u64> {
    memory.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(kinds: &[(MetricKind, &str)]) -> PluginMetrics {
        let described = kinds.iter().map(|(kind, name)| MetricDescription {
            kind: *kind,
            name: (*name).to_owned(),
            help: String::new(),
        });
        PluginMetrics::new(&Arc::new(MetricTable::new(described.collect(), 0)))
    }

    fn memory(counter: u64, gauge: f64) -> Vec<u8> {
        [counter, gauge.to_bits()].into_iter().flat_map(u64::to_le_bytes).collect()
    }

    fn values(metrics: &PluginMetrics) -> Vec<MetricValue> {
        metrics.iter().map(|(_, value)| value).collect()
    }

    use MetricKind::{Counter, Gauge};

    #[test]
    fn counters_count_what_was_added_whatever_the_guest_begins_with() {
        let mut metrics = metrics(&[(Counter, "a"), (Gauge, "b")]);
        let mut first = Vec::new();
        metrics.begin(&mut first, &memory(10, 1.0));
        assert_eq!(values(&metrics), [MetricValue::Counter(0), MetricValue::Gauge(1.0)]);
        assert!(metrics.take_change());
        metrics.read(&mut first, &memory(12, 1.0));
        metrics.read(&mut first, &memory(15, 2.0));
        assert_eq!(values(&metrics), [MetricValue::Counter(5), MetricValue::Gauge(2.0)]);
        // Another guest, in an older state.
        let mut second = Vec::new();
        metrics.begin(&mut second, &memory(11, 0.5));
        metrics.read(&mut second, &memory(12, 0.5));
        assert_eq!(values(&metrics), [MetricValue::Counter(6), MetricValue::Gauge(0.5)]);
        assert!(metrics.take_change());
        metrics.read(&mut second, &memory(12, 0.5));
        assert!(!metrics.take_change());
    }

    #[test]
    fn counters_that_go_back_or_overflow_count_no_more_than_they_can() {
        let mut metrics = metrics(&[(Counter, "a"), (Gauge, "b")]);
        let mut last = Vec::new();
        metrics.begin(&mut last, &memory(10, 0.0));
        for counter in [3, 4, u64::MAX, 0, u64::MAX] {
            metrics.read(&mut last, &memory(counter, f64::NAN));
        }
        assert_eq!(values(&metrics)[0], MetricValue::Counter(u64::MAX));
        // A memory that is too short.
        metrics.begin(&mut Vec::new(), &[1, 2]);
        metrics.read(&mut last, &[]);
    }

    #[test]
    fn another_version_goes_on_with_counters_of_the_same_name() {
        let mut before = metrics(&[(Counter, "a"), (Counter, "gone"), (Counter, "other")]);
        before.values = vec![3, 4, 5];
        let mut after = metrics(&[(Counter, "new"), (Counter, "a"), (Gauge, "other")]);
        after.values = vec![1, 1, 1.0f64.to_bits()];
        after.take_over(&before);
        assert_eq!(after.values, [1, 4, 1.0f64.to_bits()]);
    }
}
