package io.github.kapacitorwasm.job;

import java.io.Serializable;
import java.time.Duration;
import java.util.function.Supplier;
import org.apache.flink.api.common.functions.RuntimeContext;
import org.apache.flink.metrics.MetricGroup;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Counts what a subtask leaves out, such as lines that can't be read: in a metric, in an
 * accumulator, which Flink keeps when the job has ended, and in the log, with the total at the end.
 */
final class Losses implements Serializable {

  private static final long serialVersionUID = 1L;

  private static final Logger LOG = LoggerFactory.getLogger(Losses.class);

  /** Maximum number of losses that are logged one by one in {@link #PERIOD_NANOS}. */
  private static final int MAX_LOGGED = 10;

  private static final long PERIOD_NANOS = Duration.ofMinutes(1).toNanos();

  private final String job;
  private final String what;
  private final Total total;

  private transient long periodStart;
  private transient int logged;
  private transient long unlogged;

  /**
   * Counts losses of one kind.
   *
   * @param job the job, since several can write to one log
   * @param name of the metric, such as {@code linesSkipped}
   * @param what was lost and why, such as {@code lines were skipped}
   */
  Losses(String job, String name, String what) {
    this.job = job;
    this.what = what;
    total = new Total(name);
  }

  /** Registers metric and accumulator, before any loss. */
  void open(RuntimeContext context) {
    total.open(context);
    begin();
  }

  /** Registers the metric alone, where there is no accumulator. */
  void open(MetricGroup group) {
    total.open(group);
    begin();
  }

  private void begin() {
    periodStart = System.nanoTime();
    logged = 0;
    unlogged = 0;
  }

  /** Counts a loss; its sentence is logged, unless there were many in this minute. */
  void take(Supplier<String> sentence) {
    total.add();
    long now = System.nanoTime();
    if (now - periodStart >= PERIOD_NANOS) {
      summarize(now);
    }
    if (logged < MAX_LOGGED) {
      logged++;
      LOG.warn("job {}: {}", job, sentence.get());
    } else {
      unlogged++;
    }
  }

  /** Logs what a minute had beside its first losses, once it is over; for each input. */
  void look() {
    if (unlogged > 0) {
      long now = System.nanoTime();
      if (now - periodStart >= PERIOD_NANOS) {
        summarize(now);
      }
    }
  }

  private void summarize(long now) {
    if (unlogged > 0) {
      LOG.warn("job {}: {}: {} more, {} in all", job, what, unlogged, total.count());
    }
    periodStart = now;
    logged = 0;
    unlogged = 0;
  }

  /** The number of losses since {@link #open}. */
  long count() {
    return total.count();
  }

  /** Logs the total, if there were losses. */
  void close() {
    if (count() > 0) {
      LOG.warn("job {}: {}: {} in all", job, what, count());
    }
  }
}
