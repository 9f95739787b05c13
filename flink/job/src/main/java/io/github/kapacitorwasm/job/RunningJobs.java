package io.github.kapacitorwasm.job;

import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.client.deployment.ClusterClientFactory;
import org.apache.flink.client.deployment.ClusterDescriptor;
import org.apache.flink.client.deployment.DefaultClusterClientServiceLoader;
import org.apache.flink.client.program.ClusterClient;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.client.JobStatusMessage;

/** Asks the cluster, before a job is submitted, whether it has a job of this name. */
final class RunningJobs {

  private static final long PATIENCE_SECONDS = 10;

  /** States of jobs that have ended, or do so without further ado. */
  private static final Set<JobStatus> ENDED =
      Set.of(
          JobStatus.FINISHED,
          JobStatus.CANCELED,
          JobStatus.FAILED,
          JobStatus.CANCELLING,
          JobStatus.FAILING,
          JobStatus.SUSPENDED);

  private RunningJobs() {}

  /**
   * Checks that no job of this name runs, if the job uses Kafka: two would write results twice. A
   * cluster that can't be asked says so when it gets the job.
   *
   * @throws JobException if there is one
   */
  static void check(JobConfig config, Configuration flink)
      throws JobException, InterruptedException {
    if (config.kafka().isEmpty()) {
      return;
    }
    Iterable<JobStatusMessage> jobs;
    try {
      jobs = jobs(new DefaultClusterClientServiceLoader().getClusterClientFactory(flink), flink);
    } catch (InterruptedException e) {
      throw e;
    } catch (Exception e) {
      // There is no cluster yet, as for a job in this process or one that gets its own.
      return;
    }
    for (JobStatusMessage job : jobs) {
      if (job.getJobName().equals(config.name()) && !ENDED.contains(job.getJobState())) {
        throw new JobException(
            "%s: the cluster has a job with the name %s that has not ended (%s, %s). Two of them would write results twice. Stop it with `flink stop`, give this one another `name`, or submit with --unchecked."
                .formatted(config.file(), config.name(), job.getJobId(), job.getJobState()));
      }
    }
  }

  private static <T> Iterable<JobStatusMessage> jobs(
      ClusterClientFactory<T> factory, Configuration flink) throws Exception {
    try (ClusterDescriptor<T> cluster = factory.createClusterDescriptor(flink);
        ClusterClient<T> client =
            cluster.retrieve(factory.getClusterId(flink)).getClusterClient()) {
      return client.listJobs().get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    }
  }
}
