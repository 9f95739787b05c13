package io.github.kapacitorwasm.job;

import io.github.kapacitorwasm.flink.Point;
import io.github.kapacitorwasm.flink.PointTypeInfo;
import java.io.IOException;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.record.TimestampType;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes points of Kafka's records. It is a part of the source, and not an operator behind it, so
 * that each partition has a watermark of its own.
 */
final class KafkaLines implements KafkaRecordDeserializationSchema<Point> {

  private static final long serialVersionUID = 1L;

  private static final Logger LOG = LoggerFactory.getLogger(KafkaLines.class);

  /** Lines that the job has skipped on this task manager: a job has a class loader of its own. */
  private static final AtomicLong SKIPPED = new AtomicLong();

  /** Those that the job names. */
  private final Set<String> topics;

  private final PointReader reader;

  /** Topics that records came from, and that the job does not name. */
  private transient Set<String> others;

  KafkaLines(List<String> topics, PointReader reader) {
    this.topics = new HashSet<>(topics);
    this.reader = reader;
  }

  @Override
  public void open(DeserializationSchema.InitializationContext context) {
    others = new HashSet<>();
    reader.open(context.getMetricGroup());
    String job = reader.badLines().job();
    // A source is not told its end, so the total is logged when the job's classes are given up.
    context
        .getUserCodeClassLoader()
        .registerReleaseHookIfAbsent("kapacitor-wasm skipped lines", () -> logTotal(job));
  }

  private static void logTotal(String job) {
    long total = SKIPPED.getAndSet(0);
    if (total > 0) {
      LOG.warn("job {}: {}: {} in all by this task manager", job, BadLines.SKIPPED, total);
    }
  }

  @Override
  public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Point> points)
      throws IOException {
    BadLines badLines = reader.badLines();
    badLines.look();
    if (!topics.contains(record.topic())) {
      // A savepoint keeps the partitions of all topics that the job has ever read.
      if (others.add(record.topic())) {
        LOG.warn(
            "job {}: topic {}: it is one of the savepoint, and `topics` in [source] does not name it any"
                + " more; its records are left out",
            badLines.job(),
            record.topic());
      }
      return;
    }
    if (record.value() == null) {
      // The end of a key in a compacted topic.
      return;
    }
    OptionalLong time =
        record.timestampType() == TimestampType.NO_TIMESTAMP_TYPE
            ? OptionalLong.empty()
            : OptionalLong.of(TimeUnit.MILLISECONDS.toNanos(record.timestamp()));
    long before = badLines.skipped();
    reader.read(record.value(), time, breaks -> place(record), points);
    if (badLines.skipped() > before) {
      SKIPPED.addAndGet(badLines.skipped() - before);
    }
  }

  private static String place(ConsumerRecord<byte[], byte[]> record) {
    return "topic "
        + record.topic()
        + ", partition "
        + record.partition()
        + ", offset "
        + record.offset();
  }

  @Override
  public TypeInformation<Point> getProducedType() {
    return PointTypeInfo.INSTANCE;
  }
}
