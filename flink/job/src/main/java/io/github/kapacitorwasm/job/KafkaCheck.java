package io.github.kapacitorwasm.job;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Asks Kafka, before a job is submitted, whether the job can run. */
final class KafkaCheck {

  private static final String TIMEOUT = "default.api.timeout.ms";
  private static final String REQUEST_TIMEOUT = "request.timeout.ms";
  private static final String TIMEOUT_MS = "10000";

  private static final String MAX_TIMEOUT = "transaction.max.timeout.ms";

  private final JobConfig config;
  private final Admin admin;
  private final Mistakes mistakes;

  private KafkaCheck(JobConfig config, Admin admin) {
    this.config = config;
    this.admin = admin;
    mistakes = new Mistakes(config.file());
  }

  /**
   * Checks the topics and the transaction timeout.
   *
   * @throws JobException if the job can't run, with all reasons
   */
  static void check(JobConfig config) throws JobException, InterruptedException {
    if (config.kafka().isEmpty()) {
      return;
    }
    Properties properties = KafkaClients.properties(config);
    // Either is the other's default, since no request may take longer than the whole call.
    properties.putIfAbsent(TIMEOUT, properties.getProperty(REQUEST_TIMEOUT, TIMEOUT_MS));
    properties.putIfAbsent(REQUEST_TIMEOUT, properties.getProperty(TIMEOUT));
    try (Admin admin = Admin.create(properties)) {
      KafkaCheck check = new KafkaCheck(config, admin);
      check.topics();
      check.transactionTimeout();
      check.mistakes.throwIfAny();
    } catch (KafkaException e) {
      throw new JobException(
          config.file()
              + ": Kafka's client refuses its settings: "
              + KafkaSettings.rootMessage(e)
              + ". Correct [kafka] in the file.");
    } catch (ExecutionException e) {
      throw new JobException(config.file() + ": " + unreachable(properties, e.getCause()));
    }
  }

  private static String unreachable(Properties properties, Throwable cause) {
    return "Kafka at "
        + properties.getProperty("bootstrap.servers")
        + (cause instanceof TimeoutException
            ? " does not answer within "
                + Durations.toText(
                    Duration.ofMillis(Long.parseLong(properties.getProperty(TIMEOUT))))
            : " can't be asked: " + KafkaSettings.rootMessage(cause))
        + ". Correct `bootstrap-servers` or `properties` in [kafka]; or, if only the task managers"
        + " can reach Kafka, submit with --unchecked.";
  }

  private void topics() throws ExecutionException, InterruptedException {
    List<String> topics = new ArrayList<>(config.source().topics());
    config.sink().topic().ifPresent(topics::add);
    for (Map.Entry<String, KafkaFuture<TopicDescription>> topic :
        admin.describeTopics(topics).topicNameValues().entrySet()) {
      try {
        var unused = topic.getValue().get();
      } catch (ExecutionException e) {
        if (e.getCause() instanceof InvalidTopicException) {
          mistakes.add(
              0, "Kafka allows no topic with the name `" + topic.getKey() + "`; correct its name");
          continue;
        }
        if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) {
          throw e;
        }
        mistakes.add(
            0,
            "Kafka has no topic `"
                + topic.getKey()
                + "`, which the job "
                + (config.source().topics().contains(topic.getKey()) ? "reads" : "writes")
                + ". Create it, with as many partitions as the job is to have subtasks, or correct"
                + " its name");
      }
    }
  }

  private void transactionTimeout() throws ExecutionException, InterruptedException {
    JobConfig.Sink sink = config.sink();
    if (sink.topic().isEmpty() || sink.delivery() != JobConfig.Delivery.EXACTLY_ONCE) {
      return;
    }
    for (Node node : admin.describeCluster().nodes().get()) {
      Optional<Long> most = maxTimeout(node);
      if (most.isPresent() && sink.transactionTimeout().toMillis() > most.get()) {
        mistakes.add(
            0,
            "`transaction-timeout` in [sink] is "
                + Durations.toText(sink.transactionTimeout())
                + ", and broker "
                + node.idString()
                + " allows "
                + most.get()
                + " ms at most. Write a shorter one, or raise "
                + MAX_TIMEOUT
                + " of the brokers");
        return;
      }
    }
  }

  /** What a broker allows; none if it does not say so. */
  private Optional<Long> maxTimeout(Node node) throws InterruptedException {
    ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, node.idString());
    try {
      Config settings = admin.describeConfigs(List.of(broker)).all().get().get(broker);
      ConfigEntry entry = settings.get(MAX_TIMEOUT);
      return Optional.ofNullable(entry).map(ConfigEntry::value).map(Long::valueOf);
    } catch (ExecutionException e) {
      // Reading the settings of a broker is a right of its own, which the job does not need.
      return Optional.empty();
    }
  }
}
