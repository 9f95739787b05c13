package io.github.kapacitorwasm.client;

import io.github.kapacitorwasm.wire.WireException;
import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * Cuts what is read from a socket behind the last whole frame. A frame is the length of a message
 * as a varint, and the message.
 */
final class FrameCutter {

  private static final byte[] EMPTY = {};

  private final int maxMessage;
  private byte[] buffer = EMPTY;
  private int length;
  private int frameEnd;

  /** Makes a cutter that refuses messages of more than {@code maxMessage} bytes. */
  FrameCutter(int maxMessage) {
    this.maxMessage = maxMessage;
  }

  /**
   * Takes all of {@code input}, and returns the frames that are whole by now; null if there are
   * none. Memory grows with what has arrived, not with what a length says. Nothing but the part of
   * a last frame is copied more than once.
   */
  Frames cut(ByteBuffer input) throws WireException {
    append(input);
    int whole = 0;
    frameEnd = 0;
    while (findFrameEnd(whole) && frameEnd <= length) {
      whole = frameEnd;
    }
    if (whole == 0) {
      return null;
    }
    Frames frames = new Frames(buffer, whole);
    buffer = whole == length ? EMPTY : Arrays.copyOfRange(buffer, whole, length);
    length -= whole;
    return frames;
  }

  /** Whether a frame has begun that is not whole. */
  boolean isWithinFrame() {
    return length > 0;
  }

  private void append(ByteBuffer input) {
    int more = input.remaining();
    if (more > buffer.length - length) {
      int doubled = (int) Math.min(2L * buffer.length, Integer.MAX_VALUE - 8);
      buffer = Arrays.copyOf(buffer, Math.max(Math.addExact(length, more), doubled));
    }
    input.get(buffer, length, more);
    length += more;
  }

  /** Reads the length at {@code start}; false if it is not there as a whole. */
  private boolean findFrameEnd(int start) throws WireException {
    long size = 0;
    for (int i = 0; start + i < length; i++) {
      byte b = buffer[start + i];
      size |= (long) (b & 0x7F) << (7 * i);
      if (size > maxMessage || (i == 4 && b < 0)) {
        throw new WireException(
            "the host sends a message of more than " + maxMessage + " bytes (maxMessageBytes)");
      }
      if (b >= 0) {
        frameEnd = start + i + 1 + (int) size;
        return true;
      }
    }
    return false;
  }
}
