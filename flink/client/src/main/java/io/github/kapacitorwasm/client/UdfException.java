package io.github.kapacitorwasm.client;

import java.io.IOException;

/**
 * A session that failed: the host has ended or refused it, has not answered, or has sent what is no
 * answer. The message names function and session and says what the host has said.
 */
public final class UdfException extends IOException {

  private static final long serialVersionUID = 1L;

  /** The function. */
  private final String function;

  /** What the client calls the session. */
  private final String session;

  /**
   * Makes an exception.
   *
   * @param function the function that the session belongs to
   * @param session what the client calls the session, such as {@code key group 17}; may be empty
   * @param message what is wrong, and what to do
   */
  public UdfException(String function, String session, String message) {
    this(function, session, message, null);
  }

  /**
   * Makes an exception with a cause.
   *
   * @param function the function that the session belongs to
   * @param session what the client calls the session, such as {@code key group 17}; may be empty
   * @param message what is wrong, and what to do
   * @param cause why; may be null
   */
  public UdfException(String function, String session, String message, Throwable cause) {
    super(
        "function "
            + function
            + (session.isEmpty() ? "" : ", " + session)
            + ": "
            + message
            + (cause == null || cause.getMessage() == null ? "" : ": " + cause.getMessage()),
        cause);
    this.function = function;
    this.session = session;
  }

  /**
   * Returns the function.
   *
   * @return its name
   */
  public String function() {
    return function;
  }

  /**
   * Returns what the client calls the session.
   *
   * @return the label that the session was opened with
   */
  public String session() {
    return session;
  }
}
