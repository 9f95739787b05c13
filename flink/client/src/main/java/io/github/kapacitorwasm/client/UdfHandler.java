package io.github.kapacitorwasm.client;

/**
 * Takes what a session sends. Its methods are called by the thread that calls the methods of client
 * and session, while it is in one of them: nothing here needs a lock. They must not call a method
 * that waits.
 *
 * <p>The bytes of a message are valid until the method returns.
 */
public interface UdfHandler {

  /**
   * Takes a point, of a stream or of the open batch.
   *
   * @param session where it comes from
   * @param bytes have the message, a {@code Point}
   * @param offset where it begins
   * @param length how many bytes it has
   * @throws Exception what the caller of the client gets
   */
  void point(UdfSession session, byte[] bytes, int offset, int length) throws Exception;

  /**
   * Takes the begin of a batch.
   *
   * @param session where it comes from
   * @param bytes have the message, a {@code BeginBatch}
   * @param offset where it begins
   * @param length how many bytes it has
   * @throws Exception what the caller of the client gets
   */
  default void begin(UdfSession session, byte[] bytes, int offset, int length) throws Exception {}

  /**
   * Takes the end of a batch.
   *
   * @param session where it comes from
   * @param bytes have the message, an {@code EndBatch}
   * @param offset where it begins
   * @param length how many bytes it has
   * @throws Exception what the caller of the client gets
   */
  default void end(UdfSession session, byte[] bytes, int offset, int length) throws Exception {}

  /**
   * Takes the answer to {@link UdfSession#fence}: all results of the points before it have come.
   *
   * @param session where it comes from
   * @param id the id of the fence
   * @param pointsAnswered how many points of the session are finished, since its Init
   * @param pointsSkipped how many of these the plugin has failed at
   * @throws Exception what the caller of the client gets
   */
  default void fence(UdfSession session, long id, long pointsAnswered, long pointsSkipped)
      throws Exception {}

  /**
   * Takes the answer to {@link UdfSession#snapshot}: all results of the points before it have come,
   * and the snapshot is the state of exactly these points.
   *
   * @param session where it comes from
   * @param snapshot the bytes
   * @throws Exception what the caller of the client gets
   */
  default void snapshot(UdfSession session, byte[] snapshot) throws Exception {}
}
