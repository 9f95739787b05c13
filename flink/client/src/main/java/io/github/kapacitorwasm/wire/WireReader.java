package io.github.kapacitorwasm.wire;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Reads the fields of one protobuf message, one after the other.
 *
 * <pre>{@code
 * while (reader.next()) {
 *   switch (reader.field()) {
 *     case 1 -> time = reader.varint();
 *     case 2 -> name = reader.string();
 *     default -> {} // skipped
 *   }
 * }
 * }</pre>
 *
 * <p>A value that is not asked for is skipped. No length in the bytes is trusted: whatever they
 * say, nothing outside of the message is read, and nothing larger than it is allocated.
 */
public final class WireReader {

  private final byte[] bytes;
  private final int end;
  private int position;
  private int field;
  private int type;
  private int valueStart;
  private int valueLength;
  private long number;

  /**
   * Reads all of {@code bytes}.
   *
   * @param bytes one message
   */
  public WireReader(byte[] bytes) {
    this(bytes, 0, bytes.length);
  }

  /**
   * Reads a part of {@code bytes}.
   *
   * @param bytes has the message
   * @param offset where the message begins
   * @param length how many bytes it has
   */
  public WireReader(byte[] bytes, int offset, int length) {
    if (offset < 0 || length < 0 || length > bytes.length - offset) {
      throw new IndexOutOfBoundsException("the message is not within its bytes");
    }
    this.bytes = bytes;
    this.position = offset;
    this.end = offset + length;
  }

  /**
   * Moves to the next field.
   *
   * @return false at the end of the message
   * @throws WireException if the bytes are no message
   */
  public boolean next() throws WireException {
    if (position >= end) {
      return false;
    }
    long tag = rawVarint();
    if (tag >>> 3 == 0 || tag >>> 3 > 0x1FFF_FFFFL) {
      throw new WireException("a field has the number " + (tag >>> 3));
    }
    field = (int) (tag >>> 3);
    type = (int) (tag & 7);
    switch (type) {
      case WireType.VARINT -> number = rawVarint();
      case WireType.FIXED64 -> value(8);
      case WireType.FIXED32 -> value(4);
      case WireType.BYTES -> value(rawVarint());
      default -> throw new WireException("field " + field + " has the wire type " + type);
    }
    return true;
  }

  private void value(long length) throws WireException {
    if (length < 0 || length > end - position) {
      throw new WireException("field " + field + " is longer than its message");
    }
    valueStart = position;
    valueLength = (int) length;
    position += valueLength;
  }

  private long rawVarint() throws WireException {
    // Most numbers are tags and lengths of one byte.
    if (position < end && bytes[position] >= 0) {
      return bytes[position++];
    }
    long value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (position >= end) {
        throw new WireException("the message ends within a number");
      }
      byte b = bytes[position++];
      value |= (long) (b & 0x7F) << shift;
      if (b >= 0) {
        return value;
      }
    }
    throw new WireException("a number has more than 10 bytes");
  }

  private void expect(int wanted) throws WireException {
    if (type != wanted) {
      throw new WireException(
          "field " + field + " has the wire type " + type + " instead of " + wanted);
    }
  }

  /**
   * Returns the number of the current field.
   *
   * @return at least 1
   */
  public int field() {
    return field;
  }

  /**
   * Returns the current field as a number: int64, uint64, an enum or, other than 0, a bool.
   *
   * @return the number
   * @throws WireException if the field is no varint
   */
  public long varint() throws WireException {
    expect(WireType.VARINT);
    return number;
  }

  /**
   * Returns the current field as numbers: one, or those of a packed repeated field.
   *
   * @return the numbers
   * @throws WireException if the field has neither
   */
  public List<Long> numbers() throws WireException {
    if (type == WireType.VARINT) {
      return List.of(number);
    }
    WireReader packed = message();
    List<Long> numbers = new ArrayList<>();
    while (packed.position < packed.end) {
      numbers.add(packed.rawVarint());
    }
    return numbers;
  }

  /**
   * Returns the current field as a double.
   *
   * @return the number
   * @throws WireException if the field does not have 8 bytes
   */
  public double float64() throws WireException {
    expect(WireType.FIXED64);
    long bits = 0;
    for (int i = 7; i >= 0; i--) {
      bits = (bits << 8) | (bytes[valueStart + i] & 0xFF);
    }
    return Double.longBitsToDouble(bits);
  }

  /**
   * Returns the current field as text.
   *
   * @return the text; what is not UTF-8 in it is replaced
   * @throws WireException if the field is neither text, bytes nor a message
   */
  public String string() throws WireException {
    expect(WireType.BYTES);
    return new String(bytes, valueStart, valueLength, UTF_8);
  }

  /**
   * Returns a copy of the bytes of the current field.
   *
   * @return the bytes
   * @throws WireException if the field is neither text, bytes nor a message
   */
  public byte[] bytes() throws WireException {
    expect(WireType.BYTES);
    return Arrays.copyOfRange(bytes, valueStart, valueStart + valueLength);
  }

  /**
   * Returns a reader of the current field, which is a message.
   *
   * @return a reader of the same bytes
   * @throws WireException if the field is neither text, bytes nor a message
   */
  public WireReader message() throws WireException {
    expect(WireType.BYTES);
    return new WireReader(bytes, valueStart, valueLength);
  }

  /**
   * Returns where the current field's value begins in the bytes that the reader was made with.
   *
   * @return an offset
   * @throws WireException if the field is neither text, bytes nor a message
   */
  public int valueOffset() throws WireException {
    expect(WireType.BYTES);
    return valueStart;
  }

  /**
   * Returns how many bytes the current field's value has.
   *
   * @return a length in bytes
   * @throws WireException if the field is neither text, bytes nor a message
   */
  public int valueLength() throws WireException {
    expect(WireType.BYTES);
    return valueLength;
  }
}
