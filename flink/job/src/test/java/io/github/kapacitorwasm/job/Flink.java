package io.github.kapacitorwasm.job;

import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.apache.flink.api.common.JobID;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.runtime.jobgraph.JobGraph;
import org.apache.flink.runtime.jobgraph.SavepointRestoreSettings;
import org.apache.flink.runtime.jobmaster.JobResult;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.graph.StreamGraph;

/** A Flink in this process, to which jobs are given without waiting for their ends. */
final class Flink implements AutoCloseable {

  private final MiniCluster cluster;
  private final Path folder;

  /** Starts it; checkpoints and the files of jobs are in {@code folder}. */
  Flink(Path folder) throws Exception {
    this.folder = folder;
    Configuration configuration = new Configuration();
    configuration.setString("taskmanager.memory.network.min", "32m");
    configuration.setString("taskmanager.memory.network.max", "32m");
    configuration.setString("taskmanager.memory.managed.size", "64m");
    configuration.setString("rest.bind-port", "0");
    configuration.setString("metrics.reporter.last.factory.class", LastCounts.class.getName());
    cluster =
        new MiniCluster(
            new MiniClusterConfiguration.Builder()
                .setNumTaskManagers(1)
                .setNumSlotsPerTaskManager(2)
                .setConfiguration(configuration)
                .build());
    cluster.start();
  }

  /** The configuration of a client of this Flink. */
  Configuration remote() throws Exception {
    URI rest = cluster.getRestAddress().get();
    Configuration configuration = new Configuration();
    configuration.setString("execution.target", "remote");
    configuration.setString("rest.address", rest.getHost());
    configuration.setString("rest.port", Integer.toString(rest.getPort()));
    return configuration;
  }

  /** Starts the job that a job.toml describes. Kafka is asked before, as by the program. */
  JobID start(String toml) throws Exception {
    return start(toml, SavepointRestoreSettings.none());
  }

  /** Starts it from a savepoint. */
  JobID start(String toml, String savepoint) throws Exception {
    return start(toml, SavepointRestoreSettings.forPath(savepoint));
  }

  private JobID start(String toml, SavepointRestoreSettings savepoint) throws Exception {
    Path file = Files.writeString(folder.resolve("job.toml"), toml);
    JobConfig config = ConfigReader.read(file);
    KafkaCheck.check(config);
    Configuration configuration = new Configuration();
    configuration.setString(
        "execution.checkpointing.dir", folder.resolve("checkpoints").toUri().toString());
    configuration.setString("restart-strategy.type", "fixed-delay");
    configuration.setString("restart-strategy.fixed-delay.attempts", "10");
    configuration.setString("restart-strategy.fixed-delay.delay", "100ms");
    StreamExecutionEnvironment environment =
        StreamExecutionEnvironment.getExecutionEnvironment(configuration);
    Topology.build(environment, config);
    StreamGraph graph = environment.getStreamGraph();
    graph.setJobName(config.name());
    JobGraph job = graph.getJobGraph();
    job.setSavepointRestoreSettings(savepoint);
    return cluster.submitJob(job).get().getJobID();
  }

  /** Waits for the good end of a job, and returns what Flink keeps of its accumulators. */
  Map<String, Object> finish(JobID job) throws Exception {
    JobResult result = cluster.requestJobResult(job).get();
    if (result.getSerializedThrowable().isPresent()) {
      throw new AssertionError(result.getSerializedThrowable().get());
    }
    return result.toJobExecutionResult(Flink.class.getClassLoader()).getAllAccumulatorResults();
  }

  /** Ends a job as {@code flink stop} does, and returns the path of its savepoint. */
  String stop(JobID job) throws Exception {
    String savepoints = folder.resolve("savepoints").toUri().toString();
    return cluster.stopWithSavepoint(job, savepoints, false, SavepointFormatType.CANONICAL).get();
  }

  /** Ends a job as {@code flink cancel} does, and waits until it has ended. */
  void cancel(JobID job) throws Exception {
    cluster.cancelJob(job).get();
    var unused = cluster.requestJobResult(job).get();
  }

  @Override
  public void close() throws Exception {
    cluster.close();
  }
}
