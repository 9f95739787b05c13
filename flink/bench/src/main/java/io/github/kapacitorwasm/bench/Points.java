package io.github.kapacitorwasm.bench;

import io.github.kapacitorwasm.flink.Point;
import io.github.kapacitorwasm.wire.WireWriter;
import java.io.Serializable;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * The points of a run, each made of its number. Making one has to cost little, since what it costs
 * makes all rows of a table more alike. So a point is a copy of one that was encoded before, with
 * another time and another value.
 */
final class Points implements Serializable {

  private static final long serialVersionUID = 1L;

  /** The field whose mean is asked for. */
  static final String FIELD = "usage_user";

  /** A time whose varint has as many bytes as those of all other points, 9. */
  private static final long FIRST_TIME = 1_700_000_000_000_000_000L;

  private static final long NANOS_OF_MILLI = 1_000_000;

  /** A value whose bytes stand nowhere else in a point. */
  private static final double MARK = -1.234567890123e-200;

  /** Golden ratio of 64 bits: its multiples are spread evenly. */
  private static final long SPREAD = 0x9E37_79B9_7F4A_7C15L;

  private final int series;
  private transient byte[][] encoded;
  private transient int[] valueOffsets;

  /** Makes points of {@code series} groups, which come in turn. */
  Points(int series) {
    this.series = series;
  }

  /** The point with the number {@code i}, a millisecond behind the one before. */
  Point point(long i) {
    if (encoded == null) {
      encode();
    }
    int index = (int) (i % series);
    byte[] bytes = encoded[index].clone();
    int unused = WireWriter.putVarint(bytes, 1, FIRST_TIME + i * NANOS_OF_MILLI);
    littleEndian(bytes).putDouble(valueOffsets[index], ((i * SPREAD) >>> 40) / 1000.0);
    return Point.of(bytes);
  }

  private void encode() {
    encoded = new byte[series][];
    valueOffsets = new int[series];
    byte[] mark = new byte[Double.BYTES];
    littleEndian(mark).putDouble(MARK);
    for (int i = 0; i < series; i++) {
      encoded[i] =
          Point.builder("cpu")
              .timeNanos(FIRST_TIME)
              .tag("host", "server" + i)
              .groupBy("host")
              .field(FIELD, MARK)
              .field("usage_system", 1.5)
              .build()
              .bytes();
      valueOffsets[i] = indexOf(encoded[i], mark);
    }
  }

  private static ByteBuffer littleEndian(byte[] bytes) {
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static int indexOf(byte[] bytes, byte[] part) {
    int at = 0;
    while (!Arrays.equals(bytes, at, at + part.length, part, 0, part.length)) {
      at++;
    }
    return at;
  }
}
