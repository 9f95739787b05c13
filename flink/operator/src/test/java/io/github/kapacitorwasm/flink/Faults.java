package io.github.kapacitorwasm.flink;

import java.io.Serializable;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;

/**
 * What happens to a job on its way: exceptions at some points, once each; a pause at each
 * thousandth point, so that there are checkpoints; a word when a point has passed.
 */
final class Faults implements Serializable {

  private static final long serialVersionUID = 1L;

  /** What all copies of one object share, since Flink serializes them. */
  private static final Map<String, Shared> SHARED = new ConcurrentHashMap<>();

  private record Shared(Set<Long> done, CountDownLatch passed) {}

  private final String id = UUID.randomUUID().toString();
  private final long[] failAt;
  private final long passing;
  private final long pauseMs;

  private Faults(long passing, long pauseMs, long... failAt) {
    this.passing = passing;
    this.pauseMs = pauseMs;
    this.failAt = failAt;
    SHARED.put(id, new Shared(ConcurrentHashMap.newKeySet(), new CountDownLatch(1)));
  }

  /** None. */
  static Faults none() {
    return new Faults(Long.MAX_VALUE, 0);
  }

  /** Exceptions at these points, with checkpoints in between. */
  static Faults at(long... points) {
    return new Faults(Long.MAX_VALUE, 10, points);
  }

  /** A word when {@code point} has passed, after which points come slowly. */
  static Faults wordAt(long point) {
    return new Faults(point, 10);
  }

  /** Waits until the point of {@link #wordAt} has passed. */
  void await() throws InterruptedException {
    SHARED.get(id).passed().await();
  }

  void pass(long i) throws Exception {
    if (i == passing) {
      SHARED.get(id).passed().countDown();
    }
    if (i % 1000 == 0 && pauseMs > 0) {
      Thread.sleep(i > passing ? 10 * pauseMs : pauseMs);
    }
    for (long at : failAt) {
      if (i == at && SHARED.get(id).done().add(i)) {
        throw new IllegalStateException("an exception on purpose at point " + i);
      }
    }
  }

  /** Whether all exceptions were thrown. */
  boolean areDone() {
    return SHARED.get(id).done().size() == failAt.length;
  }
}
