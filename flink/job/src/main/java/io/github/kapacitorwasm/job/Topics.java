package io.github.kapacitorwasm.job;

import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/** Checks names of topics by the rules of Kafka. */
final class Topics {

  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,249}");

  private Topics() {}

  static void check(Values values, Key key, List<String> topics) {
    for (String topic : topics) {
      if (!NAME.matcher(topic).matches() || topic.equals(".") || topic.equals("..")) {
        values.mistake(
            key,
            "has \""
                + topic
                + "\"; the name of a topic has letters, digits, `.`, `_` and `-` only, and at most"
                + " 249 of them");
      }
    }
    if (Set.copyOf(topics).size() < topics.size()) {
      values.mistake(key, "has a topic twice");
    }
  }
}
