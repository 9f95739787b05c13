package io.github.kapacitorwasm.flink;

import io.github.kapacitorwasm.wire.WireException;
import io.github.kapacitorwasm.wire.WireReader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.flink.api.common.typeinfo.TypeInfo;

/**
 * One point of a stream: its bytes as Kapacitor's protocol has them, and accessors that read from
 * these. A point goes through Flink and into a plugin without being decoded. Instances do not
 * change.
 */
@TypeInfo(PointTypeInfoFactory.class)
public final class Point {

  /** Nanoseconds of a millisecond, which is Flink's unit. */
  static final long NANOS = 1_000_000;

  private final byte[] bytes;

  /** Whether {@link #time} was read. */
  private transient boolean hasTime;

  private transient long time;

  /** The group; null until it is read. */
  private transient String group;

  private Point(byte[] bytes) {
    this.bytes = bytes;
  }

  /**
   * Makes a point of its bytes. They must not change afterwards.
   *
   * @param bytes a {@code Point} of proto/udf.proto
   * @return a point
   */
  public static Point of(byte[] bytes) {
    return new Point(bytes);
  }

  /**
   * Begins a point.
   *
   * @param name the measurement
   * @return a builder
   */
  public static PointBuilder builder(String name) {
    return new PointBuilder(name);
  }

  /**
   * Returns the bytes, which must not be changed.
   *
   * @return a {@code Point} of proto/udf.proto
   */
  public byte[] bytes() {
    return bytes;
  }

  /**
   * Returns the time of the point.
   *
   * @return nanoseconds since 1970
   */
  public long timeNanos() {
    if (!hasTime) {
      time = readTime();
      hasTime = true;
    }
    return time;
  }

  /** Reads no further than to the time, which is the first field as a rule. */
  private long readTime() {
    try {
      WireReader reader = new WireReader(bytes);
      while (reader.next()) {
        if (reader.field() == PointField.TIME) {
          return reader.varint();
        }
      }
    } catch (WireException e) {
      throw new IllegalStateException("the bytes of a point are no point", e);
    }
    return 0;
  }

  /**
   * Returns the time of the point in Flink's unit.
   *
   * @return milliseconds since 1970, rounded down
   */
  public long timestamp() {
    return Math.floorDiv(timeNanos(), NANOS);
  }

  /**
   * Returns the group, the key by which plugins keep their state. Key streams by it.
   *
   * @return a text that is the same for all points of a group; empty if there is only one
   */
  public String group() {
    if (group == null) {
      group = readGroup();
    }
    return group;
  }

  /** Reads no further than to the group, which is the fifth field at most as a rule. */
  private String readGroup() {
    try {
      WireReader reader = new WireReader(bytes);
      while (reader.next()) {
        if (reader.field() == PointField.GROUP) {
          return reader.string();
        }
      }
    } catch (WireException e) {
      throw new IllegalStateException("the bytes of a point are no point", e);
    }
    return "";
  }

  /**
   * Returns the measurement.
   *
   * @return its name; may be empty
   */
  public String name() {
    return text(PointField.NAME);
  }

  /**
   * Returns InfluxDB's retention policy, which stays with a point of a stream on its way through
   * plugins.
   *
   * @return its name; may be empty
   */
  public String retentionPolicy() {
    return text(PointField.RETENTION_POLICY);
  }

  private String text(int field) {
    String text = "";
    try {
      WireReader reader = new WireReader(bytes);
      while (reader.next()) {
        if (reader.field() == field) {
          text = reader.string();
        }
      }
    } catch (WireException e) {
      throw new IllegalStateException("the bytes of a point are no point", e);
    }
    return text;
  }

  /**
   * Returns the names of the tags that make the group.
   *
   * @return names, sorted if a {@link PointBuilder} or Kapacitor made the point
   */
  public List<String> dimensions() {
    List<String> dimensions = new ArrayList<>();
    try {
      WireReader reader = new WireReader(bytes);
      while (reader.next()) {
        if (reader.field() == PointField.DIMENSIONS) {
          dimensions.add(reader.string());
        }
      }
    } catch (WireException e) {
      throw new IllegalStateException("the bytes of a point are no point", e);
    }
    return Collections.unmodifiableList(dimensions);
  }

  /**
   * Returns the tags.
   *
   * @return values by name
   */
  public Map<String, String> tags() {
    Map<String, String> tags = new TreeMap<>();
    forEachEntry(
        (field, name, value) -> {
          if (field == PointField.TAGS) {
            tags.put(name, (String) value);
          }
        });
    return Collections.unmodifiableMap(tags);
  }

  /**
   * Returns the fields.
   *
   * @return values by name: {@link Double}, {@link Long}, {@link String} or {@link Boolean}
   */
  public Map<String, Object> fields() {
    Map<String, Object> fields = new TreeMap<>();
    forEachEntry(
        (field, name, value) -> {
          if (field != PointField.TAGS) {
            fields.put(name, value);
          }
        });
    return Collections.unmodifiableMap(fields);
  }

  private interface Entry {
    void take(int field, String name, Object value);
  }

  private void forEachEntry(Entry entry) {
    try {
      WireReader reader = new WireReader(bytes);
      while (reader.next()) {
        int field = reader.field();
        if (PointField.isMap(field)) {
          WireReader pair = reader.message();
          String name = "";
          Object value = PointField.absent(field);
          while (pair.next()) {
            switch (pair.field()) {
              case 1 -> name = pair.string();
              case 2 -> value = PointField.value(field, pair);
              default -> {}
            }
          }
          entry.take(field, name, value);
        }
      }
    } catch (WireException e) {
      throw new IllegalStateException("the bytes of a point are no point", e);
    }
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Point point && Arrays.equals(bytes, point.bytes);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(bytes);
  }

  /** Returns name, tags, fields and time, for people. */
  @Override
  public String toString() {
    return name() + tags() + " " + fields() + " " + timeNanos();
  }
}
