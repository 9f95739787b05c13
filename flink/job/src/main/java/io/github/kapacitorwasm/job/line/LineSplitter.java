package io.github.kapacitorwasm.job.line;

/** Cuts a text into lines. A line break in the text of a string field ends no line. */
public final class LineSplitter {

  private final String text;
  private final LineEnds ends = new LineEnds();

  /** Where the last line begins, and the next one. */
  private int start;

  private int next;

  /** Number of the line breaks before the last line, and before the next one. */
  private int breaks;

  private int nextBreaks;

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
    while (next < text.length()) {
      String line = lineTo(endOfLine());
      if (!line.isBlank() && line.stripLeading().charAt(0) != '#') {
        return line;
      }
    }
    return null;
  }

  /**
   * Takes the last line back up to its first line break: if a text is not closed, the quote that
   * seems to close it is one of another line, which must not be lost.
   *
   * @return what is before the line break; the next line begins behind it
   */
  public String cutAtLineBreak() {
    next = start;
    nextBreaks = breaks;
    return lineTo(text.indexOf('\n', start));
  }

  /**
   * Returns how many line breaks are before the last line.
   *
   * @return 0 for the first line
   */
  public int breaksBefore() {
    return breaks;
  }

  private String lineTo(int end) {
    start = next;
    breaks = nextBreaks;
    next = Math.min(end + 1, text.length());
    for (int i = start; i < next; i++) {
      if (text.charAt(i) == '\n') {
        nextBreaks++;
      }
    }
    String line = text.substring(start, end);
    return line.endsWith("\r") ? line.substring(0, line.length() - 1) : line;
  }

  private int endOfLine() {
    ends.reset();
    int firstBreak = -1;
    for (int i = next; i < text.length(); i++) {
      char character = text.charAt(i);
      if (ends.take(character)) {
        return i;
      } else if (character == '\n' && firstBreak < 0) {
        firstBreak = i;
      }
    }
    // A text that is never closed spoils its own line only.
    return ends.isInText() && firstBreak >= 0 ? firstBreak : text.length();
  }
}
