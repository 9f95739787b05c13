package io.github.kapacitorwasm.client;

import io.github.kapacitorwasm.wire.WireWriter;
import java.io.Serializable;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * The options of a function, in their order, as a TICKscript would give them: {@code
 * .field('usage_user').size(30)}. An option may come several times. Instances do not change.
 */
public final class UdfOptions implements Serializable {

  private static final long serialVersionUID = 1L;

  private static final UdfOptions NONE = new UdfOptions(List.of());

  /** Each option as a message {@code Option}. */
  private final ArrayList<byte[]> encoded;

  private UdfOptions(List<byte[]> encoded) {
    this.encoded = new ArrayList<>(encoded);
  }

  /**
   * Returns no options.
   *
   * @return the options of a call without any
   */
  public static UdfOptions none() {
    return NONE;
  }

  /**
   * Returns these options and one more.
   *
   * @param name the option's name
   * @param values its arguments, none for a flag. The type of each is that of the host's option:
   *     {@link Boolean}; {@link Integer}, {@link Long} and the like for an int; {@link Double} or
   *     {@link Float} for a double; {@link CharSequence} for a string; {@link Duration} for a
   *     duration
   * @return new options
   * @throws IllegalArgumentException if a value is of another type, or a duration has more than 292
   *     years
   */
  public UdfOptions with(String name, Object... values) {
    WireWriter option = new WireWriter().string(1, name);
    for (Object value : values) {
      option.message(2, value(name, value));
    }
    UdfOptions more = new UdfOptions(encoded);
    more.encoded.add(option.toBytes());
    return more;
  }

  private static WireWriter value(String name, Object value) {
    WireWriter writer = new WireWriter();
    if (value instanceof Boolean flag) {
      return writer.varint(1, 0).bool(2, flag);
    } else if (value instanceof Long
        || value instanceof Integer
        || value instanceof Short
        || value instanceof Byte) {
      return writer.varint(1, 1).varint(3, ((Number) value).longValue());
    } else if (value instanceof Double || value instanceof Float) {
      return writer.varint(1, 2).float64(4, ((Number) value).doubleValue());
    } else if (value instanceof CharSequence text) {
      return writer.varint(1, 3).string(5, text.toString());
    } else if (value instanceof Duration duration) {
      return writer.varint(1, 4).varint(6, nanoseconds(name, duration));
    }
    throw new IllegalArgumentException(
        "option "
            + name
            + ": "
            + (value == null ? "null" : value.getClass().getName())
            + " is no type of an option; give a boolean, an integer, a double, a string or a"
            + " java.time.Duration");
  }

  private static long nanoseconds(String name, Duration duration) {
    try {
      return duration.toNanos();
    } catch (ArithmeticException e) {
      throw new IllegalArgumentException("option " + name + ": " + duration + " is too long", e);
    }
  }

  /** Writes the options into an InitRequest. */
  void writeTo(WireWriter init) {
    for (byte[] option : encoded) {
      init.bytes(1, option);
    }
  }
}
