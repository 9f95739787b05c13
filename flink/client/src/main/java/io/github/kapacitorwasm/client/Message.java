package io.github.kapacitorwasm.client;

/** The numbers of the messages in {@code Request} and {@code Response} of proto/udf.proto. */
final class Message {

  static final int INFO = 1;
  static final int INIT = 2;
  static final int KEEPALIVE = 3;
  static final int SNAPSHOT = 4;
  static final int RESTORE = 5;

  /** An error in a Response; Requests have none. */
  static final int ERROR = 6;

  static final int BEGIN = 16;
  static final int POINT = 17;
  static final int END = 18;

  /** An extension of kapacitor-wasm, which Kapacitor does not know. */
  static final int FENCE = 1000;

  /** The field of FenceRequest and FenceResponse that means the end of all output. */
  static final int FENCE_AT_END = 2;

  static final int FENCE_WAS_AT_END = 4;

  /**
   * The field of InitRequest that says that all state is the client's, and of InitResponse that
   * says that the host keeps to it; another extension.
   */
  static final int INIT_CLIENT_STATE = 1000;

  /** The field of SnapshotResponse that says why there is none; another extension. */
  static final int SNAPSHOT_ERROR = 1000;

  private Message() {}

  static String name(int number) {
    return switch (number) {
      case INFO -> "Info";
      case INIT -> "Init";
      case KEEPALIVE -> "Keepalive";
      case SNAPSHOT -> "Snapshot";
      case RESTORE -> "Restore";
      case ERROR -> "Error";
      case BEGIN -> "Begin";
      case POINT -> "Point";
      case END -> "End";
      case FENCE -> "Fence";
      default -> "message " + number;
    };
  }
}
