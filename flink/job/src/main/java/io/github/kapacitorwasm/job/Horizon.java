package io.github.kapacitorwasm.job;

import io.github.kapacitorwasm.flink.Point;
import java.io.Serializable;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/**
 * How far the time of a point may be ahead of this machine's clock. The time of the latest point
 * says which windows have ended, so one that is far too late would end those of all groups for
 * ever.
 */
final class Horizon implements Serializable {

  private static final long serialVersionUID = 1L;

  /** None if any time is allowed. */
  private final Duration maxAhead;

  /** The latest time that is allowed when the clock was read last, in milliseconds since 1970. */
  private transient long limit;

  /** Allows times that are ahead by so much; none for any time. */
  Horizon(Optional<Duration> maxAhead) {
    this.maxAhead = maxAhead.orElse(null);
  }

  /** Whether the time of a point is too far ahead. */
  boolean isBeyond(Point point) {
    if (maxAhead == null || point.timestamp() <= limit) {
      return false;
    }
    limit = System.currentTimeMillis() + maxAhead.toMillis();
    return point.timestamp() > limit;
  }

  /** What is wrong with a point whose time is too far ahead. */
  String problem(Point point) {
    return "its time %s is more than %s ahead of this machine's clock, and would end the windows of all groups; `max-ahead` in [source] sets how far a time may be ahead"
        .formatted(Instant.ofEpochMilli(point.timestamp()), Durations.toText(maxAhead));
  }
}
