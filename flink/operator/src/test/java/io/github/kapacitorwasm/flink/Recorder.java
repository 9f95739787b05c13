package io.github.kapacitorwasm.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.Serializable;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;

/**
 * Takes the results of a job. Flink sends results again after a failure, since this is no
 * transactional sink: what comes again has to be the same.
 */
final class Recorder implements Serializable {

  private static final long serialVersionUID = 1L;

  /** What all copies of one object share, since Flink serializes them. */
  private static final Map<String, Shared> SHARED = new ConcurrentHashMap<>();

  private record Shared(Map<String, Point> points, List<String> differences, AtomicLong again) {}

  private final String id = UUID.randomUUID().toString();

  Recorder() {
    SHARED.put(
        id, new Shared(new ConcurrentHashMap<>(), new CopyOnWriteArrayList<>(), new AtomicLong()));
  }

  /** What tells a result from all others. */
  static String id(Point point) {
    return point.group() + "@" + point.timeNanos();
  }

  void record(DataStream<Point> results) {
    results
        .map(
            point -> {
              take(point);
              return point;
            })
        .returns(PointTypeInfo.INSTANCE)
        .uid("recorder")
        .sinkTo(new DiscardingSink<>())
        .uid("sink");
  }

  private void take(Point point) {
    Shared shared = SHARED.get(id);
    Point before = shared.points().put(id(point), point);
    if (before != null) {
      shared.again().incrementAndGet();
      if (!before.equals(point)) {
        shared.differences().add(before + " became " + point);
      }
    }
  }

  Map<String, Point> points() {
    return SHARED.get(id).points();
  }

  /** How many results came more than once. */
  long again() {
    return SHARED.get(id).again().get();
  }

  /** Fails unless the results are {@code expected}, bit for bit. */
  void assertEqual(Map<String, Point> expected) {
    assertEquals(List.of(), SHARED.get(id).differences());
    assertEquals(expected.size(), points().size(), "number of results");
    expected.forEach((key, point) -> assertEquals(point, points().get(key)));
  }
}
