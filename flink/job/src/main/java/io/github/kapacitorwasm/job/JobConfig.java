package io.github.kapacitorwasm.job;

import io.github.kapacitorwasm.job.line.Grouping;
import io.github.kapacitorwasm.job.line.Precision;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/**
 * What a job.toml says, with all defaults, checked.
 *
 * @param file the file, for messages
 * @param name the job
 * @param parallelism number of subtasks; none for Flink's
 * @param maxParallelism number of key groups
 * @param checkpointInterval time between checkpoints
 * @param kafka where Kafka is; none if no topic is used
 * @param source where lines come from
 * @param measurements the measurements to take; all if empty
 * @param grouping what makes a group
 * @param plugins the calls, in their order; at least one
 * @param sink where results go
 * @param host how a subtask gets to the host
 */
record JobConfig(
    String file,
    String name,
    OptionalInt parallelism,
    int maxParallelism,
    Duration checkpointInterval,
    Optional<Kafka> kafka,
    Source source,
    Set<String> measurements,
    Grouping grouping,
    List<Plugin> plugins,
    Sink sink,
    Host host) {

  /**
   * How to reach Kafka.
   *
   * @param servers brokers, separated by commas
   * @param properties more settings of its clients, by name
   */
  record Kafka(String servers, Map<String, Setting> properties) {}

  /**
   * A setting of Kafka's clients.
   *
   * @param line where it is in the file
   */
  record Setting(String value, int line) {}

  /** Where a job without a savepoint begins in the topics. */
  enum Start {
    EARLIEST,
    LATEST,
    COMMITTED
  }

  /**
   * Where lines come from.
   *
   * @param topics Kafka's topics; empty for files
   * @param path a file or a folder; none for topics
   * @param maxOutOfOrderness how much later than others a point may come; none if windows wait for
   *     the end of the input
   * @param maxAhead how far the time of a point may be ahead of the clock; none for any time
   */
  record Source(
      List<String> topics,
      Optional<URI> path,
      Start start,
      String groupId,
      Precision precision,
      boolean isBadLineFatal,
      Optional<Duration> maxOutOfOrderness,
      Optional<Duration> maxAhead,
      Duration idleness) {}

  /**
   * The windows of a plugin that takes batches.
   *
   * @param length time from begin to end
   * @param every time from begin to begin
   */
  record Window(Duration length, Duration every) {

    /** The time from the begin of the year 1, from which Go counts, to that of 1970. */
    private static final Duration YEAR_1 = Duration.ofDays(719_162);

    /**
     * By how much windows begin behind multiples of {@code every} since 1970. They end at multiples
     * of {@code every} since the year 1, as those of Kapacitor with {@code .align()} do: see {@code
     * window.go} of Kapacitor, and {@code Time.Truncate} of Go.
     */
    Duration offset() {
      long before = YEAR_1.plus(length).toMillis();
      return Duration.ofMillis(Math.floorMod(-before, every.toMillis()));
    }
  }

  /**
   * A call in the chain.
   *
   * @param line where the call is in the file
   * @param node name of the call
   * @param window windows; none if the plugin takes points one by one
   */
  record Plugin(PluginCall call, int line, String node, Optional<Window> window) {}

  /** How results get to a topic. */
  enum Delivery {
    EXACTLY_ONCE,
    AT_LEAST_ONCE
  }

  /**
   * Where results go.
   *
   * @param topic Kafka's topic; none for files
   * @param path a folder; none for a topic
   */
  record Sink(
      Optional<String> topic, Optional<URI> path, Delivery delivery, Duration transactionTimeout) {}

  /**
   * How a subtask gets to the host.
   *
   * @param socketDir folder of the sockets; none for that of Flink's configuration
   * @param program the host to start in each task manager; none if it runs already
   * @param programLine where that is in the file
   * @param pluginsDirLine where {@code pluginsDir} is in the file
   * @param pluginsDir the plugins of that host
   */
  record Host(
      Optional<String> socketDir,
      Optional<String> program,
      int programLine,
      Optional<String> pluginsDir,
      int pluginsDirLine) {}
}
