package io.github.kapacitorwasm.bench;

import io.github.kapacitorwasm.flink.Point;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFlatMapFunction;
import org.apache.flink.util.Collector;

/**
 * Counts the results of the job that runs, and ends them. All instances of this process share what
 * they count, since there is one job at a time.
 */
final class Meter extends RichFlatMapFunction<Point, Point> {

  private static final long serialVersionUID = 1L;

  /** How many results an instance has before it adds them to what all have. */
  private static final int STEP = 64;

  private static final AtomicLong COUNT = new AtomicLong();

  /** When the first result came after a restart, as {@link System#nanoTime}; 0 for none. */
  private static final AtomicLong RESTARTED = new AtomicLong();

  private int uncounted;
  private transient boolean isRestarted;

  static void reset() {
    COUNT.set(0);
    RESTARTED.set(0);
  }

  /** The number of results so far, up to 64 too few for each subtask. */
  static long count() {
    return COUNT.get();
  }

  static long restarted() {
    return RESTARTED.get();
  }

  @Override
  public void open(OpenContext context) {
    isRestarted = getRuntimeContext().getTaskInfo().getAttemptNumber() > 0;
  }

  @Override
  public void flatMap(Point result, Collector<Point> out) {
    if (++uncounted == STEP) {
      COUNT.addAndGet(uncounted);
      uncounted = 0;
    }
    if (isRestarted) {
      isRestarted = false;
      RESTARTED.compareAndSet(0, System.nanoTime());
    }
  }
}
