package io.github.kapacitorwasm.job;

import java.io.IOException;
import java.io.Serializable;
import java.time.Duration;
import org.apache.flink.api.common.accumulators.LongCounter;
import org.apache.flink.api.common.functions.RuntimeContext;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MetricGroup;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What happens to lines that can't be read: each is counted, and logged or fatal. */
final class BadLines implements Serializable {

  private static final long serialVersionUID = 1L;

  private static final Logger LOG = LoggerFactory.getLogger(BadLines.class);

  /** Maximum number of lines that are logged in {@link #PERIOD_NANOS}. */
  private static final int MAX_LOGGED = 10;

  private static final long PERIOD_NANOS = Duration.ofMinutes(1).toNanos();

  private final boolean isFatal;

  private transient Counter skipped;
  private transient LongCounter total;
  private transient long periodStart;
  private transient int logged;
  private transient long unlogged;

  BadLines(boolean isFatal) {
    this.isFatal = isFatal;
  }

  /** Registers the metric, before any line. */
  void open(MetricGroup group) {
    skipped = group.addGroup("kapacitor_wasm").counter("linesSkipped");
    periodStart = System.nanoTime();
  }

  /**
   * The same for an operator: its job says after its end, too, how many lines were skipped, as the
   * accumulator {@code linesSkipped}.
   */
  void open(RuntimeContext context) {
    open(context.getMetricGroup());
    total = new LongCounter();
    context.addAccumulator("linesSkipped", total);
  }

  /** Logs how many lines were not logged one by one. */
  void logRest() {
    if (unlogged > 0) {
      LOG.warn("{} more lines that can't be read were skipped", unlogged);
      unlogged = 0;
    }
  }

  /**
   * Takes a line that can't be read.
   *
   * @param place where the line is
   * @param problem what is wrong with it
   * @throws IOException if such a line is fatal
   */
  void take(String place, String problem) throws IOException {
    String sentence = place + ": the line can't be read: " + problem;
    if (isFatal) {
      throw new IOException(
          sentence + ". Correct whoever writes it, or set on-bad-line = \"skip\" in [source].");
    }
    skipped.inc();
    if (total != null) {
      total.add(1L);
    }
    long now = System.nanoTime();
    if (now - periodStart >= PERIOD_NANOS) {
      logRest();
      periodStart = now;
      logged = 0;
    }
    if (logged < MAX_LOGGED) {
      logged++;
      LOG.warn("{}; it is skipped", sentence);
    } else {
      unlogged++;
    }
  }
}
