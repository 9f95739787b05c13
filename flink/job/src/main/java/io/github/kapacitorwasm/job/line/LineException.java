package io.github.kapacitorwasm.job.line;

/** A text that is no line of line protocol. */
public final class LineException extends Exception {

  private static final long serialVersionUID = 1L;

  /** Maximum number of characters of a line that a message shows. */
  private static final int MAX_SHOWN = 60;

  LineException(String problem) {
    super(problem);
  }

  /** A part of a line for a message: between quotes, on one line, and short. */
  static String shown(String text) {
    StringBuilder shown = new StringBuilder("`");
    text.codePoints()
        .limit(MAX_SHOWN)
        .map(character -> Character.isISOControl(character) ? ' ' : character)
        .forEach(shown::appendCodePoint);
    if (text.codePointCount(0, text.length()) > MAX_SHOWN) {
      shown.append("...");
    }
    return shown.append('`').toString();
  }
}
