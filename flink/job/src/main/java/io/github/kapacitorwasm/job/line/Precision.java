package io.github.kapacitorwasm.job.line;

/** The unit of the timestamps in lines. */
public enum Precision {
  /** Nanoseconds, Telegraf's default. */
  NS(1),
  /** Microseconds. */
  US(1_000),
  /** Milliseconds. */
  MS(1_000_000),
  /** Seconds. */
  S(1_000_000_000);

  private final long nanos;

  Precision(long nanos) {
    this.nanos = nanos;
  }

  /** A timestamp in nanoseconds. */
  long toNanos(long timestamp) throws LineException {
    try {
      return Math.multiplyExact(timestamp, nanos);
    } catch (ArithmeticException e) {
      throw new LineException(
          "the timestamp "
              + timestamp
              + " is beyond the years 1677 to 2262; set the precision in which it was written");
    }
  }
}
