package io.github.kapacitorwasm.job;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.kapacitorwasm.flink.Point;
import io.github.kapacitorwasm.job.line.Grouping;
import io.github.kapacitorwasm.job.line.LineException;
import io.github.kapacitorwasm.job.line.LineParser;
import io.github.kapacitorwasm.job.line.Precision;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;

/**
 * Points with numbers in a topic, and a reader of the results of {@code moving_avg}, each of which
 * it compares with the mean that is computed here.
 */
final class KafkaPoints implements AutoCloseable {

  static final int HOSTS = 7;

  /** Number of the values of a mean. */
  static final int SIZE = 5;

  /** The job may have begun with any point, so its means are not compared. */
  static final int ANYWHERE = -1;

  private static final long SECOND = 1_000_000_000;
  private static final Duration PATIENCE = Duration.ofSeconds(90);

  private final KafkaConsumer<String, String> consumer;
  private final int first;
  private final LineParser parser = new LineParser(Precision.NS, new Grouping(List.of(), false));

  private final Set<Integer> seen = new TreeSet<>();
  private final Map<Integer, Integer> last = new HashMap<>();
  private long records;
  private long disordered;

  /** Reads a topic from its beginning; {@code isolation} is Kafka's level. */
  KafkaPoints(KafkaBroker broker, String topic, String isolation) {
    this(broker, topic, isolation, 0);
  }

  /** The same for a job that has begun with the point {@code first}. */
  KafkaPoints(KafkaBroker broker, String topic, String isolation, int first) {
    this.first = first;
    consumer = broker.consumer(topic, isolation);
  }

  static String host(int i) {
    return "h" + i % HOSTS;
  }

  private static double value(int i) {
    return (i * 7_919L) % 1_000;
  }

  /** The line of a point, whose text has a line break. */
  static String line(int i) {
    return "cpu,host=%s n=%di,s=\"two\nlines\",usage=%s,x=%du %d"
        .formatted(host(i), i, value(i), i, i * SECOND);
  }

  private double mean(int i) {
    double sum = 0;
    int number = 0;
    for (int j = i; j >= first && number < SIZE; j -= HOSTS) {
      sum += value(j);
      number++;
    }
    return sum / number;
  }

  private void take(ConsumerRecord<String, String> record) {
    records++;
    Point point;
    try {
      point = parser.parse(record.value().stripTrailing(), OptionalLong.empty());
    } catch (LineException e) {
      throw new AssertionError(record.value(), e);
    }
    int i = (int) (point.timeNanos() / SECOND);
    assertEquals("host=" + host(i), record.key());
    Map<String, Object> fields = new HashMap<>(point.fields());
    double mean = (Double) fields.remove("mean");
    if (first != ANYWHERE) {
      assertEquals(mean(i), mean, 1e-9, record.value());
    }
    assertEquals(
        Map.of("n", (long) i, "s", "two\nlines", "usage", value(i), "x", (long) i), fields);
    assertTrue(record.value().contains(",x=" + i + "u "), record.value());
    if (seen.add(i)) {
      Integer before = last.put(i % HOSTS, i);
      disordered += before != null && before > i ? 1 : 0;
    }
  }

  private void poll() {
    for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
      take(record);
    }
  }

  /** Reads until a condition holds, which must not take long. */
  void await(String what, BooleanSupplier condition) {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (!condition.getAsBoolean()) {
      assertTrue(System.nanoTime() < deadline, () -> "no " + what + "; there are " + seen.size());
      poll();
    }
  }

  /** Waits for the results of all points before {@code end}, from {@code begin} on. */
  void awaitAll(int begin, int end) {
    await("results up to " + end, () -> has(begin, end));
  }

  private boolean has(int begin, int end) {
    for (int i = begin; i < end; i++) {
      if (!seen.contains(i)) {
        return false;
      }
    }
    return true;
  }

  /** Reads what is there now. */
  void readToEnd() {
    Map<TopicPartition, Long> ends = consumer.endOffsets(consumer.assignment());
    while (ends.entrySet().stream()
        .anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
      poll();
    }
  }

  Set<Integer> seen() {
    return seen;
  }

  /** Number of records that were read, of which some may have the same point. */
  long records() {
    return records;
  }

  /** Number of results that came behind later ones of their host. */
  long disordered() {
    return disordered;
  }

  @Override
  public void close() {
    consumer.close();
  }
}
