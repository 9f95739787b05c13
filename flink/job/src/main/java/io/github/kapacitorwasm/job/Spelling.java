package io.github.kapacitorwasm.job;

import java.util.Collection;
import java.util.Comparator;
import java.util.Optional;

/** Finds what somebody meant to write. */
final class Spelling {

  /** Maximum number of letters that are wrong, missing or too many. */
  private static final int MAX_DISTANCE = 3;

  private Spelling() {}

  /** A number of things, the word for which gets an `s` if they are several. */
  static String number(long number, String thing) {
    return number + " " + thing + (number == 1 ? "" : "s");
  }

  /** The name that is most like {@code text}; none if all are very different. */
  static Optional<String> nearest(String text, Collection<String> names) {
    return names.stream()
        .filter(name -> Math.abs(name.length() - text.length()) <= MAX_DISTANCE)
        .filter(name -> distance(text, name) <= MAX_DISTANCE)
        .min(Comparator.comparingInt((String name) -> distance(text, name)).thenComparing(n -> n));
  }

  /** How many letters have to be changed, added or removed: Levenshtein's distance. */
  private static int distance(String from, String to) {
    int[] row = new int[to.length() + 1];
    for (int i = 0; i < row.length; i++) {
      row[i] = i;
    }
    for (int i = 1; i <= from.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j < row.length; j++) {
        int change = diagonal + (from.charAt(i - 1) == to.charAt(j - 1) ? 0 : 1);
        diagonal = row[j];
        row[j] = Math.min(change, 1 + Math.min(row[j], row[j - 1]));
      }
    }
    return row[to.length()];
  }
}
