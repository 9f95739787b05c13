package io.github.kapacitorwasm.flink;

import io.github.kapacitorwasm.wire.WireException;
import io.github.kapacitorwasm.wire.WireReader;
import io.github.kapacitorwasm.wire.WireWriter;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.flink.streaming.api.operators.Output;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;

/**
 * Passes on what a function sends. A point has its own time as timestamp. The points of a batch
 * have the last millisecond of its window, as all results of Flink's windows: the watermark has
 * passed their own times already.
 */
final class Results {

  private final Output<StreamRecord<Point>> output;
  private final StreamRecord<Point> record = new StreamRecord<>(null);
  private long points;

  Results(Output<StreamRecord<Point>> output) {
    this.output = output;
  }

  /** The number of points that were passed on. */
  long points() {
    return points;
  }

  /** Passes on a point of a stream, whose timestamp is its own time or a later one. */
  void point(byte[] bytes, int offset, int length, long minTimestamp) {
    Point point = Point.of(Arrays.copyOfRange(bytes, offset, offset + length));
    emit(point, Math.max(point.timestamp(), minTimestamp));
  }

  private void emit(Point point, long timestamp) {
    points++;
    output.collect(record.replace(point, timestamp));
  }

  /**
   * Passes on the points of a batch.
   *
   * @param batch the points
   * @param end the message {@code EndBatch}, which has name, group and tags for all of them
   */
  void batch(List<byte[]> batch, byte[] end) throws WireException {
    String name = "";
    String group = "";
    long tmax = 0;
    Map<String, String> tags = new TreeMap<>();
    WireReader reader = new WireReader(end);
    while (reader.next()) {
      switch (reader.field()) {
        case 1 -> name = reader.string();
        case 2 -> group = reader.string();
        case 3 -> tmax = reader.varint();
        case 4 -> readTag(reader.message(), tags);
        default -> {}
      }
    }
    byte[] common = common(name, group, tags);
    for (byte[] point : batch) {
      emit(Point.of(concat(common, point)), Math.floorDiv(tmax - 1, Point.NANOS));
    }
  }

  private static void readTag(WireReader entry, Map<String, String> tags) throws WireException {
    String tag = "";
    String value = "";
    while (entry.next()) {
      switch (entry.field()) {
        case 1 -> tag = entry.string();
        case 2 -> value = entry.string();
        default -> {}
      }
    }
    tags.put(tag, value);
  }

  /**
   * The fields that the points of a batch share. They stand before those of the point: of a field
   * that comes twice, protobuf takes the last one, so what the point says itself counts.
   */
  private static byte[] common(String name, String group, Map<String, String> tags) {
    WireWriter writer = new WireWriter();
    writer.string(PointField.NAME, name).string(PointField.GROUP, group);
    tags.forEach(
        (tag, value) ->
            writer.message(PointField.TAGS, new WireWriter().string(1, tag).string(2, value)));
    return writer.toBytes();
  }

  private static byte[] concat(byte[] first, byte[] second) {
    byte[] both = Arrays.copyOf(first, first.length + second.length);
    System.arraycopy(second, 0, both, first.length, second.length);
    return both;
  }
}
