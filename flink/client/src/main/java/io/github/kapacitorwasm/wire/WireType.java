package io.github.kapacitorwasm.wire;

/** How protobuf encodes the value of a field; the numbers are protobuf's. */
public final class WireType {

  /** A number in 1 to 10 bytes of 7 bits each, the lowest first. */
  public static final int VARINT = 0;

  /** 8 bytes, little-endian. */
  public static final int FIXED64 = 1;

  /** A length as a varint, and as many bytes. */
  public static final int BYTES = 2;

  /** 4 bytes, little-endian. */
  public static final int FIXED32 = 5;

  private WireType() {}
}
