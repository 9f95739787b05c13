package io.github.kapacitorwasm.job;

import java.util.List;

/** What a user has to correct: a sentence for each mistake. */
final class JobException extends Exception {

  private static final long serialVersionUID = 1L;

  JobException(List<String> sentences) {
    super(String.join(System.lineSeparator(), sentences));
  }

  JobException(String sentence) {
    this(List.of(sentence));
  }
}
