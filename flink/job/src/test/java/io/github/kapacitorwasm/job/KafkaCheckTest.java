package io.github.kapacitorwasm.job;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.flink.client.program.ProgramParametrizationException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a user is told when Kafka is not as the job needs it; nothing is submitted then. */
@Timeout(240)
class KafkaCheckTest {

  @TempDir private Path folder;

  private Path write(String servers, String settings, String source, String sink) throws Exception {
    return Files.writeString(
        folder.resolve("job.toml"),
        """
        name = "check"
        [kafka]
        bootstrap-servers = ["%s"]
        [kafka.properties]
        %s
        [source]
        topics = ["%s"]
        [[plugin]]
        call = "@moving_avg().field('usage').size(5)"
        [sink]
        topic = %s
        """
            .formatted(servers, settings, source, sink));
  }

  /** What the program says. */
  private List<String> said(String servers, String settings, String source, String sink)
      throws Exception {
    Path file = write(servers, settings, source, sink);
    return assertThrows(
            ProgramParametrizationException.class, () -> Main.main(new String[] {file.toString()}))
        .getMessage()
        .replace(folder + "/", "")
        .lines()
        .toList();
  }

  @Test
  void aJobThatCanRunPasses() throws Exception {
    KafkaBroker broker = KafkaBroker.get();
    broker.create(1, "good-in", "good-out");
    KafkaCheck.check(ConfigReader.read(write(broker.servers(), "", "good-in", "\"good-out\"")));
  }

  @Test
  void topicsThatAreNotThere() throws Exception {
    KafkaBroker broker = KafkaBroker.get();
    String end =
        ". Create it, with as many partitions as the job is to have subtasks, or correct its name.";
    assertEquals(
        List.of(
            "job.toml: Kafka has no topic `absent-in`, which the job reads" + end,
            "job.toml: Kafka has no topic `absent-out`, which the job writes" + end),
        said(broker.servers(), "", "absent-in", "\"absent-out\"").stream().sorted().toList());
  }

  @Test
  void aTransactionTimeoutThatTheBrokersDoNotAllow() throws Exception {
    KafkaBroker broker = KafkaBroker.get();
    broker.create(1, "long-in", "long-out");
    assertEquals(
        List.of(
            "job.toml: `transaction-timeout` in [sink] is 20m, and broker 1 allows 900000 ms at most. Write"
                + " a shorter one, or raise transaction.max.timeout.ms of the brokers."),
        said(broker.servers(), "", "long-in", "\"long-out\"\ntransaction-timeout = \"20m\""));
  }

  @Test
  void noBroker() throws Exception {
    String servers = "127.0.0.1:" + KafkaBroker.freePorts(1).get(0);
    assertEquals(
        List.of(
            "job.toml: Kafka at "
                + servers
                + " does not answer within 1500ms. Correct `bootstrap-servers` or `properties` in"
                + " [kafka]; or, if only the task managers can reach Kafka, submit with"
                + " --unchecked."),
        said(servers, "\"default.api.timeout.ms\" = 1500", "in", "\"out\""));
  }

  /** Kafka's client wants this one to be no longer than the other, which has a default here. */
  @Test
  void aLongTimeoutOfRequestsIsNoMistake() throws Exception {
    KafkaBroker broker = KafkaBroker.get();
    broker.create(1, "slow-in", "slow-out");
    KafkaCheck.check(
        ConfigReader.read(
            write(broker.servers(), "\"request.timeout.ms\" = 60000", "slow-in", "\"slow-out\"")));
  }

  /** No broker is needed for that. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '#',
      quoteCharacter = '|',
      textBlock =
          """
          "security.protocol" = "WRONG"#Kafka's client refuses `security.protocol` in [kafka.properties]: Invalid value
          "isolation.level" = "junk"#Kafka's client refuses `isolation.level` in [kafka.properties]: Invalid value junk
          "max.poll.records" = "abc"#Kafka's client refuses `max.poll.records` in [kafka.properties]: Invalid value abc
          "acks" = "0"#Kafka's client refuses `acks` in [kafka.properties]: Must set acks to all
          "enable.idempotence" = false#Kafka's client refuses `enable.idempotence` in [kafka.properties]: Cannot set a transactional.id
          "secrity.protocol" = "SSL"#`secrity.protocol` is no setting of Kafka's clients; did you mean `security.protocol`?
          "my.own.word" = 1#`my.own.word` is no setting of Kafka's clients; correct it
          """)
  void aSettingThatTheClientsDoNotKnowOrRefuse(String setting, String sentence) throws Exception {
    List<String> said = said("127.0.0.1:9092", setting, "in", "\"out\"");
    assertEquals(1, said.size(), said::toString);
    assertTrue(said.get(0).startsWith("job.toml:5: " + sentence), said::toString);
  }

  @Test
  void aLossThatNobodyWouldNoticeIsRefused() throws Exception {
    List<String> said =
        said("127.0.0.1:9092", "acks = 0", "in", "\"out\"\ndelivery = \"at-least-once\"");
    assertTrue(said.get(0).startsWith("job.toml:5: `acks` is 0, with which"), said::toString);
  }

  @Test
  void aSavepointThatIsNotThere() {
    String absent = folder.resolve("absent").toString();
    assertEquals(
        absent + ": there is no savepoint or checkpoint. Give a folder with a file _metadata.",
        assertThrows(
                ProgramParametrizationException.class,
                () -> Main.main(new String[] {"--export", absent, folder + "/out"}))
            .getMessage());
    assertFalse(Files.exists(folder.resolve("out")));
  }

  @Test
  void aSavepointThatCantBeRead() throws Exception {
    String said =
        assertThrows(
                JobException.class, () -> StateExport.export("nofs://x/y", folder.resolve("out")))
            .getMessage();
    assertTrue(
        said.startsWith("nofs://x/y: the savepoint can't be read: Could not find a file system"),
        said);
    Path broken = Files.writeString(folder.resolve("_metadata"), "x");
    said =
        assertThrows(
                JobException.class,
                () -> StateExport.export(broken.toString(), folder.resolve("out")))
            .getMessage();
    assertEquals(broken + ": the savepoint can't be read: the file is cut off.", said);
  }
}
