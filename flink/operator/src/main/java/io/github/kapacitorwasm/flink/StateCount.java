package io.github.kapacitorwasm.flink;

import io.github.kapacitorwasm.client.SnapshotHeader;

/** What the states of a subtask say of points that have no result. */
enum StateCount {
  /** The plugin has failed at them. */
  SKIPPED(
      "pointsSkipped",
      "has skipped {} points in all, since its plugin failed at them; the host's log says why"),

  /** The plugin has skipped them by itself. */
  SKIPPED_BY_PLUGIN(
      "pointsSkippedByPlugin",
      "has skipped {} points in all by itself, such as those without a field that an option names;"
          + " the host's log says why"),

  /** The host has left them out of the output. */
  DROPPED(
      "pointsDropped",
      "has sent {} points in all that the host has left out, since InfluxDB can't store them; the"
          + " host's log says why");

  private final String metric;
  private final String sentence;

  StateCount(String metric, String sentence) {
    this.metric = metric;
    this.sentence = sentence;
  }

  /** The name of the metric. */
  String metric() {
    return metric;
  }

  /** The number that one state says. */
  long of(KeyGroupState state) {
    SnapshotHeader header = state.header();
    return switch (this) {
      case SKIPPED -> header.pointsSkipped();
      case SKIPPED_BY_PLUGIN -> header.pointsSkippedByPlugin();
      case DROPPED -> header.pointsDropped();
    };
  }

  /** What the log says of a function at its end, with a place for the number. */
  String sentence() {
    return sentence;
  }
}
