package io.github.kapacitorwasm.job.line;

import static io.github.kapacitorwasm.job.line.LineException.shown;

import io.github.kapacitorwasm.flink.Point;
import io.github.kapacitorwasm.flink.PointBuilder;
import java.io.Serializable;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeSet;

/**
 * Reads lines of line protocol by the rules of {@code models/points.go} of InfluxDB 1.8, of which
 * Kapacitor has a copy. There are two differences: a tag with an empty value is left out rather
 * than refused, and unsigned integers are read, which InfluxDB reads only if it was built with
 * them.
 */
public final class LineParser implements Serializable {

  private static final long serialVersionUID = 1L;

  /** Maximum length of a measurement with its tags, as InfluxDB stores them. */
  private static final int MAX_SERIES = 65_535;

  /** The range of times that InfluxDB can store, in nanoseconds since 1970. */
  private static final long MIN_TIME = Long.MIN_VALUE + 2;

  private static final long MAX_TIME = Long.MAX_VALUE - 1;

  /** Unit of the timestamps. */
  private final Precision precision;

  /** What makes the group of a point. */
  private final Grouping grouping;

  /**
   * Makes a parser.
   *
   * @param precision unit of the timestamps
   * @param grouping what makes the group of a point
   */
  public LineParser(Precision precision, Grouping grouping) {
    this.precision = precision;
    this.grouping = grouping;
  }

  /**
   * Reads one line.
   *
   * @param line a line without its line break. Only the text of a string field may contain line
   *     breaks
   * @param defaultNanos the time of a line without a timestamp, in nanoseconds since 1970
   * @return the point
   * @throws LineException if the line can't be read, with the reason
   */
  public Point parse(String line, OptionalLong defaultNanos) throws LineException {
    LineCursor cursor = new LineCursor(line);
    cursor.skipBlanks();
    int start = cursor.position();
    String measurement = cursor.name(", ");
    if (measurement.isEmpty()) {
      throw new LineException("it begins without a measurement");
    }
    PointBuilder point = Point.builder(LineCursor.unescape(measurement, ",= \""));
    Set<String> tags = readTags(cursor, point);
    if (cursor.position() - start > MAX_SERIES) {
      throw new LineException(
          "its measurement and tags are longer than " + MAX_SERIES + " characters");
    }
    cursor.skipBlanks();
    if (cursor.isAtEnd()) {
      throw new LineException("it has no field");
    }
    Set<String> unsigned = readFields(cursor, point);
    point.timeNanos(time(cursor.remainder(), defaultNanos));
    point.database("", UnsignedFields.toRetentionPolicy(unsigned));
    grouping.group(point, tags);
    return point.build();
  }

  private static Set<String> readTags(LineCursor cursor, PointBuilder point) throws LineException {
    Set<String> tags = new TreeSet<>();
    while (cursor.take(',')) {
      String key = cursor.name(",= ");
      if (key.isEmpty()) {
        throw new LineException("it has a tag without a name");
      }
      if (!cursor.take('=')) {
        throw new LineException("the tag " + shown(key) + " has no value");
      }
      String value = cursor.valueOfTag();
      if (cursor.isAt('=')) {
        throw new LineException(
            "the value of the tag " + shown(key) + " has a `=` without a backslash before it");
      }
      if (!value.isEmpty()) {
        String name = LineCursor.unescape(key, ",= ");
        if (!tags.add(name)) {
          throw new LineException("it has the tag " + shown(name) + " twice");
        }
        point.tag(name, LineCursor.unescape(value, ",= "));
      }
    }
    return tags;
  }

  /** Reads the fields, and returns the names of those that are unsigned. */
  private static Set<String> readFields(LineCursor cursor, PointBuilder point)
      throws LineException {
    Set<String> unsigned = new TreeSet<>();
    do {
      String key = cursor.name(",= ");
      if (key.isEmpty()) {
        throw new LineException("it has a field without a name");
      }
      if (!cursor.take('=')) {
        throw new LineException("the field " + shown(key) + " has no value");
      }
      String name = LineCursor.unescape(key, ",= \"");
      unsigned.remove(name);
      if (FieldValue.read(cursor, key).addTo(point, name)) {
        unsigned.add(name);
      }
    } while (cursor.take(','));
    return unsigned;
  }

  private long time(String text, OptionalLong defaultNanos) throws LineException {
    String digits = text.strip();
    if (digits.isEmpty()) {
      return defaultNanos.orElseThrow(() -> new LineException("it has no timestamp"));
    }
    if (!FieldValue.isInteger(digits)) {
      throw new LineException(shown(digits) + " is no timestamp");
    }
    try {
      long nanos = precision.toNanos(Long.parseLong(digits));
      if (nanos < MIN_TIME || nanos > MAX_TIME) {
        throw new LineException("InfluxDB can't store the timestamp " + shown(digits));
      }
      return nanos;
    } catch (NumberFormatException e) {
      throw new LineException("the timestamp " + shown(digits) + " is too large");
    }
  }
}
