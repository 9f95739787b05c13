package io.github.kapacitorwasm.flink;

import io.github.kapacitorwasm.client.UdfClient;
import io.github.kapacitorwasm.client.UdfHandler;
import io.github.kapacitorwasm.client.UdfSession;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** The input of the tests: points of some groups, each of which can be made again. */
final class Series {

  /** Number of groups. */
  static final int GROUPS = 100;

  private Series() {}

  /** The point with the number {@code i}, a millisecond behind the one before. */
  static Point point(long i) {
    long mixed = i * 0x9E37_79B9_7F4A_7C15L;
    return Point.builder("cpu")
        .timeNanos(1_700_000_000_000_000_000L + i * 1_000_000)
        .tag("host", "server" + i % GROUPS)
        .tag("region", "north")
        .groupBy("host")
        .field("usage_user", (mixed >>> 40) / 1000.0)
        .field("usage_system", ((mixed >>> 20) & 0xFFFFF) / 7.0)
        .build();
  }

  /** The numbers below {@code count}. */
  static DataStream<Long> numbers(
      StreamExecutionEnvironment environment, long count, Faults faults) {
    return environment
        .fromSource(
            new NumberSequenceSource(0, count - 1), WatermarkStrategy.noWatermarks(), "numbers")
        .uid("numbers")
        .setParallelism(1)
        .map(
            i -> {
              faults.pass(i);
              return i;
            })
        .returns(Types.LONG)
        .uid("faults")
        .setParallelism(1);
  }

  /** The points below {@code count}, with watermarks. */
  static DataStream<Point> stream(
      StreamExecutionEnvironment environment, long count, Faults faults) {
    return numbers(environment, count, faults)
        .map(Series::point)
        .returns(PointTypeInfo.INSTANCE)
        .uid("points")
        .setParallelism(1)
        .assignTimestampsAndWatermarks(
            WatermarkStrategy.<Point>forMonotonousTimestamps()
                .withTimestampAssigner((point, before) -> point.timestamp()))
        .uid("times")
        .setParallelism(1);
  }

  /** What the host sends for the points below {@code count}, without any Flink. */
  static Map<String, Point> expected(Path socketDir, UdfFunction function, long count)
      throws Exception {
    Map<String, Point> expected = new HashMap<>();
    UdfHandler handler =
        (session, bytes, offset, length) -> {
          byte[] copy = Arrays.copyOfRange(bytes, offset, offset + length);
          Point point = Point.of(copy);
          if (expected.put(Recorder.id(point), point) != null) {
            throw new AssertionError("two results are " + point);
          }
        };
    try (UdfClient client = new UdfClient(socketDir)) {
      UdfSession session = client.open(function.name(), "alone", handler);
      session.init("alone", "alone", function.options(), function.isStateOurs());
      for (long i = 0; i < count; i++) {
        byte[] bytes = point(i).bytes();
        session.point(bytes, 0, bytes.length);
      }
      session.snapshot();
      client.await(() -> !session.isAwaitingAnswer());
      session.finish();
    }
    return expected;
  }
}
