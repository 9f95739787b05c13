package io.github.kapacitorwasm.job;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads the table {@code [kafka]}. */
final class KafkaReader {

  private static final Pattern SERVER = Pattern.compile("\\S+:(\\d{1,5})");

  private static final int MOST_PORT = 65_535;

  /** Settings of Kafka that other keys set, and those keys; or that the job needs as they are. */
  private static final Map<String, String> TAKEN =
      Map.of(
          "bootstrap.servers", "write `bootstrap-servers`",
          "group.id", "write `group-id` in [source]",
          "auto.offset.reset", "write `start` in [source]",
          "transaction.timeout.ms", "write `transaction-timeout` in [sink]",
          "transactional.id", "the transactions are named by the job's `name`",
          "enable.auto.commit", "the job commits with its checkpoints",
          "key.serializer", "keys are groups, as text",
          "value.serializer", "values are lines",
          "key.deserializer", "keys are not read",
          "value.deserializer", "values are lines");

  private KafkaReader() {}

  /**
   * Reads the table.
   *
   * @param isNeeded whether the job names a topic
   * @param isSure whether that topic is no mistake
   */
  static Optional<JobConfig.Kafka> read(
      Values kafka, boolean isNeeded, boolean isSure, Mistakes mistakes) {
    boolean isThere = kafka.has(Key.SERVERS) || kafka.has(Key.PROPERTIES);
    if (!isNeeded) {
      if (isThere) {
        mistakes.add(
            kafka.line(Key.SERVERS), "[kafka] is for topics, and the job has none; leave it out");
      }
      return Optional.empty();
    }
    if (isSure && !kafka.has(Key.SERVERS)) {
      mistakes.add(
          kafka.line(Key.SERVERS),
          "`kafka.bootstrap-servers` is missing, which a topic needs; write, for example,"
              + " `bootstrap-servers = [\"kafka-0:9092\"]` below [kafka]");
    }
    List<String> servers = kafka.texts(Key.SERVERS);
    for (String server : servers) {
      Matcher matcher = SERVER.matcher(server);
      if (!matcher.matches() || server.contains(",")) {
        kafka.mistake(
            Key.SERVERS, "has \"" + server + "\"; a broker is `host:port`, such as \"kafka:9092\"");
      } else if (Integer.parseInt(matcher.group(1)) > MOST_PORT) {
        kafka.mistake(
            Key.SERVERS, "has \"" + server + "\"; the highest number of a port is " + MOST_PORT);
      }
    }
    Map<String, JobConfig.Setting> properties = kafka.settings(Key.PROPERTIES);
    properties.forEach(
        (property, setting) -> {
          if (TAKEN.containsKey(property)) {
            mistakes.add(
                setting.line(),
                "`properties` can't have `" + property + "`: " + TAKEN.get(property));
          }
        });
    return Optional.of(new JobConfig.Kafka(String.join(",", servers), properties));
  }
}
