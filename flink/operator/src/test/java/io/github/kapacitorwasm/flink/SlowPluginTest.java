package io.github.kapacitorwasm.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.kapacitorwasm.client.HostProcess;
import io.github.kapacitorwasm.client.TestHost;
import java.nio.file.Path;
import org.apache.flink.api.common.JobID;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A plugin that is much slower than its input. */
@Timeout(180)
class SlowPluginTest {

  private static final long COUNT = 4_000;

  /** A percent of a core, once a tenth of a second was used, and a small queue. */
  private static final String SLOW =
      """
      [sessions]
      queue = "64KiB"
      snapshot-deadline = "1h"
      [limits]
      cpu-share = "1%"
      memory = "256MiB"
      """;

  @TempDir private Path folder;

  /**
   * Backpressure keeps what is on its way small: a savepoint has to wait for what is in the queues
   * of the plugin, and not for all of the input. It is whole nevertheless.
   */
  @Test
  void savepointOfASlowPluginIsWhole() throws Exception {
    try (HostProcess host = TestHost.startWith(SLOW, "moving_avg", "random_cut_forest");
        Cluster cluster = new Cluster(folder)) {
      UdfFunction forest =
          KapacitorWasm.function("random_cut_forest")
              .option("field", "usage_user")
              .option("size", 32)
              .option("trees", 200)
              .option("max_groups", 100)
              .socketDir(host.socketDir());
      Recorder uninterrupted = new Recorder();
      cluster.run(job(cluster, forest, Faults.none(), uninterrupted));
      assertEquals(COUNT, uninterrupted.points().size());

      Recorder recorder = new Recorder();
      Faults faults = Faults.wordAt(COUNT * 3 / 4);
      JobID job = cluster.submit(job(cluster, forest, faults, recorder));
      faults.await();
      String savepoint = cluster.stopWithSavepoint(job, SavepointFormatType.CANONICAL);
      assertTrue(recorder.points().size() < COUNT, "the job was stopped too late");
      cluster.finish(cluster.submit(job(cluster, forest, Faults.none(), recorder), savepoint));
      assertEquals(0, recorder.again());
      recorder.assertEqual(uninterrupted.points());
    }
  }

  private static StreamExecutionEnvironment job(
      Cluster cluster, UdfFunction forest, Faults faults, Recorder recorder) {
    StreamExecutionEnvironment environment =
        cluster.environment("execution.checkpointing.interval", "1h");
    environment.setMaxParallelism(2);
    recorder.record(
        KapacitorWasm.apply(Series.stream(environment, COUNT, faults).keyBy(Point::group), forest)
            .uid("forest")
            .setParallelism(2));
    return environment;
  }
}
