package io.github.kapacitorwasm.job;

import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Checks {@code kafka.properties} as Kafka's clients will, before a job is submitted. */
final class KafkaSettings {

  /** Settings of Flink's source and sink for Kafka. */
  private static final Set<String> OF_FLINK =
      Set.of(
          "client.id.prefix",
          "commit.offsets.on.checkpoint",
          "partition.discovery.interval.ms",
          "register.consumer.metrics",
          "register.producer.metrics");

  /** Beginnings of names that end with a word of the user. */
  private static final List<String> OPEN_PREFIXES =
      List.of("config.providers.", "metrics.context.");

  private static final String ACKS = "acks";

  private final Map<String, JobConfig.Setting> settings;
  private final Mistakes mistakes;

  private KafkaSettings(Map<String, JobConfig.Setting> settings, Mistakes mistakes) {
    this.settings = settings;
    this.mistakes = mistakes;
  }

  /**
   * Checks names and values, without a network.
   *
   * @throws JobException if a client would refuse its settings, with all reasons
   */
  static void check(JobConfig config) throws JobException {
    if (config.kafka().isEmpty()) {
      return;
    }
    Mistakes mistakes = new Mistakes(config.file());
    KafkaSettings check = new KafkaSettings(config.kafka().get().properties(), mistakes);
    check.names();
    check.values(config);
    mistakes.throwIfAny();
  }

  private void names() {
    Set<String> known = new HashSet<>(OF_FLINK);
    known.addAll(ConsumerConfig.configNames());
    known.addAll(ProducerConfig.configNames());
    known.addAll(AdminClientConfig.configNames());
    settings.forEach(
        (name, setting) -> {
          if (!known.contains(name) && OPEN_PREFIXES.stream().noneMatch(name::startsWith)) {
            mistakes.add(
                setting.line(),
                "`"
                    + name
                    + "` is no setting of Kafka's clients"
                    + Spelling.nearest(name, known)
                        .map(near -> "; did you mean `" + near + "`?")
                        .orElse(
                            "; correct it by Kafka's lists of the settings of consumers, producers"
                                + " and admin clients, or leave it out"));
          }
        });
  }

  private void values(JobConfig config) {
    // Both clients may refuse the same one.
    Map<String, Integer> refused = new LinkedHashMap<>();
    if (!config.source().topics().isEmpty()) {
      Properties consumer = KafkaClients.properties(config);
      consumer.setProperty("group.id", config.source().groupId());
      consumer.put("key.deserializer", ByteArrayDeserializer.class.getName());
      consumer.put("value.deserializer", ByteArrayDeserializer.class.getName());
      build(() -> new ConsumerConfig(consumer), refused);
    }
    if (config.sink().topic().isPresent()) {
      Properties producer = KafkaClients.properties(config);
      KafkaClients.setTransactions(producer, config);
      if (producer.containsKey("transactional.id")) {
        // It is the default; written down, Kafka's message names the setting that is against it.
        producer.putIfAbsent("enable.idempotence", "true");
      }
      producer.put("key.serializer", ByteArraySerializer.class.getName());
      producer.put("value.serializer", ByteArraySerializer.class.getName());
      build(() -> new ProducerConfig(producer), refused);
      JobConfig.Setting acks = settings.get(ACKS);
      if (config.sink().delivery() == JobConfig.Delivery.AT_LEAST_ONCE
          && acks != null
          && acks.value().equals("0")) {
        refused.put(
            "`" + ACKS + "` is 0, with which nobody notices a lost result; leave it out",
            acks.line());
      }
    }
    refused.forEach((sentence, line) -> mistakes.add(line, sentence));
  }

  private void build(Runnable client, Map<String, Integer> refused) {
    try {
      client.run();
    } catch (KafkaException e) {
      String reason = rootMessage(e);
      String at = culprit(reason);
      refused.put(
          "Kafka's client refuses "
              + (at.isEmpty() ? "[kafka.properties]" : "`" + at + "` in [kafka.properties]")
              + ": "
              + reason,
          at.isEmpty() ? 0 : settings.get(at).line());
    }
  }

  /** The setting that a message of Kafka names; empty if there is none. */
  private String culprit(String reason) {
    String found = "";
    for (String name : settings.keySet()) {
      if (reason.contains(name) && name.length() > found.length()) {
        found = name;
      }
    }
    if (found.isEmpty()) {
      // Some messages have words in the place of the name.
      for (String name : settings.keySet()) {
        if (reason.contains(name.substring(name.lastIndexOf('.') + 1))) {
          found = name;
        }
      }
    }
    return found;
  }

  /** What the first cause of a problem says, without the dot at its end. */
  static String rootMessage(Throwable problem) {
    Throwable root = problem;
    while (root.getCause() != null) {
      root = root.getCause();
    }
    return String.valueOf(root.getMessage()).strip().replaceFirst("\\.+$", "");
  }
}
