package io.github.kapacitorwasm.flink;

import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.MetricGroup;

/**
 * The metrics of an operator. All are read from what the operator counts anyway, so a point costs
 * nothing more.
 */
final class UdfMetrics {

  private static final long NANOS_OF_MILLI = 1_000_000;

  private UdfMetrics() {}

  static void register(MetricGroup group, UdfOperator<?> operator) {
    gauge(group, "pointsIn", operator::pointsIn);
    gauge(group, "pointsOut", operator::pointsOut);
    for (StateCount count : StateCount.values()) {
      gauge(group, count.metric(), () -> operator.states().count(count));
    }
    gauge(group, "bytesSent", () -> operator.sessions().client().bytesSent());
    gauge(group, "bytesReceived", () -> operator.sessions().client().bytesReceived());
    gauge(group, "sessions", () -> (long) operator.sessions().size());
    gauge(group, "sessionsRestored", () -> operator.sessions().restored());
    gauge(group, "fences", () -> operator.fence().rounds());
    gauge(group, "fenceTimeMs", () -> operator.fence().nanos() / NANOS_OF_MILLI);
    gauge(group, "lastSnapshotTimeMs", () -> operator.snapshotNanos() / NANOS_OF_MILLI);
    gauge(group, "snapshotBytes", () -> operator.states().bytes());
    gauge(
        group, "blockedTimeMs", () -> operator.sessions().client().blockedNanos() / NANOS_OF_MILLI);
  }

  private static void gauge(MetricGroup group, String name, Gauge<Long> gauge) {
    group.gauge(name, gauge);
  }
}
