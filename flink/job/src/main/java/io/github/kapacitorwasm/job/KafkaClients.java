package io.github.kapacitorwasm.job;

import java.util.Properties;

/** The settings that all clients of Kafka in a job share. */
final class KafkaClients {

  private KafkaClients() {}

  static Properties properties(JobConfig config) {
    Properties properties = new Properties();
    JobConfig.Kafka kafka = config.kafka().orElseThrow();
    properties.putAll(kafka.properties());
    properties.setProperty("bootstrap.servers", kafka.servers());
    return properties;
  }
}
