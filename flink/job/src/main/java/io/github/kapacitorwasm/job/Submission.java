package io.github.kapacitorwasm.job;

import org.apache.flink.client.program.ProgramParametrizationException;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** Gives a job to Flink. Only this part of the start needs Flink. */
final class Submission {

  private Submission() {}

  static void submit(JobConfig config) throws Exception {
    StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
    Topology.build(environment, config);
    if (environment.getParallelism() > config.maxParallelism()) {
      throw new JobException(
          "The parallelism is "
              + environment.getParallelism()
              + ", and `max-parallelism` of the job is "
              + config.maxParallelism()
              + ". Give `flink run` a lower --parallelism; a job with state can't get another"
              + " `max-parallelism`.");
    }
    environment.execute(config.name());
  }

  /** An exception whose message Flink's command line shows without a stack trace. */
  static RuntimeException mistake(JobException mistake) {
    return new ProgramParametrizationException(mistake.getMessage());
  }
}
