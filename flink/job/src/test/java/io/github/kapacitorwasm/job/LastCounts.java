package io.github.kapacitorwasm.job;

import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Metric;
import org.apache.flink.metrics.MetricConfig;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.reporter.MetricReporter;
import org.apache.flink.metrics.reporter.MetricReporterFactory;

/** Adds up what the counters of all subtasks had counted at their ends, by name. */
public final class LastCounts implements MetricReporter, MetricReporterFactory {

  private static final Map<String, Long> COUNTS = new ConcurrentHashMap<>();

  /** Makes a reporter, as Flink does. */
  public LastCounts() {}

  /** Takes the sum of a counter since the last call. */
  static long take(String name) {
    Long count = COUNTS.remove(name);
    return count == null ? 0 : count;
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
    if (metric instanceof Counter counter) {
      COUNTS.merge(name, counter.getCount(), Long::sum);
    }
  }
}
