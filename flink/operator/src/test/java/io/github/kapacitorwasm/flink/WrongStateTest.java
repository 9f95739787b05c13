package io.github.kapacitorwasm.flink;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.kapacitorwasm.client.HostProcess;
import io.github.kapacitorwasm.client.TestHost;
import java.nio.file.Path;
import java.util.Optional;
import org.apache.flink.runtime.jobmaster.JobResult;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.util.ExceptionUtils;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What must not go on unnoticed. */
@Timeout(180)
class WrongStateTest {

  private static final String CHECKPOINTS_OF_THE_HOST =
      """
      [state]
      checkpoints = "always"
      checkpoint-interval = "100ms"
      """;

  @TempDir private Path folder;

  /**
   * A control: with a host that keeps checkpoints of its own, a job resumes from states that are
   * newer than Flink's, and its means are wrong. The operator has to find that.
   */
  @Test
  void hostThatKeepsCheckpointsOfItsOwnIsFound() throws Exception {
    try (HostProcess host = TestHost.startWith(CHECKPOINTS_OF_THE_HOST, "moving_avg");
        Cluster cluster = new Cluster(folder)) {
      UdfFunction mean =
          KapacitorWasm.function("moving_avg")
              .option("field", "usage_user")
              .stateOfHost()
              .socketDir(host.socketDir());
      // Without attempts to restart, the job would end with the exception on purpose.
      StreamExecutionEnvironment environment =
          cluster.environment("restart-strategy.fixed-delay.attempts", "1");
      // The checkpoint before the failure is older than what the host keeps at the session's end.
      KapacitorWasm.apply(
              Series.stream(environment, 60_000, Faults.at(30_999)).keyBy(Point::group), mean)
          .sinkTo(new DiscardingSink<>());
      JobResult result = cluster.result(cluster.submit(environment));
      Optional<Throwable> failure =
          result
              .getSerializedThrowable()
              .map(e -> e.deserializeError(WrongStateTest.class.getClassLoader()));
      assertTrue(failure.isPresent(), "the job has not failed");
      String trace = ExceptionUtils.stringifyException(failure.get());
      assertTrue(
          ExceptionUtils.findThrowableWithMessage(failure.get(), "the snapshot has seen")
              .isPresent(),
          trace);
      assertTrue(trace.contains("function moving_avg, key group "), trace);
    }
  }
}
