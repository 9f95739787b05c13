package io.github.kapacitorwasm.job;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.kapacitorwasm.flink.Point;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import org.apache.flink.util.FlinkRuntimeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Results become records, if they are not too large for Kafka. */
@Timeout(120)
class KafkaRecordsTest {

  private static final int LIMIT = 2_000;

  private static Point point(int length) {
    return Point.builder("cpu")
        .tag("host", "a")
        .groupBy("host")
        .field("s", "x".repeat(length))
        .timeNanos(1_700_000_100_000_000_000L)
        .build();
  }

  private static Properties producer(String... settings) {
    Properties producer = new Properties();
    for (int i = 0; i < settings.length; i += 2) {
      producer.setProperty(settings[i], settings[i + 1]);
    }
    return producer;
  }

  private static int longest(KafkaRecords records, int most) {
    int length = 0;
    while (length < most) {
      try {
        var unused = records.serialize(point(length + 1), null, null);
        length++;
      } catch (FlinkRuntimeException e) {
        return length;
      }
    }
    return length;
  }

  @Test
  void aResultThatIsTooLargeIsASentence() {
    KafkaRecords records = new KafkaRecords("out", producer());
    assertDoesNotThrow(() -> records.serialize(point(1_000_000), null, null));
    assertEquals(
        "A result of `cpu` of the group `host=a` at 2023-11-14T22:15:00Z has 3000130 bytes, and the"
            + " job sends at most 1048576 bytes to the topic out. Write `\"max.request.size\" ="
            + " 3000130` or more into [kafka.properties], and set max.message.bytes of the topic to"
            + " that; or leave the long text out before.",
        assertThrows(
                FlinkRuntimeException.class, () -> records.serialize(point(3_000_000), null, null))
            .getMessage());
  }

  @Test
  void theMemoryOfTheProducerIsALimitToo() {
    KafkaRecords records =
        new KafkaRecords("out", producer("max.request.size", "9000", "buffer.memory", "4000"));
    String said =
        assertThrows(FlinkRuntimeException.class, () -> records.serialize(point(5_000), null, null))
            .getMessage();
    assertTrue(said.contains("at most 4000 bytes") && said.contains("\"buffer.memory\" ="), said);
  }

  /** What is just small enough here is so for Kafka, and what is larger by a byte is not. */
  @Test
  void theLimitIsThatOfTheProducer() throws Exception {
    KafkaBroker broker = KafkaBroker.get();
    broker.create(1, "records-size");
    Properties settings = producer("max.request.size", String.valueOf(LIMIT));
    KafkaRecords records = new KafkaRecords("records-size", settings);
    int length = longest(records, LIMIT);
    assertTrue(length > LIMIT / 2 && length < LIMIT, "longest text: " + length);
    settings.setProperty("bootstrap.servers", broker.servers());
    ByteArraySerializer bytes = new ByteArraySerializer();
    try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings, bytes, bytes)) {
      ProducerRecord<byte[], byte[]> last = records.serialize(point(length), null, null);
      assertTrue(producer.send(last).get().hasOffset());
      byte[] larger = new byte[last.value().length + 1];
      ExecutionException refused =
          assertThrows(
              ExecutionException.class,
              () -> producer.send(new ProducerRecord<>("records-size", last.key(), larger)).get());
      assertTrue(refused.getCause() instanceof RecordTooLargeException, refused::toString);
    }
  }
}
