package io.github.kapacitorwasm.job;

import java.io.Serializable;
import java.util.Optional;
import org.apache.flink.api.common.accumulators.LongCounter;
import org.apache.flink.api.common.functions.RuntimeContext;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MetricGroup;

/** A number that a subtask counts, in a metric, and in an accumulator where there can be one. */
final class Total implements Serializable {

  private static final long serialVersionUID = 1L;

  /** The group of the metrics, and the beginning of the names of accumulators. */
  private static final String GROUP = "kapacitor_wasm";

  private final String name;

  private transient Optional<LongCounter> accumulator;
  private transient Counter counter;

  /**
   * Counts one thing.
   *
   * @param name of the metric, such as {@code linesSkipped}
   */
  Total(String name) {
    this.name = name;
  }

  /** Registers metric and accumulator, which Flink keeps when the job has ended. */
  void open(RuntimeContext context) {
    open(context.getMetricGroup());
    accumulator = Optional.of(context.getLongCounter(GROUP + "." + name));
  }

  /** Registers the metric alone, where there is no accumulator. */
  void open(MetricGroup group) {
    accumulator = Optional.empty();
    counter = group.addGroup(GROUP).counter(name);
  }

  /** Counts one more. */
  void add() {
    counter.inc();
    accumulator.ifPresent(total -> total.add(1));
  }

  /** The number since {@link #open}. */
  long count() {
    return counter == null ? 0 : counter.getCount();
  }
}
