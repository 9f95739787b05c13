package io.github.kapacitorwasm.flink;

import io.github.kapacitorwasm.wire.WireWriter;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Makes a {@link Point}. Its methods return the builder itself. */
public final class PointBuilder {

  private final String name;
  private long timeNanos;
  private String database = "";
  private String retentionPolicy = "";
  private boolean byName;
  private List<String> dimensions = List.of();
  private final Map<String, String> tags = new TreeMap<>();
  private final Map<String, Object> fields = new TreeMap<>();

  PointBuilder(String name) {
    this.name = name;
  }

  /**
   * Sets the time.
   *
   * @param nanos nanoseconds since 1970
   * @return this builder
   */
  public PointBuilder timeNanos(long nanos) {
    timeNanos = nanos;
    return this;
  }

  /**
   * Sets the time.
   *
   * @param instant a time of the years 1677 to 2262
   * @return this builder
   */
  public PointBuilder time(Instant instant) {
    return timeNanos(
        Math.addExact(
            Math.multiplyExact(instant.getEpochSecond(), 1_000_000_000L), instant.getNano()));
  }

  /**
   * Sets InfluxDB's database and retention policy, which plugins rarely look at.
   *
   * @param newDatabase name of the database
   * @param newRetentionPolicy name of the retention policy
   * @return this builder
   */
  public PointBuilder database(String newDatabase, String newRetentionPolicy) {
    database = newDatabase;
    retentionPolicy = newRetentionPolicy;
    return this;
  }

  /**
   * Sets a tag.
   *
   * @param tag its name
   * @param value its value
   * @return this builder
   */
  public PointBuilder tag(String tag, String value) {
    tags.put(tag, value);
    return this;
  }

  /**
   * Sets a field.
   *
   * @param field its name
   * @param value its value
   * @return this builder
   */
  public PointBuilder field(String field, double value) {
    fields.put(field, value);
    return this;
  }

  /**
   * Sets a field.
   *
   * @param field its name
   * @param value its value
   * @return this builder
   */
  public PointBuilder field(String field, long value) {
    fields.put(field, value);
    return this;
  }

  /**
   * Sets a field.
   *
   * @param field its name
   * @param value its value
   * @return this builder
   */
  public PointBuilder field(String field, boolean value) {
    fields.put(field, value);
    return this;
  }

  /**
   * Sets a field.
   *
   * @param field its name
   * @param value its value
   * @return this builder
   */
  public PointBuilder field(String field, String value) {
    fields.put(field, value);
    return this;
  }

  /**
   * Sets the tags that make the group, as Kapacitor's {@code groupBy}. A point without one of them
   * is in the group with its empty value.
   *
   * @param tagNames names of tags, in any order
   * @return this builder
   */
  public PointBuilder groupBy(String... tagNames) {
    List<String> sorted = new ArrayList<>(List.of(tagNames));
    sorted.sort(null);
    dimensions = sorted;
    return this;
  }

  /**
   * Makes the measurement a part of the group, as Kapacitor's {@code groupByMeasurement}.
   *
   * @return this builder
   */
  public PointBuilder groupByMeasurement() {
    byName = true;
    return this;
  }

  /** The group as Kapacitor writes it. */
  private String group() {
    StringBuilder group = new StringBuilder();
    if (byName) {
      group.append(name);
      if (!dimensions.isEmpty()) {
        group.append('\n');
      }
    }
    String separator = "";
    for (String dimension : dimensions) {
      group.append(separator).append(dimension).append('=');
      group.append(tags.getOrDefault(dimension, ""));
      separator = ",";
    }
    return group.toString();
  }

  /**
   * Makes the point.
   *
   * @return a point; the builder may go on
   */
  public Point build() {
    WireWriter writer = new WireWriter();
    if (timeNanos != 0) {
      writer.varint(PointField.TIME, timeNanos);
    }
    text(writer, PointField.NAME, name);
    text(writer, PointField.DATABASE, database);
    text(writer, PointField.RETENTION_POLICY, retentionPolicy);
    text(writer, PointField.GROUP, group());
    for (String dimension : dimensions) {
      writer.string(PointField.DIMENSIONS, dimension);
    }
    tags.forEach(
        (tag, value) ->
            writer.message(PointField.TAGS, new WireWriter().string(1, tag).string(2, value)));
    fields.forEach((field, value) -> field(writer, field, value));
    if (byName) {
      writer.bool(PointField.BY_NAME, true);
    }
    return Point.of(writer.toBytes());
  }

  private static void text(WireWriter writer, int field, String text) {
    if (!text.isEmpty()) {
      writer.string(field, text);
    }
  }

  private static void field(WireWriter writer, String name, Object value) {
    WireWriter entry = new WireWriter().string(1, name);
    if (value instanceof Double number) {
      writer.message(PointField.DOUBLES, entry.float64(2, number));
    } else if (value instanceof Long number) {
      writer.message(PointField.INTS, entry.varint(2, number));
    } else if (value instanceof Boolean flag) {
      writer.message(PointField.BOOLS, entry.bool(2, flag));
    } else {
      writer.message(PointField.STRINGS, entry.string(2, (String) value));
    }
  }
}
