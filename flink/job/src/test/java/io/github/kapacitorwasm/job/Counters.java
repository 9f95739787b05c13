package io.github.kapacitorwasm.job;

import java.util.HashMap;
import java.util.Map;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.SimpleCounter;
import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;

/** A group of metrics that keeps its counters. */
final class Counters extends UnregisteredMetricsGroup {

  private final String path;
  private final Map<String, Counter> counters;

  Counters() {
    this("", new HashMap<>());
  }

  private Counters(String path, Map<String, Counter> counters) {
    this.path = path;
    this.counters = counters;
  }

  /** The value of a counter, with its groups before its name. */
  long count(String name) {
    return counters.get(name).getCount();
  }

  @Override
  public MetricGroup addGroup(String child) {
    return new Counters(path + child + ".", counters);
  }

  @Override
  public Counter counter(String counter) {
    return counters.computeIfAbsent(path + counter, key -> new SimpleCounter());
  }
}
