package io.github.kapacitorwasm.job;

import static org.junit.jupiter.api.Assertions.assertEquals;
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
import org.junit.jupiter.params.provider.ValueSource;

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
            "Kafka has no topic `absent-in`, which the job reads" + end,
            "Kafka has no topic `absent-out`, which the job writes" + end),
        said(broker.servers(), "", "absent-in", "\"absent-out\"").stream().sorted().toList());
  }

  @Test
  void aTransactionTimeoutThatTheBrokersDoNotAllow() throws Exception {
    KafkaBroker broker = KafkaBroker.get();
    broker.create(1, "long-in", "long-out");
    assertEquals(
        List.of(
            "`transaction-timeout` in [sink] is 20m, and broker 1 allows 900000 ms at most. Write"
                + " a shorter one, or raise transaction.max.timeout.ms of the brokers."),
        said(broker.servers(), "", "long-in", "\"long-out\"\ntransaction-timeout = \"20m\""));
  }

  @Test
  void noBroker() throws Exception {
    String servers = "127.0.0.1:" + KafkaBroker.freePorts(1).get(0);
    assertEquals(
        List.of(
            "Kafka at "
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

  /** The clients of the task managers would refuse them, again and again. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"security.protocol\" = \"WRONG\"",
        "\"acks\" = \"0\"",
        "\"enable.idempotence\" = \"false\"",
        "\"isolation.level\" = \"junk\"",
        "\"max.poll.records\" = \"many\"",
      })
  void settingsThatAClientRefuses(String setting) throws Exception {
    List<String> said = said("127.0.0.1:9092", setting, "in", "\"out\"");
    assertEquals(1, said.size(), said::toString);
    assertTrue(
        said.get(0).startsWith("Kafka's client refuses its settings: ")
            && said.get(0).endsWith(". Correct [kafka] in the file."),
        said::toString);
  }

  @Test
  void settingsThatNoClientKnows() throws Exception {
    String settings = "\"secrity.protocol\" = \"SSL\"\n\"linger.ms\" = 5";
    JobConfig config = ConfigReader.read(write("127.0.0.1:9092", settings, "in", "\"out\""));
    assertEquals(List.of("secrity.protocol"), KafkaSettings.unknown(config));
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
  }
}
