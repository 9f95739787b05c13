package io.github.kapacitorwasm.bench;

import io.github.kapacitorwasm.flink.Point;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.api.common.functions.MapFunction;

/** Makes points of numbers, and fails once when it is told to. */
final class Fault implements MapFunction<Long, Point> {

  private static final long serialVersionUID = 1L;

  private static volatile boolean isDue;

  /** When it has failed, as {@link System#nanoTime}. */
  private static final AtomicLong FAILED = new AtomicLong();

  private final Points points;

  Fault(Points points) {
    this.points = points;
  }

  /** Fails at the next point of any subtask. */
  static void order() {
    FAILED.set(0);
    isDue = true;
  }

  static long failed() {
    return FAILED.get();
  }

  @Override
  public Point map(Long i) {
    if (isDue && FAILED.compareAndSet(0, System.nanoTime())) {
      isDue = false;
      throw new IllegalStateException("an exception on purpose at point " + i);
    }
    return points.point(i);
  }
}
