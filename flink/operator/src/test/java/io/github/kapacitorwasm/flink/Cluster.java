package io.github.kapacitorwasm.flink;

import java.nio.file.Path;
import java.util.UUID;
import org.apache.flink.api.common.JobID;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.runtime.jobgraph.JobGraph;
import org.apache.flink.runtime.jobgraph.SavepointRestoreSettings;
import org.apache.flink.runtime.jobmaster.JobResult;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** A Flink of two task managers with two slots each, in this process. */
final class Cluster implements AutoCloseable {

  private final MiniCluster flink;
  private final Path folder;

  /**
   * Starts it. Checkpoints are written to {@code folder}; {@code settings} are names and values.
   */
  Cluster(Path folder, String... settings) throws Exception {
    this.folder = folder;
    Configuration configuration = new Configuration();
    configuration.setString("taskmanager.memory.network.min", "32m");
    configuration.setString("taskmanager.memory.network.max", "32m");
    configuration.setString("taskmanager.memory.managed.size", "64m");
    configuration.setString("rest.bind-port", "0");
    configuration.setString("heartbeat.interval", "500");
    configuration.setString("heartbeat.timeout", "5000");
    for (int i = 0; i < settings.length; i += 2) {
      configuration.setString(settings[i], settings[i + 1]);
    }
    flink =
        new MiniCluster(
            new MiniClusterConfiguration.Builder()
                .setNumTaskManagers(2)
                .setNumSlotsPerTaskManager(2)
                .setConfiguration(configuration)
                .build());
    flink.start();
  }

  /** The environment of a job with checkpoints each 100 ms, which is restarted after a failure. */
  StreamExecutionEnvironment environment(String... settings) {
    Configuration configuration = new Configuration();
    configuration.setString("execution.checkpointing.interval", "100ms");
    configuration.setString("execution.checkpointing.dir", folder.toUri().toString());
    configuration.setString("restart-strategy.type", "fixed-delay");
    configuration.setString("restart-strategy.fixed-delay.attempts", "10");
    configuration.setString("restart-strategy.fixed-delay.delay", "100ms");
    for (int i = 0; i < settings.length; i += 2) {
      configuration.setString(settings[i], settings[i + 1]);
    }
    StreamExecutionEnvironment environment =
        StreamExecutionEnvironment.getExecutionEnvironment(configuration);
    environment.setMaxParallelism(32);
    return environment;
  }

  JobID submit(StreamExecutionEnvironment environment) throws Exception {
    return submit(environment, null);
  }

  /** Starts the job, from a savepoint if one is given. */
  JobID submit(StreamExecutionEnvironment environment, String savepoint) throws Exception {
    JobGraph job = environment.getStreamGraph().getJobGraph();
    if (savepoint != null) {
      job.setSavepointRestoreSettings(SavepointRestoreSettings.forPath(savepoint, false));
    }
    return flink.submitJob(job).get().getJobID();
  }

  /** Waits until the job has ended. */
  JobResult result(JobID job) throws Exception {
    return flink.requestJobResult(job).get();
  }

  /** Runs the job to its end, which has to be a good one. */
  void run(StreamExecutionEnvironment environment) throws Exception {
    finish(submit(environment));
  }

  /** Waits for the good end of the job. */
  void finish(JobID job) throws Exception {
    JobResult result = result(job);
    if (result.getSerializedThrowable().isPresent()) {
      throw new AssertionError(result.getSerializedThrowable().get());
    }
  }

  String stopWithSavepoint(JobID job, SavepointFormatType format) throws Exception {
    return flink
        .stopWithSavepoint(
            job, folder.resolve(UUID.randomUUID().toString()).toUri().toString(), false, format)
        .get();
  }

  /** Ends a task manager as if it had crashed, and starts another one. */
  void replaceTaskManager(int index) throws Exception {
    flink.terminateTaskManager(index).get();
    flink.startTaskManager();
  }

  @Override
  public void close() throws Exception {
    flink.close();
  }
}
