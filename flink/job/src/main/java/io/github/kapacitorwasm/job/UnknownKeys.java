package io.github.kapacitorwasm.job;

import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.tomlj.TomlArray;
import org.tomlj.TomlPosition;
import org.tomlj.TomlTable;

/** Finds keys that no job.toml has. */
final class UnknownKeys {

  private final Mistakes mistakes;

  private UnknownKeys(Mistakes mistakes) {
    this.mistakes = mistakes;
  }

  /** Looks at all keys of a file. */
  static void find(TomlTable file, Mistakes mistakes) {
    new UnknownKeys(mistakes).check(file, "");
  }

  private void check(TomlTable table, String path) {
    for (String name : table.keySet()) {
      String key = path.isEmpty() ? name : path + "." + name;
      Object value = table.get(List.of(name));
      TomlPosition position = table.inputPositionOf(List.of(name));
      int line = position == null ? 0 : position.line();
      boolean isTable = Stream.of(Key.values()).anyMatch(known -> known.table().equals(key));
      if (isTable) {
        checkTable(key, value, line);
      } else if (Stream.of(Key.values()).noneMatch(known -> known.path().equals(key))) {
        mistakes.add(line, "`" + name + "` is no key " + place(path) + "; " + keys(path));
      }
    }
  }

  private void checkTable(String key, Object value, int line) {
    boolean isArray = key.equals(Key.PLUGIN);
    if (!isArray && value instanceof TomlTable table) {
      check(table, key);
    } else if (isArray
        && value instanceof TomlArray array
        && !array.isEmpty()
        && array.isTable(0)) {
      for (int i = 0; i < array.size(); i++) {
        check(array.getTable(i), key);
      }
    } else {
      mistakes.add(
          line,
          "`"
              + key
              + (isArray ? "` must be an array of tables: write `" : "` must be a table: write `")
              + (isArray ? "[[" + key + "]]" : "[" + key + "]")
              + "` on a line of its own, and its keys below");
    }
  }

  private static String place(String path) {
    if (path.isEmpty()) {
      return "at the top of the file";
    }
    return path.equals(Key.PLUGIN) ? "of [[plugin]]" : "of [" + path + "]";
  }

  private static String keys(String path) {
    String tables =
        path.isEmpty()
            ? "; the tables are "
                + Stream.of(Key.values())
                    .map(Key::table)
                    .filter(table -> !table.isEmpty())
                    .distinct()
                    .collect(Collectors.joining(", "))
            : "";
    return "the keys are "
        + Stream.of(Key.values())
            .filter(known -> known.table().equals(path))
            .map(Key::key)
            .collect(Collectors.joining(", "))
        + tables;
  }
}
