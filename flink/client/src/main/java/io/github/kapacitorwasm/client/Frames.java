package io.github.kapacitorwasm.client;

/** Whole frames, which stand at the beginning of an array. */
final class Frames {

  private final byte[] bytes;
  private final int length;

  /** Takes over {@code bytes}, of which the first {@code length} are frames. */
  Frames(byte[] bytes, int length) {
    this.bytes = bytes;
    this.length = length;
  }

  byte[] bytes() {
    return bytes;
  }

  /** How many of the bytes are frames. */
  int length() {
    return length;
  }
}
