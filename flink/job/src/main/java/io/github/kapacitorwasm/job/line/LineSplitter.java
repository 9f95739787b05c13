package io.github.kapacitorwasm.job.line;

/** Cuts a text into lines. A line break in the text of a string field ends no line. */
public final class LineSplitter {

  private final String text;
  private int at;

  /**
   * Begins with the first line.
   *
   * @param text lines, each with a line break; that of the last one may be absent
   */
  public LineSplitter(String text) {
    this.text = text;
  }

  /**
   * Returns the next line that is neither empty nor a comment.
   *
   * @return a line without its line break; null if there are no more
   */
  public String next() {
    while (at < text.length()) {
      int end = endOfLine();
      String line = text.substring(at, end);
      at = Math.min(end + 1, text.length());
      if (line.endsWith("\r")) {
        line = line.substring(0, line.length() - 1);
      }
      if (!line.isBlank() && line.stripLeading().charAt(0) != '#') {
        return line;
      }
    }
    return null;
  }

  private int endOfLine() {
    int firstBreak = text.indexOf('\n', at);
    if (firstBreak < 0) {
      return text.length();
    }
    boolean isQuoted = false;
    for (int i = at; i < text.length(); i++) {
      char character = text.charAt(i);
      if (character == '\\') {
        i++;
      } else if (character == '"' && (isQuoted || text.charAt(Math.max(i - 1, 0)) == '=')) {
        // A quote opens a text only as the first character of a value.
        isQuoted = !isQuoted;
      } else if (character == '\n' && !isQuoted) {
        return i;
      }
    }
    // A text that is never closed spoils its own line only.
    return isQuoted ? firstBreak : text.length();
  }
}
