package io.github.kapacitorwasm.job;

import io.github.kapacitorwasm.flink.Point;
import io.github.kapacitorwasm.job.line.LineWriter;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFilterFunction;

/** Leaves out, and counts, points that have no form in line protocol. */
final class WritableFilter extends RichFilterFunction<Point> {

  private static final long serialVersionUID = 1L;

  private final Losses losses;

  /** Counts those of a job. */
  WritableFilter(String job) {
    losses =
        new Losses(
            job, "pointsNotWritten", "points without a form in line protocol were not written");
  }

  @Override
  public void open(OpenContext context) {
    losses.open(getRuntimeContext());
  }

  @Override
  public boolean filter(Point point) {
    losses.look();
    boolean isWritable = LineWriter.isWritable(point);
    if (!isWritable) {
      losses.take(
          () ->
              "a result of %s can't be written: it has no measurement, or no field but NaN and infinities; it is left out"
                  .formatted(PointText.of(point)));
    }
    return isWritable;
  }

  @Override
  public void close() {
    losses.close();
  }
}
