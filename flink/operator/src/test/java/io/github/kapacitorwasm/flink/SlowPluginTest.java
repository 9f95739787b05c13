package io.github.kapacitorwasm.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.kapacitorwasm.client.HostProcess;
import io.github.kapacitorwasm.client.TestHost;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A plugin that is much slower than its input. */
@Timeout(180)
class SlowPluginTest {

  /** Far more than could be processed: without backpressure all of it would wait somewhere. */
  private static final long ENDLESS = 1_000_000_000;

  /** Results after which the job is stopped, each time. */
  private static final long RESULTS = 3_000;

  /**
   * Points that fit into what is between source and plugin: Flink's buffers of 4 KiB, the sockets
   * and queues of four sessions, and the buffers of the client, with 100 bytes at least for each.
   */
  private static final long MOST_WAITING = 25_000;

  private static final String SMALL_QUEUES =
      """
      [sessions]
      queue = "16KiB"
      snapshot-deadline = "1h"
      """;

  private static final AtomicLong IN = new AtomicLong();
  private static final AtomicLong OUT = new AtomicLong();
  private static final AtomicLong MOST = new AtomicLong();
  private static final Map<String, Long> LAST_TIMES = new ConcurrentHashMap<>();
  private static final AtomicLong OUT_OF_ORDER = new AtomicLong();

  private static volatile CountDownLatch enough;

  @TempDir private Path folder;

  private static Point in(long i) {
    MOST.accumulateAndGet(IN.incrementAndGet() - OUT.get(), Math::max);
    return Series.point(i);
  }

  private static Point out(Point result) {
    OUT.incrementAndGet();
    Long before = LAST_TIMES.put(result.group(), result.timeNanos());
    if (before != null && before >= result.timeNanos()) {
      OUT_OF_ORDER.incrementAndGet();
    }
    enough.countDown();
    return result;
  }

  private static StreamExecutionEnvironment job(
      Cluster cluster, UdfFunction forest, Recorder recorder) {
    StreamExecutionEnvironment environment = cluster.environment();
    environment.setMaxParallelism(4);
    environment.setParallelism(1);
    DataStream<Point> points =
        environment
            .fromSource(
                new NumberSequenceSource(0, ENDLESS), WatermarkStrategy.noWatermarks(), "numbers")
            .uid("numbers")
            .map(SlowPluginTest::in)
            .returns(PointTypeInfo.INSTANCE)
            .uid("in");
    recorder.record(
        KapacitorWasm.apply(points.keyBy(Point::group), forest)
            .uid("forest")
            .setParallelism(2)
            .map(SlowPluginTest::out)
            .returns(PointTypeInfo.INSTANCE)
            .uid("out")
            .setParallelism(2));
    return environment;
  }

  /** Runs the job until there are enough results, and stops it with a savepoint. */
  private static String run(
      Cluster cluster, UdfFunction forest, String savepoint, Recorder recorder) throws Exception {
    enough = new CountDownLatch((int) RESULTS);
    JobID job = cluster.submit(job(cluster, forest, recorder), savepoint);
    enough.await();
    return cluster.stopWithSavepoint(job, SavepointFormatType.CANONICAL);
  }

  /**
   * What waits is bounded by the sizes of buffers, so a savepoint has to wait for that much and no
   * more, whatever the speed of the plugin. All results of the points before it are there.
   */
  @Test
  void savepointWaitsForABoundedNumberOfPoints() throws Exception {
    try (HostProcess host = TestHost.startWith(SMALL_QUEUES, "random_cut_forest");
        Cluster cluster = new Cluster(folder, "taskmanager.memory.segment-size", "4kb")) {
      UdfFunction forest =
          KapacitorWasm.function("random_cut_forest")
              .option("field", "usage_user")
              .option("size", 32)
              .option("trees", 100)
              .option("max_groups", Series.GROUPS)
              .socketDir(host.socketDir());
      Recorder recorder = new Recorder();
      String savepoint = run(cluster, forest, null, recorder);
      assertEquals(IN.get(), OUT.get(), "results of the points before the savepoint");
      String unused = run(cluster, forest, savepoint, recorder);
      assertEquals(IN.get(), OUT.get(), "results of the points before the second savepoint");

      assertTrue(MOST.get() > 1_000, "the plugin is no slower than its input: " + MOST);
      assertTrue(MOST.get() < MOST_WAITING, "points that waited: " + MOST);
      assertEquals(0, OUT_OF_ORDER.get(), "results before an earlier one of their group");
      assertEquals(0, recorder.again());
      recorder.assertEqual(Series.expected(host.socketDir(), forest, OUT.get()));
    }
  }
}
