package io.github.kapacitorwasm.job;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.github.kapacitorwasm.flink.Point;
import io.github.kapacitorwasm.job.line.LineWriter;
import java.util.Properties;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.util.FlinkRuntimeException;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.AbstractRecords;
import org.apache.kafka.common.record.CompressionType;
import org.apache.kafka.common.record.RecordBatch;

/** Makes a record of a line; its key is the group. */
final class KafkaRecords implements KafkaRecordSerializationSchema<Point> {

  private static final long serialVersionUID = 1L;

  /** Kafka's defaults. */
  private static final int MAX_REQUEST_SIZE = 1 << 20;

  private static final long BUFFER_MEMORY = 32L << 20;

  private final String topic;

  /** Maximum size of a record, in bytes, and the setting that it is the value of. */
  private final long maxSize;

  private final String setting;

  /**
   * Makes records for a topic.
   *
   * @param producer settings of the producer, as Kafka has accepted them
   */
  KafkaRecords(String topic, Properties producer) {
    this.topic = topic;
    long request = number(producer, ProducerConfig.MAX_REQUEST_SIZE_CONFIG, MAX_REQUEST_SIZE);
    long memory = number(producer, ProducerConfig.BUFFER_MEMORY_CONFIG, BUFFER_MEMORY);
    maxSize = Math.min(request, memory);
    setting =
        request <= memory
            ? ProducerConfig.MAX_REQUEST_SIZE_CONFIG
            : ProducerConfig.BUFFER_MEMORY_CONFIG;
  }

  private static long number(Properties producer, String name, long fallback) {
    String value = producer.getProperty(name);
    return value == null ? fallback : Long.parseLong(value.strip());
  }

  @Override
  public ProducerRecord<byte[], byte[]> serialize(
      Point point, KafkaSinkContext context, Long timestamp) {
    byte[] key = point.group().getBytes(UTF_8);
    byte[] value = LineWriter.write(point).getBytes(UTF_8);
    // The producer computes the size in this way, and its message says neither which point it is
    // nor what to set.
    int size =
        AbstractRecords.estimateSizeInBytesUpperBound(
            RecordBatch.CURRENT_MAGIC_VALUE, CompressionType.NONE, key, value, new Header[0]);
    if (size > maxSize) {
      throw new FlinkRuntimeException(
          "A result of %s has %d bytes, and the job sends at most %d bytes to the topic %s. Write `\"%s\" = %d` or more into [kafka.properties], and set max.message.bytes of the topic to that; or leave the long text out before."
              .formatted(PointText.of(point), size, maxSize, topic, setting, size));
    }
    return new ProducerRecord<>(topic, key, value);
  }
}
