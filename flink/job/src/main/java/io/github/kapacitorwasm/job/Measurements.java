package io.github.kapacitorwasm.job;

import io.github.kapacitorwasm.flink.Point;
import java.io.Serializable;
import java.util.HashSet;
import java.util.Set;
import org.apache.flink.api.common.functions.RuntimeContext;
import org.apache.flink.metrics.MetricGroup;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Chooses the points of the measurements that the job takes, and counts the others. */
final class Measurements implements Serializable {

  private static final long serialVersionUID = 1L;

  private static final Logger LOG = LoggerFactory.getLogger(Measurements.class);

  /** Maximum number of measurements that a subtask names in the log. */
  private static final int MAX_NAMED = 10;

  private final String job;

  /** Those that the job takes; all if empty. */
  private final Set<String> taken;

  private final Total others = new Total("pointsOfOtherMeasurements");

  /** Some of those that were left out. */
  private transient Set<String> named;

  /**
   * Chooses points.
   *
   * @param job the job, for the log
   * @param taken the measurements that it takes; all if empty
   */
  Measurements(String job, Set<String> taken) {
    this.job = job;
    this.taken = new HashSet<>(taken);
  }

  /** Registers metric and accumulator, before any point. */
  void open(RuntimeContext context) {
    others.open(context);
    named = new HashSet<>();
  }

  /** Registers the metric alone, where there is no accumulator. */
  void open(MetricGroup group) {
    others.open(group);
    named = new HashSet<>();
  }

  /** Whether the job takes a point. If not, it is counted. */
  boolean take(Point point) {
    if (taken.isEmpty() || taken.contains(point.name())) {
      return true;
    }
    others.add();
    if (named.size() < MAX_NAMED && named.add(point.name())) {
      LOG.info(
          "job {}: measurement {}: its points are left out, since `measurements` of [from] does"
              + " not name it",
          job,
          PointText.shown(point.name()));
    }
    return false;
  }
}
