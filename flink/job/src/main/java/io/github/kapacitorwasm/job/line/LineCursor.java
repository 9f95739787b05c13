package io.github.kapacitorwasm.job.line;

/** A line, and the place up to which it is read. */
final class LineCursor {

  private final String line;
  private int at;

  LineCursor(String line) {
    this.line = line;
  }

  int position() {
    return at;
  }

  boolean isAtEnd() {
    return at == line.length();
  }

  /** Whether the next character is this one. */
  boolean isAt(char character) {
    return !isAtEnd() && line.charAt(at) == character;
  }

  /** Reads this character if it is the next one. */
  boolean take(char character) {
    boolean isThere = isAt(character);
    if (isThere) {
      at++;
    }
    return isThere;
  }

  void skipBlanks() {
    while (isAt(' ') || isAt('\t') || isAt('\0')) {
      at++;
    }
  }

  String remainder() {
    return line.substring(at);
  }

  private String advanceTo(int end) {
    String part = line.substring(at, end);
    at = end;
    return part;
  }

  /** Reads up to one of {@code ends}, or to the end of the line. */
  String until(String ends) {
    int end = at;
    while (end < line.length() && ends.indexOf(line.charAt(end)) < 0) {
      end++;
    }
    return advanceTo(end);
  }

  /**
   * Reads up to one of {@code ends} that has no backslash directly before it, or to the end of the
   * line.
   */
  String name(String ends) {
    return advanceTo(endOfName(at, ends));
  }

  private int endOfName(int from, String ends) {
    int end = from;
    while (end < line.length()
        && (ends.indexOf(line.charAt(end)) < 0 || (end > from && line.charAt(end - 1) == '\\'))) {
      end++;
    }
    return end;
  }

  /** Reads the value of a tag, which may begin with a {@code =}. */
  String valueOfTag() {
    return advanceTo(endOfName(isAt('=') ? at + 1 : at, ",= "));
  }

  /** Reads the text up to the closing quote, and the quote; null if there is none. */
  String text() {
    int end = at;
    while (end < line.length() && line.charAt(end) != '"') {
      // Whatever a backslash stands before, it is no closing quote.
      end += line.charAt(end) == '\\' ? 2 : 1;
    }
    if (end >= line.length()) {
      return null;
    }
    String text = advanceTo(end);
    at++;
    return text;
  }

  /** Leaves out each backslash that is directly before one of {@code escaped}. */
  static String unescape(String text, String escaped) {
    if (text.indexOf('\\') < 0) {
      return text;
    }
    StringBuilder plain = new StringBuilder(text.length());
    for (int i = 0; i < text.length(); i++) {
      boolean isEscape =
          text.charAt(i) == '\\'
              && i + 1 < text.length()
              && escaped.indexOf(text.charAt(i + 1)) >= 0;
      if (isEscape) {
        i++;
      }
      plain.append(text.charAt(i));
    }
    return plain.toString();
  }
}
