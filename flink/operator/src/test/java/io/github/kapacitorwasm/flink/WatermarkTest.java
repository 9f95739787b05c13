package io.github.kapacitorwasm.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.kapacitorwasm.client.HostProcess;
import io.github.kapacitorwasm.client.TestHost;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Watermarks come behind the results of the points before them. */
@Timeout(180)
class WatermarkTest {

  private static final long COUNT = 30_000;

  private static final Map<String, Long> COUNTS = new ConcurrentHashMap<>();

  @TempDir private Path folder;

  /** Counts the points of a window, each of which is complete. */
  private static final class Count extends ProcessWindowFunction<Point, Long, String, TimeWindow> {

    private static final long serialVersionUID = 1L;

    @Override
    public void process(String key, Context context, Iterable<Point> points, Collector<Long> out) {
      long count = 0;
      for (Point point : points) {
        count += point.fields().containsKey("mean") ? 1 : 0;
      }
      COUNTS.put(key + "/" + context.window().getStart(), count);
      out.collect(count);
    }
  }

  /** A late point would be left out of its window. */
  @Test
  void noResultIsLateForAWindow() throws Exception {
    try (HostProcess host = TestHost.start("moving_avg");
        Cluster cluster = new Cluster(folder)) {
      UdfFunction mean =
          KapacitorWasm.function("moving_avg")
              .option("field", "usage_user")
              .option("as", "mean")
              .socketDir(host.socketDir());
      StreamExecutionEnvironment environment =
          cluster.environment("pipeline.auto-watermark-interval", "10ms");
      environment.setParallelism(2);
      KapacitorWasm.apply(Series.stream(environment, COUNT, Faults.at()).keyBy(Point::group), mean)
          .keyBy(Point::group)
          .window(TumblingEventTimeWindows.of(Duration.ofSeconds(1)))
          .process(new Count())
          .sinkTo(new DiscardingSink<>());
      cluster.run(environment);
    }
    Map<String, Long> expected =
        LongStream.range(0, COUNT)
            .mapToObj(Series::point)
            .collect(
                Collectors.groupingBy(
                    point -> point.group() + "/" + point.timestamp() / 1000 * 1000,
                    Collectors.counting()));
    assertEquals(expected, COUNTS);
  }
}
