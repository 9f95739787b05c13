package io.github.kapacitorwasm.client;

import java.io.Serializable;
import java.time.Duration;

/**
 * Limits of a {@link UdfClient}. Instances do not change.
 *
 * @param connectTimeout maximum time to try to connect, during which a host may restart
 * @param answerTimeout maximum time without any sign of life from a host that has to answer or to
 *     read. A host sends one each second while a plugin computes, so slow plugins need no longer
 *     time
 * @param flushBytes size of a session's output at which it is written, in bytes; 4 to 16 KiB are
 *     fastest
 * @param maxMessageBytes maximum size of a message from the host, snapshots included, in bytes
 * @param maxReceivedBytes maximum size of what was read from all sessions and not yet handled, in
 *     bytes; reading stops at this size
 * @serial exclude
 */
@SuppressWarnings("InvalidBlockTag") // Flink serializes it, and nobody else.
public record UdfClientOptions(
    Duration connectTimeout,
    Duration answerTimeout,
    int flushBytes,
    int maxMessageBytes,
    int maxReceivedBytes)
    implements Serializable {

  private static final long serialVersionUID = 1L;

  /**
   * Checks the limits.
   *
   * @param connectTimeout more than 0
   * @param answerTimeout more than 0
   * @param flushBytes more than 0
   * @param maxMessageBytes more than 0
   * @param maxReceivedBytes more than 0
   */
  public UdfClientOptions {
    positive("connectTimeout", connectTimeout.toNanos());
    positive("answerTimeout", answerTimeout.toNanos());
    positive("flushBytes", flushBytes);
    positive("maxMessageBytes", maxMessageBytes);
    positive("maxReceivedBytes", maxReceivedBytes);
  }

  private static void positive(String name, long value) {
    if (value <= 0) {
      throw new IllegalArgumentException(name + " must be more than 0, and is " + value);
    }
  }

  /**
   * Returns the defaults: 10 s, 60 s, 8 KiB, 128 MiB and 8 MiB.
   *
   * @return the defaults
   */
  public static UdfClientOptions defaults() {
    return new UdfClientOptions(
        Duration.ofSeconds(10), Duration.ofSeconds(60), 8 << 10, 128 << 20, 8 << 20);
  }

  /**
   * Returns these options with another {@code connectTimeout}.
   *
   * @param timeout maximum time to try to connect
   * @return new options
   */
  public UdfClientOptions withConnectTimeout(Duration timeout) {
    return new UdfClientOptions(
        timeout, answerTimeout, flushBytes, maxMessageBytes, maxReceivedBytes);
  }

  /**
   * Returns these options with another {@code answerTimeout}.
   *
   * @param timeout maximum time without a sign of life
   * @return new options
   */
  public UdfClientOptions withAnswerTimeout(Duration timeout) {
    return new UdfClientOptions(
        connectTimeout, timeout, flushBytes, maxMessageBytes, maxReceivedBytes);
  }

  /**
   * Returns these options with another {@code flushBytes}.
   *
   * @param bytes size at which output is written
   * @return new options
   */
  public UdfClientOptions withFlushBytes(int bytes) {
    return new UdfClientOptions(
        connectTimeout, answerTimeout, bytes, maxMessageBytes, maxReceivedBytes);
  }

  /**
   * Returns these options with another {@code maxMessageBytes}.
   *
   * @param bytes maximum size of a message from the host
   * @return new options
   */
  public UdfClientOptions withMaxMessageBytes(int bytes) {
    return new UdfClientOptions(connectTimeout, answerTimeout, flushBytes, bytes, maxReceivedBytes);
  }

  /**
   * Returns these options with another {@code maxReceivedBytes}.
   *
   * @param bytes maximum size of what was read and not yet handled
   * @return new options
   */
  public UdfClientOptions withMaxReceivedBytes(int bytes) {
    return new UdfClientOptions(connectTimeout, answerTimeout, flushBytes, maxMessageBytes, bytes);
  }
}
