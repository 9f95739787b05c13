package io.github.kapacitorwasm.flink;

/** When a watermark goes on. */
public enum WatermarkPolicy {
  /**
   * Behind the results of all points before it. The operator asks the host for a word when these
   * are out, and does not wait for it. Event-time windows and joins downstream need this.
   */
  FENCED,
  /**
   * At once. Results may come behind a watermark that has passed their points, and be late for an
   * event-time operator downstream; without one, nothing is lost.
   */
  AT_ONCE
}
