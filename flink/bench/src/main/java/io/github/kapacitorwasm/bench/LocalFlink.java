package io.github.kapacitorwasm.bench;

import io.github.kapacitorwasm.flink.Point;
import io.github.kapacitorwasm.flink.PointTypeInfo;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.checkpoint.AbstractCheckpointStats;
import org.apache.flink.runtime.checkpoint.CheckpointStatsStatus;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;

/** A job manager and a task manager with two slots in this process, for one job at a time. */
final class LocalFlink implements AutoCloseable {

  /** Number of the last checkpoints that Flink remembers. */
  private static final String REMEMBERED = "1000";

  /** A completed checkpoint. */
  record Checkpoint(long triggered, long milliseconds, long syncMilliseconds, long bytes) {}

  private final MiniCluster cluster;
  private final Path checkpoints;

  LocalFlink(Path checkpoints) throws Exception {
    this.checkpoints = checkpoints;
    Configuration configuration = new Configuration();
    configuration.setString("rest.bind-port", "0");
    configuration.setString("web.checkpoints.history", REMEMBERED);
    configuration.setString("metrics.reporter.pause.factory.class", PauseReporter.class.getName());
    configuration.setString("taskmanager.memory.managed.size", "256m");
    cluster =
        new MiniCluster(
            new MiniClusterConfiguration.Builder()
                .setNumTaskManagers(1)
                .setNumSlotsPerTaskManager(2)
                .setConfiguration(configuration)
                .build());
    cluster.start();
  }

  /** Starts a job without an end. */
  JobID start(Settings settings, Work work, int parallelism, Path socketDir) throws Exception {
    Configuration configuration = new Configuration();
    configuration.setString("execution.checkpointing.interval", settings.interval());
    configuration.setString("execution.checkpointing.dir", checkpoints.toUri().toString());
    configuration.setString("state.backend.type", work.backend());
    configuration.setString("restart-strategy.type", "fixed-delay");
    configuration.setString("restart-strategy.fixed-delay.attempts", "1");
    configuration.setString("restart-strategy.fixed-delay.delay", "0s");
    StreamExecutionEnvironment environment =
        StreamExecutionEnvironment.getExecutionEnvironment(configuration);
    environment.setParallelism(parallelism);
    environment.setMaxParallelism(settings.maxParallelism());
    KeyedStream<Point, String> points =
        environment
            .fromSource(
                new NumberSequenceSource(0, Long.MAX_VALUE / 2),
                WatermarkStrategy.noWatermarks(),
                "numbers")
            .map(new Fault(new Points(settings.series())))
            .returns(PointTypeInfo.INSTANCE)
            .assignTimestampsAndWatermarks(
                WatermarkStrategy.<Point>forMonotonousTimestamps()
                    .withTimestampAssigner((point, before) -> point.timestamp()))
            .keyBy(Point::group);
    work.apply(points, socketDir)
        .flatMap(new Meter())
        .returns(PointTypeInfo.INSTANCE)
        .sinkTo(new DiscardingSink<>());
    Meter.reset();
    return cluster.submitJob(environment.getStreamGraph().getJobGraph()).get().getJobID();
  }

  /** Fails if the job has ended, with its reason. */
  void check(JobID job) throws Exception {
    JobStatus status = cluster.getJobStatus(job).get();
    if (status.isGloballyTerminalState()) {
      throw new IllegalStateException(
          "the job is " + status,
          cluster
              .requestJobResult(job)
              .get()
              .getSerializedThrowable()
              .map(e -> e.deserializeError(LocalFlink.class.getClassLoader()))
              .orElse(null));
    }
  }

  /** The checkpoints so far, the newest first. */
  List<Checkpoint> checkpoints(JobID job) throws Exception {
    return cluster
        .getExecutionGraph(job)
        .get()
        .getCheckpointStatsSnapshot()
        .getHistory()
        .getCheckpoints()
        .stream()
        .filter(checkpoint -> checkpoint.getStatus() == CheckpointStatsStatus.COMPLETED)
        .map(LocalFlink::checkpoint)
        .collect(Collectors.toList());
  }

  private static Checkpoint checkpoint(AbstractCheckpointStats from) {
    long sync =
        from.getAllTaskStateStats().stream()
            .mapToLong(task -> task.getSummaryStats().getSyncCheckpointDurationStats().getMaximum())
            .max()
            .orElse(0);
    return new Checkpoint(
        from.getTriggerTimestamp(), from.getEndToEndDuration(), sync, from.getStateSize());
  }

  /** Cancels the job, and waits for its end. */
  void cancel(JobID job) throws Exception {
    var unusedAnswer = cluster.cancelJob(job).get();
    // The next job needs the slots.
    var unusedResult = cluster.requestJobResult(job).get();
  }

  @Override
  public void close() throws Exception {
    cluster.close();
  }
}
