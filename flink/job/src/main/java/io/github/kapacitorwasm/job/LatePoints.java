package io.github.kapacitorwasm.job;

import io.github.kapacitorwasm.flink.Point;
import java.time.Instant;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.streaming.api.functions.ProcessFunction;
import org.apache.flink.util.Collector;

/** Counts points that came after the end of their windows, and leaves all of them out. */
final class LatePoints extends ProcessFunction<Point, Point> {

  private static final long serialVersionUID = 1L;

  /** What to do about points that come late. */
  static final String ADVICE =
      "Set a longer max-out-of-orderness in [source] if points come late, and a longer idleness if"
          + " a partition is silent for so long, or a restart of the job takes so long. If the time"
          + " of the windows is wrong, a point with a wrong time has moved it: see max-ahead in"
          + " [source]";

  private final String node;
  private final Losses losses;

  /** Counts those of the windows of a call. */
  LatePoints(String job, String node) {
    this.node = node;
    losses =
        new Losses(
            job,
            "pointsLate",
            "points came after the end of their windows (" + node + ") and were lost");
  }

  @Override
  public void open(OpenContext context) {
    losses.open(getRuntimeContext());
  }

  @Override
  public void processElement(Point point, Context context, Collector<Point> points) {
    long ended = context.timerService().currentWatermark();
    losses.take(() -> sentence(point, Instant.ofEpochMilli(ended)));
  }

  private String sentence(Point point, Instant ended) {
    return "a point of %s came after the end of its window for %s: windows have ended up to %s; it is left out. %s"
        .formatted(PointText.of(point), node, ended, ADVICE);
  }

  @Override
  public void close() {
    losses.close();
  }
}
