package io.github.kapacitorwasm.job;

import io.github.kapacitorwasm.flink.Point;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFilterFunction;

/** Counts points that came after the end of their windows, and leaves all of them out. */
final class LatePoints extends RichFilterFunction<Point> {

  private static final long serialVersionUID = 1L;

  private final String node;
  private final Losses losses;

  /** Counts those of the windows of a call. */
  LatePoints(String node) {
    this.node = node;
    losses =
        new Losses(
            "pointsLate",
            "points came after the end of their windows (" + node + ") and were lost");
  }

  @Override
  public void open(OpenContext context) {
    losses.open(getRuntimeContext());
  }

  @Override
  public boolean filter(Point point) {
    losses.take(
        () ->
            "a point of the group `%s` at %d ns came after the end of its window for %s; it is left out. Set a longer max-out-of-orderness in [source] if points come late"
                .formatted(point.group(), point.timeNanos(), node));
    return false;
  }

  @Override
  public void close() {
    losses.close();
  }
}
