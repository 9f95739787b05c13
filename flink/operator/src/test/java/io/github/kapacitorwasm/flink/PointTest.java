package io.github.kapacitorwasm.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import java.io.IOException;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.junit.jupiter.api.Test;

class PointTest {

  private static Point point() {
    return Point.builder("cpu")
        .time(Instant.parse("2026-11-01T12:00:00.000000001Z"))
        .tag("host", "a")
        .tag("cpu", "0")
        .groupBy("host", "cpu")
        .groupByMeasurement()
        .field("mean", 1.5)
        .field("count", -3L)
        .field("ok", false)
        .field("text", "größe")
        .build();
  }

  @Test
  void whatIsBuiltIsRead() {
    Point point = point();
    assertEquals("cpu", point.name());
    assertEquals("cpu\ncpu=0,host=a", point.group());
    assertEquals(1_793_534_400_000_000_001L, point.timeNanos());
    assertEquals(1_793_534_400_000L, point.timestamp());
    assertEquals(List.of("cpu", "host"), point.dimensions());
    assertEquals(Map.of("host", "a", "cpu", "0"), point.tags());
    assertEquals(Map.of("mean", 1.5, "count", -3L, "ok", false, "text", "größe"), point.fields());
  }

  @Test
  void timesBeforeTheEpochAreRoundedDown() {
    assertEquals(-1, Point.builder("m").timeNanos(-1).build().timestamp());
  }

  @Test
  void serializersReadWhatTheyWrite() throws IOException {
    Point point = point();
    Batch batch = Batch.of("g", 17, List.of(point, Point.builder("m").timeNanos(3).build()));
    assertEquals(3, batch.points().get(0).timeNanos());
    DataOutputSerializer target = new DataOutputSerializer(64);
    PointSerializer.INSTANCE.serialize(point, target);
    BatchSerializer.INSTANCE.serialize(batch, target);
    DataInputDeserializer source = new DataInputDeserializer(target.getCopyOfBuffer());
    assertEquals(point, PointSerializer.INSTANCE.deserialize(source));
    assertEquals(batch, BatchSerializer.INSTANCE.deserialize(source));
    assertEquals(0, source.available());
    source = new DataInputDeserializer(target.getCopyOfBuffer());
    DataOutputSerializer copied = new DataOutputSerializer(1024);
    PointSerializer.INSTANCE.copy(source, copied);
    BatchSerializer.INSTANCE.copy(source, copied);
    assertEquals(target.length(), copied.length());
  }

  @Test
  void flinkFindsTheSerializersByItself() {
    assertSame(
        PointSerializer.INSTANCE,
        TypeInformation.of(Point.class).createSerializer(new SerializerConfigImpl()));
    assertSame(
        BatchSerializer.INSTANCE,
        TypeInformation.of(Batch.class).createSerializer(new SerializerConfigImpl()));
  }
}
