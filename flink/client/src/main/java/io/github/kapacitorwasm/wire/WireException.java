package io.github.kapacitorwasm.wire;

import java.io.IOException;

/** Bytes that are no protobuf message. */
public final class WireException extends IOException {

  private static final long serialVersionUID = 1L;

  /**
   * Makes an exception.
   *
   * @param message what is wrong with the bytes
   */
  public WireException(String message) {
    super(message);
  }
}
