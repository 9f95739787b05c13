package io.github.kapacitorwasm.client;

import io.github.kapacitorwasm.wire.WireType;
import io.github.kapacitorwasm.wire.WireWriter;
import java.nio.ByteBuffer;
import java.util.Arrays;

/** Frames of one session that wait to be written. */
final class OutputBuffer {

  /** Maximum size of a frame besides its message: two lengths and a tag. */
  private static final int OVERHEAD = 3 * WireWriter.MAX_VARINT;

  private static final int FIRST = 512;

  private final int flushBytes;
  private byte[] bytes = new byte[FIRST];
  private int length;

  /** Makes a buffer that wants to be written once it has {@code flushBytes} bytes. */
  OutputBuffer(int flushBytes) {
    this.flushBytes = flushBytes;
  }

  /** Appends a frame with the message {@code number} of a Request. */
  void frame(int number, byte[] message, int offset, int size) {
    int tag = (number << 3) | WireType.BYTES;
    int body = WireWriter.varintLength(tag) + WireWriter.varintLength(size) + size;
    reserve(size + OVERHEAD);
    int at = WireWriter.putVarint(bytes, length, body);
    at = WireWriter.putVarint(bytes, at, tag);
    at = WireWriter.putVarint(bytes, at, size);
    System.arraycopy(message, offset, bytes, at, size);
    length = at + size;
  }

  private void reserve(int more) {
    if (more > bytes.length - length) {
      bytes = Arrays.copyOf(bytes, Math.max(Math.addExact(length, more), 2 * bytes.length));
    }
  }

  boolean isEmpty() {
    return length == 0;
  }

  boolean isFull() {
    return length >= flushBytes;
  }

  /** Returns what waits, until {@link #clear}. */
  ByteBuffer content() {
    return ByteBuffer.wrap(bytes, 0, length);
  }

  /** Forgets what waited, and the memory that a large frame has taken. */
  void clear() {
    length = 0;
    if (bytes.length > 4L * flushBytes + FIRST) {
      bytes = new byte[FIRST];
    }
  }
}
