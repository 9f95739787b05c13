package io.github.kapacitorwasm.job.line;

import static io.github.kapacitorwasm.job.line.LineException.shown;

import io.github.kapacitorwasm.flink.PointBuilder;
import java.util.regex.Pattern;

/**
 * The value of a field.
 *
 * @param value a Double, a Long, a Boolean or a String
 * @param isUnsigned whether it is an unsigned integer
 */
record FieldValue(Object value, boolean isUnsigned) {

  /** What Go's ParseFloat and Java's parser have in common, without names such as NaN. */
  private static final Pattern FLOAT =
      Pattern.compile("-?(\\d+(\\.\\d*)?|\\.\\d+)([eE][+-]?\\d+)?");

  private static final Pattern INTEGER = Pattern.compile("-?\\d+");

  static boolean isInteger(String text) {
    return INTEGER.matcher(text).matches();
  }

  /** Adds the value to a point, and returns whether it is unsigned. */
  boolean addTo(PointBuilder point, String name) {
    if (value instanceof Double number) {
      point.field(name, number.doubleValue());
    } else if (value instanceof Long number) {
      point.field(name, number.longValue());
    } else if (value instanceof Boolean flag) {
      point.field(name, flag.booleanValue());
    } else {
      point.field(name, (String) value);
    }
    return isUnsigned;
  }

  /** Reads a value; {@code key} is that of the field, for messages. */
  static FieldValue read(LineCursor cursor, String key) throws LineException {
    if (cursor.take('"')) {
      String text = cursor.text();
      if (text == null) {
        throw new LineException("the text of the field " + shown(key) + " has no closing quote");
      }
      if (!cursor.isAtEnd() && !cursor.isAt(',') && !cursor.isAt(' ')) {
        throw new LineException("there is more behind the text of the field " + shown(key));
      }
      return new FieldValue(LineCursor.unescape(text, "\"\\"), false);
    }
    String text = cursor.until(", ");
    return switch (text) {
      case "" -> throw new LineException("the field " + shown(key) + " has no value");
      case "t", "T", "true", "True", "TRUE" -> new FieldValue(true, false);
      case "f", "F", "false", "False", "FALSE" -> new FieldValue(false, false);
      default -> number(text, key);
    };
  }

  private static FieldValue number(String text, String key) throws LineException {
    String digits = text.substring(0, text.length() - 1);
    boolean isUnsigned = text.endsWith("u");
    if (isUnsigned || text.endsWith("i")) {
      if (!isInteger(digits) || (isUnsigned && digits.startsWith("-"))) {
        throw new LineException(shown(text) + " of the field " + shown(key) + " is no value");
      }
      try {
        return new FieldValue(Long.parseLong(digits), isUnsigned);
      } catch (NumberFormatException e) {
        throw tooLarge(text, key);
      }
    }
    if (!FLOAT.matcher(text).matches()) {
      throw new LineException(shown(text) + " of the field " + shown(key) + " is no value");
    }
    double number = Double.parseDouble(text);
    if (Double.isInfinite(number)) {
      throw tooLarge(text, key);
    }
    return new FieldValue(number, false);
  }

  private static LineException tooLarge(String text, String key) {
    return new LineException(shown(text) + " of the field " + shown(key) + " is too large");
  }
}
