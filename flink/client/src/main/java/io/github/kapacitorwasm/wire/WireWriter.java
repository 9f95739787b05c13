package io.github.kapacitorwasm.wire;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.Arrays;

/** Writes one protobuf message. Its methods return the writer itself. */
public final class WireWriter {

  /** Maximum number of bytes of a varint. */
  public static final int MAX_VARINT = 10;

  private byte[] bytes;
  private int length;

  /** Makes a writer of an empty message. */
  public WireWriter() {
    bytes = new byte[128];
  }

  /**
   * Returns how many bytes {@code value} has as a varint.
   *
   * @param value an unsigned number
   * @return 1 to 10
   */
  public static int varintLength(long value) {
    return (Long.SIZE - Long.numberOfLeadingZeros(value | 1) + 6) / 7;
  }

  /**
   * Writes {@code value} as a varint into {@code target}, which has room for it.
   *
   * @param target where to write
   * @param offset where to begin
   * @param value an unsigned number
   * @return the offset behind the number
   */
  public static int putVarint(byte[] target, int offset, long value) {
    int at = offset;
    long rest = value;
    while ((rest & ~0x7FL) != 0) {
      target[at++] = (byte) (rest | 0x80);
      rest >>>= 7;
    }
    target[at++] = (byte) rest;
    return at;
  }

  private void reserve(int more) {
    if (more > bytes.length - length) {
      bytes = Arrays.copyOf(bytes, Math.max(Math.addExact(length, more), 2 * bytes.length));
    }
  }

  private void raw(long value) {
    reserve(MAX_VARINT);
    length = putVarint(bytes, length, value);
  }

  private void tag(int field, int type) {
    raw(((long) field << 3) | type);
  }

  /**
   * Writes a number, also if it is 0.
   *
   * @param field number of the field
   * @param value int64, uint64 or enum
   * @return this writer
   */
  public WireWriter varint(int field, long value) {
    tag(field, WireType.VARINT);
    raw(value);
    return this;
  }

  /**
   * Writes a bool, also if it is false.
   *
   * @param field number of the field
   * @param value the bool
   * @return this writer
   */
  public WireWriter bool(int field, boolean value) {
    return varint(field, value ? 1 : 0);
  }

  /**
   * Writes a double, also if it is 0.
   *
   * @param field number of the field
   * @param value the number
   * @return this writer
   */
  public WireWriter float64(int field, double value) {
    tag(field, WireType.FIXED64);
    reserve(8);
    long bits = Double.doubleToRawLongBits(value);
    for (int i = 0; i < 8; i++) {
      bytes[length++] = (byte) (bits >>> (8 * i));
    }
    return this;
  }

  /**
   * Writes a text, also if it is empty.
   *
   * @param field number of the field
   * @param value the text
   * @return this writer
   */
  public WireWriter string(int field, String value) {
    return bytes(field, value.getBytes(UTF_8));
  }

  /**
   * Writes bytes or a message, also if it is empty.
   *
   * @param field number of the field
   * @param value the bytes
   * @return this writer
   */
  public WireWriter bytes(int field, byte[] value) {
    tag(field, WireType.BYTES);
    raw(value.length);
    return append(value);
  }

  /**
   * Writes a message, also if it is empty.
   *
   * @param field number of the field
   * @param value the message
   * @return this writer
   */
  public WireWriter message(int field, WireWriter value) {
    tag(field, WireType.BYTES);
    raw(value.length);
    reserve(value.length);
    System.arraycopy(value.bytes, 0, bytes, length, value.length);
    length += value.length;
    return this;
  }

  /**
   * Appends fields that are encoded already.
   *
   * @param fields what another writer has written
   * @return this writer
   */
  public WireWriter append(byte[] fields) {
    reserve(fields.length);
    System.arraycopy(fields, 0, bytes, length, fields.length);
    length += fields.length;
    return this;
  }

  /**
   * Returns how many bytes the message has so far.
   *
   * @return a length in bytes
   */
  public int length() {
    return length;
  }

  /**
   * Returns the message.
   *
   * @return a copy
   */
  public byte[] toBytes() {
    return Arrays.copyOf(bytes, length);
  }
}
