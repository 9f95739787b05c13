package io.github.kapacitorwasm.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.kapacitorwasm.client.HostProcess;
import io.github.kapacitorwasm.client.TestHost;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A plugin that fails at some points: these are skipped, each time that they are sent. */
@Timeout(180)
class FailingPluginTest {

  private static final long COUNT = 30_000;

  private static final int SUBTASKS = 2;

  @TempDir private Path folder;

  /** A point, at some of which the guest `fragile` panics. */
  private static Point point(long i) {
    Point point = Series.point(i);
    PointBuilder builder =
        Point.builder("cpu")
            .timeNanos(point.timeNanos())
            .tag("host", point.tags().get("host"))
            .groupBy("host")
            .field("value", i % 13);
    if (isBad(i)) {
      builder.field("panic", 7);
    }
    return builder.build();
  }

  private static boolean isBad(long i) {
    // Mixed, so that they are anywhere: alone, close together, in each key group.
    return Long.remainderUnsigned((i + 1) * 0x9E37_79B9_7F4A_7C15L, 1_009) == 0;
  }

  @Test
  void onlyThePointsThatFailAreMissingAndTheyAreReported() throws Exception {
    Map<String, Double> expected = new HashMap<>();
    Map<String, Double> sums = new HashMap<>();
    for (long i = 0; i < COUNT; i++) {
      Point point = point(i);
      if (!isBad(i)) {
        expected.put(Recorder.id(point), sums.merge(point.group(), (double) (i % 13), Double::sum));
      }
    }
    try (HostProcess host = TestHost.start("moving_avg", "fragile");
        Cluster cluster =
            new Cluster(
                folder, "metrics.reporter.last.factory.class", LastMetrics.class.getName())) {
      UdfFunction fragile = KapacitorWasm.function("fragile").socketDir(host.socketDir());
      Faults faults = Faults.at(17_000);
      Recorder recorder = new Recorder();
      StreamExecutionEnvironment environment = cluster.environment();
      recorder.record(
          KapacitorWasm.apply(
                  Series.numbers(environment, COUNT, faults)
                      .map(FailingPluginTest::point)
                      .returns(PointTypeInfo.INSTANCE)
                      .setParallelism(1)
                      .keyBy(Point::group),
                  fragile)
              .setParallelism(SUBTASKS));
      cluster.run(environment);
      assertTrue(faults.areDone());
      Map<String, Double> found = new HashMap<>();
      recorder.points().forEach((id, point) -> found.put(id, (Double) point.fields().get("sum")));
      assertEquals(expected, found);
      // They are reported, and those from before the failure of the job count once.
      long bad = COUNT - expected.size();
      assertTrue(bad > 10, bad + " points are bad");
      assertEquals(bad, LastMetrics.skipped(SUBTASKS));
    }
  }
}
