package io.github.kapacitorwasm.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.kapacitorwasm.client.HostProcess;
import io.github.kapacitorwasm.client.TestHost;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.UnaryOperator;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.ProcessFunction;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.util.Collector;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A function that takes batches, behind event-time windows. */
@Timeout(180)
class BatchTest {

  private static final long COUNT = 60_000;

  /** Points of a group in a window: the groups take turns, a millisecond each. */
  private static final int WINDOW_MS = 5_000;

  @TempDir private Path folder;

  @Test
  void outliersOfWindowsAreThoseThatArithmeticFinds() throws Exception {
    Map<String, Double> expected = expected();
    assertTrue(expected.size() > 100, "too few outliers: " + expected.size());
    try (HostProcess host = TestHost.start("outliers");
        Cluster cluster = new Cluster(folder)) {
      UdfFunction outliers =
          KapacitorWasm.function("outliers")
              .option("field", "usage_user")
              .option("scale", 0.4)
              .socketDir(host.socketDir());
      Recorder recorder = run(cluster, outliers, points -> points);
      Map<String, Double> found = new TreeMap<>();
      recorder
          .points()
          .forEach((id, point) -> found.put(id, (Double) point.fields().get("usage_user")));
      assertEquals(new TreeMap<>(expected), found);
      Point any = recorder.points().values().iterator().next();
      assertEquals("cpu", any.name());
      assertEquals("north", any.tags().get("region"));
      assertEquals(any.group(), "host=" + any.tags().get("host"));
    }
  }

  /** Gives windows to a function, in a job that fails once, and records what it makes of them. */
  private static Recorder run(
      Cluster cluster,
      UdfFunction function,
      UnaryOperator<SingleOutputStreamOperator<Point>> behind)
      throws Exception {
    Faults faults = Faults.at(33_333);
    Recorder recorder = new Recorder();
    StreamExecutionEnvironment environment = cluster.environment();
    environment.setParallelism(2);
    recorder.record(
        behind.apply(
            KapacitorWasm.apply(
                    Series.stream(environment, COUNT, faults)
                        .keyBy(Point::group)
                        .window(TumblingEventTimeWindows.of(Duration.ofMillis(WINDOW_MS))),
                    function)
                .uid(function.name())));
    cluster.run(environment);
    assertTrue(faults.areDone());
    return recorder;
  }

  /** Passes points on, and notes by how much their timestamps are before the ends of windows. */
  private static final class Ends extends ProcessFunction<Point, Point> {

    private static final long serialVersionUID = 1L;

    private static final Set<Long> BEFORE_ENDS = ConcurrentHashMap.newKeySet();

    @Override
    public void processElement(Point point, Context context, Collector<Point> points) {
      long end = (point.timestamp() / WINDOW_MS + 1) * WINDOW_MS;
      BEFORE_ENDS.add(end - context.timestamp());
      points.collect(point);
    }
  }

  /** Whatever the moments of watermarks are, and where the job begins again. */
  @Test
  void pointsMadeOfABatchHaveTheTimestampOfItsWindow() throws Exception {
    try (HostProcess host = TestHost.start("batch_to_stream");
        Cluster cluster = new Cluster(folder)) {
      UdfFunction last = KapacitorWasm.function("batch_to_stream").socketDir(host.socketDir());
      Recorder recorder =
          run(cluster, last, points -> points.process(new Ends(), PointTypeInfo.INSTANCE));
      assertTrue(recorder.points().size() > 100, "too few points: " + recorder.points().size());
      assertEquals(Set.of(1L), Ends.BEFORE_ENDS);
    }
  }

  /** Tukey's fences, computed here. */
  private static Map<String, Double> expected() {
    Map<String, List<Point>> windows = new HashMap<>();
    for (long i = 0; i < COUNT; i++) {
      Point point = Series.point(i);
      String window = point.group() + "/" + point.timestamp() / WINDOW_MS;
      windows.computeIfAbsent(window, name -> new ArrayList<>()).add(point);
    }
    Map<String, Double> outliers = new HashMap<>();
    for (List<Point> points : windows.values()) {
      double[] sorted = points.stream().mapToDouble(BatchTest::value).sorted().toArray();
      double q1 = median(sorted, 0, sorted.length / 2);
      double q3 = median(sorted, (sorted.length + 1) / 2, sorted.length);
      for (Point point : points) {
        double value = value(point);
        if (value < q1 - 0.4 * (q3 - q1) || value > q3 + 0.4 * (q3 - q1)) {
          outliers.put(Recorder.id(point), value);
        }
      }
    }
    return outliers;
  }

  private static double value(Point point) {
    return (Double) point.fields().get("usage_user");
  }

  private static double median(double[] sorted, int from, int to) {
    double[] part = Arrays.copyOfRange(sorted, from, to);
    int middle = part.length / 2;
    return part.length % 2 == 1 ? part[middle] : (part[middle - 1] + part[middle]) / 2;
  }
}
