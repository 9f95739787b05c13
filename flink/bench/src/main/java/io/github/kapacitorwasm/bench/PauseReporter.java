package io.github.kapacitorwasm.bench;

import java.util.Collection;
import java.util.Properties;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.Metric;
import org.apache.flink.metrics.MetricConfig;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.reporter.MetricReporter;
import org.apache.flink.metrics.reporter.MetricReporterFactory;

/** Reads how long the last checkpoint stopped the operators of plugins. */
public final class PauseReporter implements MetricReporter, MetricReporterFactory {

  private static final Collection<Gauge<?>> PAUSES = new ConcurrentLinkedQueue<>();

  /** Makes a reporter, as Flink does. */
  public PauseReporter() {}

  /** The longest of the last pauses of all subtasks, in milliseconds; 0 without a plugin. */
  static long milliseconds() {
    return PAUSES.stream().mapToLong(pause -> (Long) pause.getValue()).max().orElse(0);
  }

  @Override
  public MetricReporter createMetricReporter(Properties properties) {
    return this;
  }

  @Override
  public void open(MetricConfig config) {}

  @Override
  public void close() {}

  @Override
  public void notifyOfAddedMetric(Metric metric, String name, MetricGroup group) {
    if (name.equals("lastSnapshotTimeMs")) {
      PAUSES.add((Gauge<?>) metric);
    }
  }

  @Override
  public void notifyOfRemovedMetric(Metric metric, String name, MetricGroup group) {
    PAUSES.remove(metric);
  }
}
