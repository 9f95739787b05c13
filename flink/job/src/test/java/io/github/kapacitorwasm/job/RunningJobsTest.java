package io.github.kapacitorwasm.job;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.flink.api.common.JobID;
import org.apache.flink.configuration.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A job is not started beside another one of its name. */
@Timeout(240)
class RunningJobsTest {

  @TempDir private Path folder;

  private String job(KafkaBroker broker, String name) {
    return """
        name = "%s"
        parallelism = 1
        max-parallelism = 1
        [kafka]
        bootstrap-servers = ["%s"]
        [source]
        topics = ["twice-in"]
        [[plugin]]
        call = "@moving_avg().field('v').size(3)"
        [sink]
        topic = "twice-out"
        delivery = "at-least-once"
        [host]
        socket-dir = "%s"
        """
        .formatted(name, broker.servers(), folder);
  }

  private JobConfig config(KafkaBroker broker, String name) throws Exception {
    return ConfigReader.read(Files.writeString(folder.resolve("twice.toml"), job(broker, name)));
  }

  @Test
  void aSecondJobOfOneNameIsRefused() throws Exception {
    KafkaBroker broker = KafkaBroker.get();
    broker.create(1, "twice-in", "twice-out");
    try (Flink flink = new Flink(folder)) {
      Configuration cluster = flink.remote();
      JobConfig config = config(broker, "twice");
      assertDoesNotThrow(() -> RunningJobs.check(config, cluster));
      // There is no host: the job waits for it, and has not ended.
      JobID job = flink.start(job(broker, "twice"));
      String said =
          assertThrows(JobException.class, () -> RunningJobs.check(config, cluster)).getMessage();
      assertTrue(
          said.startsWith(
              folder.resolve("twice.toml")
                  + ": the cluster has a job with the name twice that has not ended ("
                  + job
                  + ", "),
          said);
      JobConfig other = config(broker, "once");
      assertEquals("once", other.name());
      assertDoesNotThrow(() -> RunningJobs.check(other, cluster));
      flink.cancel(job);
      assertDoesNotThrow(() -> RunningJobs.check(config, cluster));
    }
  }

  @Test
  void withoutAClusterNothingIsAsked() throws Exception {
    JobConfig config = config(KafkaBroker.get(), "alone");
    assertDoesNotThrow(() -> RunningJobs.check(config, new Configuration()));
  }
}
