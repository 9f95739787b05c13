package io.github.kapacitorwasm.job;

import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.tomlj.TomlArray;
import org.tomlj.TomlPosition;
import org.tomlj.TomlTable;

/**
 * The values of one table of job.toml. What is of a wrong type counts as absent, and as a mistake.
 */
final class Values {

  private final TomlTable table;
  private final Mistakes mistakes;
  private final int headLine;

  /**
   * Reads from a table.
   *
   * @param table the table; null if the file has none
   * @param headLine where it begins
   * @param mistakes what is wrong so far
   */
  Values(TomlTable table, int headLine, Mistakes mistakes) {
    this.table = table;
    this.headLine = headLine;
    this.mistakes = mistakes;
  }

  /** The line of a key; that of the table if it is absent. */
  int line(Key key) {
    TomlPosition position = has(key) ? table.inputPositionOf(List.of(key.key())) : null;
    return position == null ? headLine : position.line();
  }

  boolean has(Key key) {
    return raw(key) != null;
  }

  private Object raw(Key key) {
    return table == null ? null : table.get(List.of(key.key()));
  }

  /** Adds a mistake about the value of a key. */
  void mistake(Key key, String problem) {
    mistakes.add(line(key), "`" + key.key() + "` " + problem);
  }

  private <T> Optional<T> wrongType(Key key) {
    mistake(key, "must be " + key.type().example());
    return Optional.empty();
  }

  Optional<String> text(Key key) {
    Object value = raw(key);
    if (value == null) {
      return Optional.empty();
    }
    if (!(value instanceof String text)) {
      return wrongType(key);
    }
    if (text.isBlank()) {
      mistake(key, "must not be empty");
      return Optional.empty();
    }
    return Optional.of(text);
  }

  /** The value of a key that must be there; a text that nobody sees if it is not. */
  String required(Key key, String example) {
    if (!has(key)) {
      mistakes.add(
          headLine,
          "`"
              + key.path()
              + "` is missing; write, for example, `"
              + key.key()
              + " = "
              + example
              + "`");
    }
    return text(key).orElse("");
  }

  List<String> texts(Key key) {
    Object value = raw(key);
    if (value == null) {
      return List.of();
    }
    if (!(value instanceof TomlArray array)) {
      wrongType(key);
      return List.of();
    }
    if (array.isEmpty()) {
      mistake(key, "is an empty array; write a text into it, such as [\"text\"], or leave it out");
      return List.of();
    }
    List<String> texts = new ArrayList<>();
    for (Object element : array.toList()) {
      if (!(element instanceof String text)) {
        wrongType(key);
        return List.of();
      }
      if (text.isBlank()) {
        mistake(key, "has an empty text; write something into it, or leave it out");
        return List.of();
      }
      texts.add(text);
    }
    return List.copyOf(texts);
  }

  /** The settings of a table, whose values may be strings, integers and booleans. */
  Map<String, JobConfig.Setting> settings(Key key) {
    Object value = raw(key);
    if (value == null) {
      return Map.of();
    }
    if (!(value instanceof TomlTable settings)) {
      wrongType(key);
      return Map.of();
    }
    Map<String, JobConfig.Setting> found = new LinkedHashMap<>();
    for (List<String> path : settings.keyPathSet()) {
      TomlPosition position = settings.inputPositionOf(path);
      int line = position == null ? line(key) : position.line();
      String name = String.join(".", path);
      Object setting = settings.get(path);
      if (setting instanceof String || setting instanceof Long || setting instanceof Boolean) {
        found.put(name, new JobConfig.Setting(setting.toString(), line));
      } else {
        mistakes.add(line, "`" + name + "` must be a string, an integer, true or false");
      }
    }
    return found;
  }

  Optional<Integer> integer(Key key, int least, int most) {
    Object value = raw(key);
    if (value == null) {
      return Optional.empty();
    }
    if (!(value instanceof Long number)) {
      return wrongType(key);
    }
    if (number < least || number > most) {
      mistake(key, "must be from " + least + " to " + most + ", and is " + number);
      return Optional.empty();
    }
    return Optional.of(number.intValue());
  }

  boolean flag(Key key) {
    Object value = raw(key);
    if (value != null && !(value instanceof Boolean)) {
      wrongType(key);
    }
    return Boolean.TRUE.equals(value);
  }

  Optional<Duration> duration(Key key, Duration least) {
    Object value = raw(key);
    if (value == null) {
      return Optional.empty();
    }
    if (!(value instanceof String text)) {
      return wrongType(key);
    }
    Optional<Duration> duration = Durations.parse(text);
    if (duration.isEmpty()) {
      mistake(key, "must be " + Durations.RULE + ", such as \"10s\", and is \"" + text + '"');
      return Optional.empty();
    }
    if (duration.get().compareTo(least) < 0) {
      mistake(key, "must be at least " + Durations.toText(least) + ", and is \"" + text + '"');
      return Optional.empty();
    }
    return duration;
  }

  /** One of the names of an enum, which are in lower case and with hyphens in the file. */
  <E extends Enum<E>> E choice(Key key, Class<E> choices, E fallback) {
    Optional<String> text = text(key);
    if (text.isEmpty()) {
      return fallback;
    }
    for (E choice : choices.getEnumConstants()) {
      if (nameOf(choice).equals(text.get())) {
        return choice;
      }
    }
    String names =
        Stream.of(choices.getEnumConstants())
            .map(choice -> '"' + nameOf(choice) + '"')
            .collect(Collectors.joining(", "));
    mistake(key, "must be one of " + names + ", and is \"" + text.get() + '"');
    return fallback;
  }

  /** The name of a choice in the file. */
  static String nameOf(Enum<?> choice) {
    return choice.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
