package io.github.kapacitorwasm.job;

import java.net.URI;
import java.time.Duration;
import java.util.Optional;

/** Reads the table {@code [sink]}. */
final class SinkReader {

  /** The default of Kafka's brokers for the longest that they allow. */
  private static final Duration DEFAULT_TIMEOUT = Duration.ofMinutes(15);

  /** A restart of a job takes some time, during which a transaction must stay open. */
  private static final Duration RESTART = Duration.ofMinutes(1);

  /** Kafka counts milliseconds with 32 bits. */
  private static final Duration MOST_TIMEOUT = Duration.ofMillis(Integer.MAX_VALUE);

  private final Values sink;
  private final Places places;

  SinkReader(Values sink, Places places) {
    this.sink = sink;
    this.places = places;
  }

  JobConfig.Sink read(Duration checkpointInterval) {
    Optional<String> topic = sink.text(Key.TOPIC);
    Optional<String> path = sink.text(Key.SINK_PATH);
    Topics.check(sink, Key.TOPIC, topic.stream().toList());
    places.checkOne(sink, Key.TOPIC, Key.SINK_PATH);
    JobConfig.Delivery delivery =
        sink.choice(Key.DELIVERY, JobConfig.Delivery.class, JobConfig.Delivery.EXACTLY_ONCE);
    if (path.isPresent()) {
      Places.checkAbsent(
          sink,
          "is for a topic, and the job writes files, which are always exactly once",
          Key.DELIVERY,
          Key.TRANSACTION_TIMEOUT);
    } else if (delivery == JobConfig.Delivery.AT_LEAST_ONCE) {
      Places.checkAbsent(
          sink, "is for exactly-once delivery, which has transactions", Key.TRANSACTION_TIMEOUT);
    }
    Optional<URI> folder = path.flatMap(text -> places.uri(sink, Key.SINK_PATH, text));
    folder.ifPresent(uri -> Places.checkFolder(sink, Key.SINK_PATH, uri));
    return new JobConfig.Sink(topic, folder, delivery, timeout(checkpointInterval));
  }

  private Duration timeout(Duration checkpointInterval) {
    Duration timeout =
        sink.duration(Key.TRANSACTION_TIMEOUT, Duration.ZERO).orElse(DEFAULT_TIMEOUT);
    Duration least = checkpointInterval.plus(RESTART);
    if (timeout.compareTo(least) < 0 || timeout.compareTo(MOST_TIMEOUT) > 0) {
      sink.mistake(
          Key.TRANSACTION_TIMEOUT,
          "must be from "
              + Durations.toText(least)
              + " to 24d, and is "
              + Durations.toText(timeout)
              + ": a transaction lasts from one checkpoint to the next, and must outlive a restart"
              + " of the job");
    }
    return timeout;
  }
}
