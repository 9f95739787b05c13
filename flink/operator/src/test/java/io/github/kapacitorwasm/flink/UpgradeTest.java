package io.github.kapacitorwasm.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.kapacitorwasm.client.HostProcess;
import io.github.kapacitorwasm.client.TestHost;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.JobID;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.runtime.jobmaster.JobResult;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.util.ExceptionUtils;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A job is stopped with a savepoint, its plugin gets another file, and the job goes on. */
@Timeout(180)
class UpgradeTest {

  private static final long COUNT = 40_000;

  /** A custom section of wasm with the name {@code x}: other bytes that do the same. */
  private static final byte[] SECTION = {0, 2, 1, 'x'};

  @TempDir private Path folder;

  private static StreamExecutionEnvironment job(
      Cluster cluster, UdfFunction function, Faults faults, Recorder recorder) {
    StreamExecutionEnvironment environment =
        cluster.environment("restart-strategy.fixed-delay.attempts", "0");
    recorder.record(
        KapacitorWasm.apply(Series.stream(environment, COUNT, faults).keyBy(Point::group), function)
            .uid("function")
            .setParallelism(2));
    return environment;
  }

  /** Runs the job with the old file up to the middle, and returns its savepoint. */
  private static String before(
      Cluster cluster, UdfFunction function, byte[] wasm, Recorder recorder) throws Exception {
    try (HostProcess host = TestHost.startWithFile(function.name(), wasm)) {
      Faults faults = Faults.wordAt(COUNT / 2);
      JobID job =
          cluster.submit(job(cluster, function.socketDir(host.socketDir()), faults, recorder));
      faults.await();
      String savepoint = cluster.stopWithSavepoint(job, SavepointFormatType.CANONICAL);
      assertTrue(recorder.points().size() < COUNT, "the job was stopped too late");
      return savepoint;
    }
  }

  /** As {@link #job}, but no point gets to the function. */
  private static StreamExecutionEnvironment jobWithoutPoints(
      Cluster cluster, UdfFunction function, Recorder recorder) {
    StreamExecutionEnvironment environment =
        cluster.environment("restart-strategy.fixed-delay.attempts", "0");
    recorder.record(
        KapacitorWasm.apply(
                Series.stream(environment, COUNT, Faults.none())
                    .filter(point -> false)
                    .keyBy(Point::group),
                function)
            .uid("function")
            .setParallelism(2));
    return environment;
  }

  /** Runs the job with the new file from the savepoint to its end. */
  private static JobResult after(
      Cluster cluster, UdfFunction function, byte[] wasm, String savepoint, Recorder recorder)
      throws Exception {
    try (HostProcess host = TestHost.startWithFile(function.name(), wasm)) {
      return cluster.result(
          cluster.submit(
              job(cluster, function.socketDir(host.socketDir()), Faults.none(), recorder),
              savepoint));
    }
  }

  @Test
  void formatOfAPluginsOwnIsReadByItsNextVersion() throws Exception {
    UdfFunction count = KapacitorWasm.function("own_format").option("as", "n");
    byte[] oldFile = Files.readAllBytes(TestHost.guests().resolve("own_format.wasm"));
    byte[] newFile = Files.readAllBytes(TestHost.guests().resolve("own_format_2.wasm"));
    Recorder recorder = new Recorder();
    long fromOld;
    try (Cluster cluster = new Cluster(folder)) {
      String savepoint = before(cluster, count, oldFile, recorder);
      fromOld = recorder.points().size();
      JobResult result = after(cluster, count, newFile, savepoint, recorder);
      assertTrue(result.getSerializedThrowable().isEmpty());
    }
    Map<String, Long> expected = new HashMap<>();
    for (long i = 0; i < COUNT; i++) {
      expected.put(Recorder.id(Series.point(i)), i / Series.GROUPS + 1);
    }
    Map<String, Object> found = new HashMap<>();
    recorder.points().forEach((id, point) -> found.put(id, point.fields().get("n")));
    assertEquals(expected, found);
    assertEquals(0, recorder.again());
    long fromNew =
        recorder.points().values().stream()
            .filter(point -> point.fields().containsKey("version"))
            .count();
    assertEquals(COUNT - fromOld, fromNew, "results of the new version");
  }

  /** The memory of a plugin fits only the same file. */
  @Test
  void otherBytesWithoutAFormatOfTheirOwnAreRefused() throws Exception {
    UdfFunction mean = KapacitorWasm.function("moving_avg").option("field", "usage_user");
    byte[] oldFile = Files.readAllBytes(TestHost.plugins().resolve("moving_avg.wasm"));
    byte[] newFile = Arrays.copyOf(oldFile, oldFile.length + SECTION.length);
    System.arraycopy(SECTION, 0, newFile, oldFile.length, SECTION.length);
    Recorder recorder = new Recorder();
    try (Cluster cluster = new Cluster(folder)) {
      String savepoint = before(cluster, mean, oldFile, recorder);
      JobResult refused = after(cluster, mean, newFile, savepoint, recorder);
      String trace =
          ExceptionUtils.stringifyException(
              refused
                  .getSerializedThrowable()
                  .orElseThrow()
                  .deserializeError(UpgradeTest.class.getClassLoader()));
      assertTrue(
          trace.matches(
              "(?s).*function moving_avg, key group [0-9]+: the host can't restore its state: .+"),
          trace);

      // The key groups need no point for that: one may come days after the upgrade.
      try (HostProcess host = TestHost.startWithFile(mean.name(), newFile)) {
        JobResult idle =
            cluster.result(
                cluster.submit(
                    jobWithoutPoints(cluster, mean.socketDir(host.socketDir()), recorder),
                    savepoint));
        assertTrue(
            ExceptionUtils.findThrowableWithMessage(
                    idle.getSerializedThrowable()
                        .orElseThrow()
                        .deserializeError(UpgradeTest.class.getClassLoader()),
                    "the host can't restore its state: ")
                .isPresent());
      }

      // Nothing is lost: with the old file the job goes on.
      JobResult result = after(cluster, mean, oldFile, savepoint, recorder);
      assertTrue(result.getSerializedThrowable().isEmpty());
      assertEquals(COUNT, recorder.points().size());
    }
  }
}
