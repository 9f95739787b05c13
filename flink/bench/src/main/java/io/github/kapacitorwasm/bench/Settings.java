package io.github.kapacitorwasm.bench;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;

/**
 * What the arguments say.
 *
 * @param series number of groups
 * @param maxParallelism Flink's max parallelism, the number of key groups
 * @param rounds how often each row is measured
 * @param warmUp time before measuring
 * @param measured time of measuring
 * @param interval Flink's interval of checkpoints, such as {@code 1s}
 */
record Settings(
    int series,
    int maxParallelism,
    int rounds,
    Duration warmUp,
    Duration measured,
    String interval) {

  static final String USAGE =
      "BINARY PLUGINS [series=1000] [max-parallelism=128] [rounds=3] [warm-up=4] [seconds=6]"
          + " [interval=1s]";

  /** Reads arguments {@code name=value}. */
  static Settings of(Iterable<String> arguments) {
    Map<String, String> values = new HashMap<>();
    for (String argument : arguments) {
      int equals = argument.indexOf('=');
      if (equals < 0) {
        throw new IllegalArgumentException(argument + " is no argument; there are " + USAGE);
      }
      values.put(argument.substring(0, equals), argument.substring(equals + 1));
    }
    Settings settings =
        new Settings(
            number(values, "series", 1_000),
            number(values, "max-parallelism", 128),
            number(values, "rounds", 3),
            Duration.ofSeconds(number(values, "warm-up", 4)),
            Duration.ofSeconds(number(values, "seconds", 6)),
            values.containsKey("interval") ? values.remove("interval") : "1s");
    if (!values.isEmpty()) {
      throw new IllegalArgumentException(values.keySet() + " is unknown; there are " + USAGE);
    }
    return settings;
  }

  private static int number(Map<String, String> values, String name, int absent) {
    String text = values.remove(name);
    if (text == null) {
      return absent;
    }
    if (!text.matches("[1-9][0-9]{0,8}")) {
      throw new IllegalArgumentException(name + "=" + text + ": give a whole number above 0");
    }
    return Integer.parseInt(text);
  }
}
