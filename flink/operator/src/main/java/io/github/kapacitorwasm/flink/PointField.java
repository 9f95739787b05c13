package io.github.kapacitorwasm.flink;

import io.github.kapacitorwasm.wire.WireException;
import io.github.kapacitorwasm.wire.WireReader;

/** The numbers of the fields of a {@code Point} in proto/udf.proto. */
final class PointField {

  static final int TIME = 1;
  static final int NAME = 2;
  static final int DATABASE = 3;
  static final int RETENTION_POLICY = 4;
  static final int GROUP = 5;
  static final int DIMENSIONS = 6;
  static final int TAGS = 7;
  static final int DOUBLES = 8;
  static final int INTS = 9;
  static final int STRINGS = 10;
  static final int BY_NAME = 11;
  static final int BOOLS = 12;

  private PointField() {}

  /** Whether the field is a map by name. */
  static boolean isMap(int field) {
    return (field >= TAGS && field <= STRINGS) || field == BOOLS;
  }

  /** The value of an entry of the map {@code field} that has none. */
  static Object absent(int field) {
    return switch (field) {
      case DOUBLES -> 0.0;
      case INTS -> 0L;
      case BOOLS -> false;
      default -> "";
    };
  }

  /** The value of an entry of the map {@code field}. */
  static Object value(int field, WireReader value) throws WireException {
    return switch (field) {
      case DOUBLES -> value.float64();
      case INTS -> value.varint();
      case BOOLS -> value.varint() != 0;
      default -> value.string();
    };
  }
}
