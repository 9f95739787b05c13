package io.github.kapacitorwasm.job.line;

import io.github.kapacitorwasm.flink.Point;
import java.util.Map;
import java.util.Set;

/** Writes points as lines, with tags and fields in the order of their names. */
public final class LineWriter {

  private LineWriter() {}

  /**
   * Returns whether a point has a form in line protocol.
   *
   * @param point a point
   * @return false if it has no measurement, or no field but NaN and infinities
   */
  public static boolean isWritable(Point point) {
    return !point.name().isEmpty()
        && point.fields().values().stream().anyMatch(LineWriter::isWritable);
  }

  private static boolean isWritable(Object value) {
    return !(value instanceof Double number) || Double.isFinite(number);
  }

  /**
   * Writes a point.
   *
   * @param point a point with a form in line protocol
   * @return the line, with its line break
   */
  public static String write(Point point) {
    StringBuilder line = new StringBuilder(128);
    name(line, point.name(), ", ");
    point
        .tags()
        .forEach(
            (tag, value) -> {
              if (!value.isEmpty()) {
                line.append(',');
                name(line, tag, ",= ");
                line.append('=');
                name(line, value, ",= ");
              }
            });
    Set<String> unsigned = UnsignedFields.of(point);
    char separator = ' ';
    for (Map.Entry<String, Object> field : point.fields().entrySet()) {
      if (isWritable(field.getValue())) {
        line.append(separator);
        name(line, field.getKey(), ",= ");
        line.append('=');
        value(line, field.getValue(), unsigned.contains(field.getKey()));
        separator = ',';
      }
    }
    return line.append(' ').append(point.timeNanos()).append('\n').toString();
  }

  private static void value(StringBuilder line, Object value, boolean isUnsigned) {
    if (value instanceof String text) {
      line.append('"');
      escape(line, text, "\"\\");
      line.append('"');
    } else if (value instanceof Long number) {
      line.append(number.longValue()).append(isUnsigned && number >= 0 ? 'u' : 'i');
    } else {
      line.append(value);
    }
  }

  /** Writes a measurement, or the name or value of a tag, in which a line break can't be. */
  private static void name(StringBuilder line, String text, String escaped) {
    escape(line, text.indexOf('\n') < 0 ? text : text.replace("\n", "\\n"), escaped);
  }

  private static void escape(StringBuilder line, String text, String escaped) {
    for (int i = 0; i < text.length(); i++) {
      if (escaped.indexOf(text.charAt(i)) >= 0) {
        line.append('\\');
      }
      line.append(text.charAt(i));
    }
  }
}
