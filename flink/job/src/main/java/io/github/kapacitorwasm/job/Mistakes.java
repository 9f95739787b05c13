package io.github.kapacitorwasm.job;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** Gathers the mistakes in a file, so that all of them are told at once. */
final class Mistakes {

  /** Maximum number of mistakes that are told. */
  private static final int MAX = 20;

  private record Mistake(int line, String sentence) {}

  private final String file;
  private final List<Mistake> mistakes = new ArrayList<>();

  Mistakes(String file) {
    this.file = file;
  }

  /** Adds a mistake; a line of 0 means the whole file. */
  void add(int line, String sentence) {
    mistakes.add(new Mistake(line, sentence));
  }

  /** The file, as the user has named it. */
  String file() {
    return file;
  }

  boolean isEmpty() {
    return mistakes.isEmpty();
  }

  void throwIfAny() throws JobException {
    if (!isEmpty()) {
      throw new JobException(
          mistakes.stream()
              .sorted(Comparator.comparingInt(Mistake::line))
              .limit(MAX)
              .map(this::toText)
              .toList());
    }
  }

  private String toText(Mistake mistake) {
    return file
        + (mistake.line() > 0 ? ":" + mistake.line() : "")
        + ": "
        + mistake.sentence()
        + (mistake.sentence().matches("(?s).*[.?]") ? "" : ".");
  }
}
