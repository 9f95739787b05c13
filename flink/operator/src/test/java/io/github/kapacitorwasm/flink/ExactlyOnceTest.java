package io.github.kapacitorwasm.flink;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.kapacitorwasm.client.HostProcess;
import io.github.kapacitorwasm.client.TestHost;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import org.apache.flink.api.common.JobID;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Failures and new parallelisms change no result: each is compared with that of the host alone. */
@Timeout(180)
class ExactlyOnceTest {

  private static final long COUNT = 60_000;

  @TempDir private static Path folder;

  private static HostProcess host;
  private static Cluster cluster;
  private static Map<String, Point> expected;

  @BeforeAll
  static void start() throws Exception {
    host = TestHost.start("moving_avg");
    cluster = new Cluster(folder);
    expected = Series.expected(host.socketDir(), mean(), COUNT);
    assertTrue(expected.size() == COUNT, "results of the host alone: " + expected.size());
  }

  @AfterAll
  static void stop() throws Exception {
    if (cluster != null) {
      cluster.close();
    }
    if (host != null) {
      host.close();
    }
  }

  private static UdfFunction mean() throws IOException {
    return KapacitorWasm.function("moving_avg")
        .option("field", "usage_user")
        .option("size", 30)
        .option("as", "mean")
        .socketDir(host.socketDir());
  }

  /** A job with the function at {@code parallelism}. */
  private static void build(
      StreamExecutionEnvironment environment, int parallelism, Faults faults, Recorder recorder)
      throws IOException {
    recorder.record(
        KapacitorWasm.apply(Series.stream(environment, COUNT, faults).keyBy(Point::group), mean())
            .uid("mean")
            .setParallelism(parallelism));
  }

  private static void runWithExceptions(String... settings) throws Exception {
    Faults faults = Faults.at(20_000, 41_234);
    Recorder recorder = new Recorder();
    StreamExecutionEnvironment environment = cluster.environment(settings);
    build(environment, 2, faults, recorder);
    cluster.run(environment);
    assertTrue(faults.areDone());
    recorder.assertEqual(expected);
  }

  @Test
  void uninterrupted() throws Exception {
    Recorder recorder = new Recorder();
    StreamExecutionEnvironment environment = cluster.environment();
    build(environment, 2, Faults.none(), recorder);
    cluster.run(environment);
    recorder.assertEqual(expected);
  }

  @Test
  void exceptions() throws Exception {
    runWithExceptions();
  }

  @Test
  void unalignedCheckpoints() throws Exception {
    runWithExceptions("execution.checkpointing.unaligned.enabled", "true");
  }

  @Test
  void rocksDb() throws Exception {
    runWithExceptions("state.backend.type", "rocksdb");
  }

  @Test
  void taskManagerThatEnds() throws Exception {
    Faults faults = Faults.wordAt(30_000);
    Recorder recorder = new Recorder();
    StreamExecutionEnvironment environment = cluster.environment();
    // All four slots are in use, so any of the task managers has a part of the job.
    build(environment, 4, faults, recorder);
    JobID job = cluster.submit(environment);
    faults.await();
    cluster.replaceTaskManager(0);
    cluster.finish(job);
    assertTrue(recorder.again() > 0, "no result came again, so nothing was restored");
    recorder.assertEqual(expected);
  }

  private static void rescale(int from, int to, SavepointFormatType format) throws Exception {
    Recorder recorder = new Recorder();
    Faults faults = Faults.wordAt(20_000);
    StreamExecutionEnvironment before = cluster.environment();
    build(before, from, faults, recorder);
    JobID job = cluster.submit(before);
    faults.await();
    String savepoint = cluster.stopWithSavepoint(job, format);
    assertTrue(recorder.points().size() < COUNT, "the job was stopped too late");
    StreamExecutionEnvironment after = cluster.environment();
    build(after, to, Faults.none(), recorder);
    cluster.finish(cluster.submit(after, savepoint));
    recorder.assertEqual(expected);
  }

  @Test
  void rescaleUpFromCanonicalSavepoint() throws Exception {
    rescale(1, 2, SavepointFormatType.CANONICAL);
  }

  @Test
  void rescaleDownFromNativeSavepoint() throws Exception {
    rescale(3, 1, SavepointFormatType.NATIVE);
  }
}
