package io.github.kapacitorwasm.job;

import java.io.IOException;
import java.io.Serializable;
import org.apache.flink.api.common.functions.RuntimeContext;
import org.apache.flink.metrics.MetricGroup;

/** What happens to lines that can't be read: each is counted and logged, or fatal. */
final class BadLines implements Serializable {

  private static final long serialVersionUID = 1L;

  /** What becomes of them, for the log. */
  static final String SKIPPED = "lines that can't be read were skipped";

  private final boolean isFatal;
  private final Losses losses;
  private final String job;

  BadLines(String job, boolean isFatal) {
    this.job = job;
    this.isFatal = isFatal;
    losses = new Losses(job, "linesSkipped", SKIPPED);
  }

  /** The job, for the log. */
  String job() {
    return job;
  }

  /** Registers the metric and the accumulator, before any line. */
  void open(RuntimeContext context) {
    losses.open(context);
  }

  /** Registers the metric alone, where there is no accumulator. */
  void open(MetricGroup group) {
    losses.open(group);
  }

  /** Is called for each input, so that the log is complete a minute later. */
  void look() {
    losses.look();
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
    losses.take(() -> sentence + "; it is skipped");
  }

  /** The number of lines that were skipped. */
  long skipped() {
    return losses.count();
  }

  /** Logs how many lines were skipped. */
  void close() {
    losses.close();
  }
}
