package io.github.kapacitorwasm.job;

import java.util.HashSet;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Gives the settings of a file to the clients that the job will have, which then say what is wrong
 * with a value, rather than in each task manager.
 */
final class KafkaSettings {

  private KafkaSettings() {}

  /**
   * Checks the values of the settings.
   *
   * @throws org.apache.kafka.common.config.ConfigException if a client refuses one
   */
  static void check(JobConfig config) {
    if (!config.source().topics().isEmpty()) {
      Properties consumer = KafkaClients.properties(config);
      consumer.setProperty("key.deserializer", ByteArrayDeserializer.class.getName());
      consumer.setProperty("value.deserializer", ByteArrayDeserializer.class.getName());
      var unused = new ConsumerConfig(consumer);
    }
    if (config.sink().topic().isPresent()) {
      Properties producer = KafkaClients.properties(config);
      producer.setProperty("key.serializer", ByteArraySerializer.class.getName());
      producer.setProperty("value.serializer", ByteArraySerializer.class.getName());
      if (config.sink().delivery() == JobConfig.Delivery.EXACTLY_ONCE) {
        producer.setProperty("transactional.id", config.name());
      }
      var unused = new ProducerConfig(producer);
    }
  }

  /** Names of settings that no client of Kafka knows; classes of the user's may. */
  static List<String> unknown(JobConfig config) {
    Set<String> known = new HashSet<>(ConsumerConfig.configNames());
    known.addAll(ProducerConfig.configNames());
    known.addAll(AdminClientConfig.configNames());
    Set<String> names = new TreeSet<>(KafkaClients.properties(config).stringPropertyNames());
    names.removeAll(known);
    return List.copyOf(names);
  }
}
