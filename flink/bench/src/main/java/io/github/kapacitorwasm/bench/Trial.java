package io.github.kapacitorwasm.bench;

import io.github.kapacitorwasm.client.HostProcess;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.apache.flink.api.common.JobID;

/** Runs one row of a table once. */
final class Trial {

  /** Maximum time until a job has restarted. */
  private static final Duration RESTART = Duration.ofSeconds(60);

  private final LocalFlink flink;
  private final HostProcess host;
  private final Settings settings;

  Trial(LocalFlink flink, HostProcess host, Settings settings) {
    this.flink = flink;
    this.host = host;
    this.settings = settings;
  }

  /** What there is at one moment. */
  private record Reading(long nanos, long results, Duration jvm, Duration host) {}

  private Reading read() {
    long jvm =
        ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
            .getProcessCpuTime();
    return new Reading(
        System.nanoTime(),
        Meter.count(),
        Duration.ofNanos(jvm),
        host.process().info().totalCpuDuration().orElse(Duration.ZERO));
  }

  /** Measures a job that has run for a while, and then how long it needs after a failure. */
  Figures run(Work work, int parallelism) throws Exception {
    JobID job = flink.start(settings, work, parallelism, host.socketDir());
    try {
      Thread.sleep(settings.warmUp().toMillis());
      Reading begin = read();
      long beginMillis = System.currentTimeMillis();
      List<Double> pauses = new ArrayList<>();
      for (long second = 1; second <= settings.measured().toSeconds(); second++) {
        Thread.sleep(1000);
        flink.check(job);
        pauses.add((double) PauseReporter.milliseconds());
      }
      Reading end = read();
      List<LocalFlink.Checkpoint> checkpoints =
          flink.checkpoints(job).stream()
              .filter(checkpoint -> checkpoint.triggered() >= beginMillis)
              .collect(Collectors.toList());
      double seconds = (end.nanos() - begin.nanos()) / 1e9;
      long results = end.results() - begin.results();
      return new Figures(
          results / seconds,
          micros(end.jvm().minus(begin.jvm()), results),
          micros(end.host().minus(begin.host()), results),
          Figures.median(pauses)
              + Figures.median(checkpoints, LocalFlink.Checkpoint::syncMilliseconds),
          Figures.median(checkpoints, LocalFlink.Checkpoint::milliseconds),
          Figures.median(checkpoints, LocalFlink.Checkpoint::bytes),
          recovery(job));
    } finally {
      flink.cancel(job);
    }
  }

  private static double micros(Duration cpu, long results) {
    return results == 0 ? Double.NaN : cpu.toNanos() / 1e3 / results;
  }

  /** Milliseconds from an exception to the first result after it. */
  private double recovery(JobID job) throws Exception {
    Fault.order();
    long begin = System.nanoTime();
    while (Meter.restarted() == 0) {
      Thread.sleep(1);
      flink.check(job);
      if (System.nanoTime() - begin > RESTART.toNanos()) {
        throw new IllegalStateException("the job has not restarted within " + RESTART);
      }
    }
    return (Meter.restarted() - Fault.failed()) / 1e6;
  }
}
