package io.github.kapacitorwasm.flink;

import java.util.List;
import java.util.Properties;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.Metric;
import org.apache.flink.metrics.MetricConfig;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.reporter.MetricReporter;
import org.apache.flink.metrics.reporter.MetricReporterFactory;

/** Keeps the last values of {@code pointsSkipped}, those at the ends of subtasks. */
public final class LastMetrics implements MetricReporter, MetricReporterFactory {

  private static final List<Long> SKIPPED = new CopyOnWriteArrayList<>();

  /** Makes a reporter, as Flink does. */
  public LastMetrics() {}

  /** What the last {@code subtasks} that have ended had skipped, together. */
  static long skipped(int subtasks) {
    return SKIPPED.subList(SKIPPED.size() - subtasks, SKIPPED.size()).stream()
        .mapToLong(Long::longValue)
        .sum();
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
  public void notifyOfAddedMetric(Metric metric, String name, MetricGroup group) {}

  @Override
  public void notifyOfRemovedMetric(Metric metric, String name, MetricGroup group) {
    if (name.equals("pointsSkipped")) {
      SKIPPED.add((Long) ((Gauge<?>) metric).getValue());
    }
  }
}
