package io.github.kapacitorwasm.job;

import org.apache.flink.client.program.ProgramParametrizationException;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** Gives a job to Flink. Only this part of the start needs Flink. */
final class Submission {

  private Submission() {}

  /** Submits a job; {@code isChecked} says whether the cluster is asked about others before. */
  static void submit(JobConfig config, boolean isChecked) throws Exception {
    StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
    int parallelism = environment.getParallelism();
    if (config.parallelism().isEmpty() && parallelism > config.maxParallelism()) {
      throw new JobException(
          config.file()
              + ": Flink gives the job the parallelism "
              + parallelism
              + " (`-p`, or `parallelism.default` of its configuration), and `max-parallelism` is "
              + config.maxParallelism()
              + "; give it less, or raise `max-parallelism` before the first start.");
    }
    if (isChecked) {
      RunningJobs.check(config, Configuration.fromMap(environment.getConfiguration().toMap()));
    }
    Topology.build(environment, config);
    environment.execute(config.name());
  }

  /** An exception whose message Flink's command line shows without a stack trace. */
  static RuntimeException mistake(JobException mistake) {
    return new ProgramParametrizationException(mistake.getMessage());
  }
}
