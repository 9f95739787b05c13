package io.github.kapacitorwasm.job;

import java.util.Properties;

/** The settings of the clients of Kafka in a job. */
final class KafkaClients {

  private KafkaClients() {}

  /** Those that all clients share. */
  static Properties properties(JobConfig config) {
    Properties properties = new Properties();
    JobConfig.Kafka kafka = config.kafka().orElseThrow();
    kafka.properties().forEach((name, setting) -> properties.setProperty(name, setting.value()));
    properties.setProperty("bootstrap.servers", kafka.servers());
    return properties;
  }

  /** Adds those of a producer with transactions, as Flink does, if the job has them. */
  static void setTransactions(Properties producer, JobConfig config) {
    if (config.sink().delivery() == JobConfig.Delivery.EXACTLY_ONCE) {
      producer.setProperty("transactional.id", config.name());
      producer.setProperty(
          "transaction.timeout.ms", Long.toString(config.sink().transactionTimeout().toMillis()));
    }
  }
}
