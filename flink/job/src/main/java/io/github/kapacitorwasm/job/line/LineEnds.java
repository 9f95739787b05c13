package io.github.kapacitorwasm.job.line;

/**
 * Finds the ends of lines, character by character, or byte by byte of UTF-8: a line break in the
 * text of a string field ends no line. It knows only as much of the format as it needs for that, so
 * a line may still be one that can't be read.
 */
public final class LineEnds {

  /** Where in a line the next character is. */
  private enum Part {
    START,
    COMMENT,
    NAMES,
    FIELDS,
    TEXT
  }

  private Part part = Part.START;
  private boolean isEscaped;
  private boolean isBehindEquals;

  /** Begins before the first character of a line. */
  public LineEnds() {}

  /** Begins a line anew. */
  public void reset() {
    part = Part.START;
    isEscaped = false;
    isBehindEquals = false;
  }

  /**
   * Says where the next character is.
   *
   * @return whether it is in the text of a string field
   */
  public boolean isInText() {
    return part == Part.TEXT;
  }

  /**
   * Takes the next character.
   *
   * @param character a character, or a byte
   * @return whether it is a line break that ends the line; the next character begins another one
   */
  public boolean take(int character) {
    if (character == '\n' && part != Part.TEXT) {
      reset();
      return true;
    }
    switch (part) {
      case START -> {
        if (character == '#') {
          part = Part.COMMENT;
        } else if (character != ' ' && character != '\t' && character != '\r') {
          part = Part.NAMES;
        }
      }
      case COMMENT -> {}
      case NAMES -> {
        if (character == ' ' && !isEscaped) {
          part = Part.FIELDS;
        }
      }
      case FIELDS -> {
        // A quote opens a text only as the first character of a value.
        if (character == '"' && isBehindEquals) {
          part = Part.TEXT;
        }
      }
      case TEXT -> {
        if (character == '"' && !isEscaped) {
          part = Part.FIELDS;
        }
      }
    }
    isBehindEquals = character == '=' && !isEscaped;
    // In a text, a backslash may stand for itself; in names, it is the character directly before
    // that counts.
    isEscaped = character == '\\' && !(isEscaped && part == Part.TEXT);
    return false;
  }
}
