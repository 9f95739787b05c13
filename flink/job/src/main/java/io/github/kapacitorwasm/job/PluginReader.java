package io.github.kapacitorwasm.job;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import org.tomlj.TomlArray;
import org.tomlj.TomlPosition;
import org.tomlj.TomlTable;

/** Reads the tables {@code [[plugin]]}. */
final class PluginReader {

  private static final Duration LEAST_WINDOW = Duration.ofMillis(1);

  /** Maximum number of windows that a point is in: Flink keeps a copy for each. */
  private static final long MAX_OVERLAP = 1_000;

  /** Maximum number of calls in a chain. */
  private static final int MAX_PLUGINS = 100;

  private static final Pattern NODE = Pattern.compile("[A-Za-z0-9._-]{1,100}");

  private final Mistakes mistakes;
  private final Set<String> nodes = new HashSet<>();

  private PluginReader(Mistakes mistakes) {
    this.mistakes = mistakes;
  }

  static List<JobConfig.Plugin> read(TomlTable file, Mistakes mistakes) {
    List<String> path = List.of(Key.PLUGIN);
    if (!file.contains(path)) {
      mistakes.add(0, "a job needs at least one [[plugin]] with a `call`");
      return List.of();
    }
    // Of another type it is a mistake already.
    TomlArray tables = file.isArray(path) ? file.getArray(path) : null;
    if (tables == null || tables.isEmpty() || !tables.isTable(0)) {
      return List.of();
    }
    if (tables.size() > MAX_PLUGINS) {
      mistakes.add(0, "a job can have at most " + MAX_PLUGINS + " [[plugin]]");
      return List.of();
    }
    PluginReader reader = new PluginReader(mistakes);
    List<JobConfig.Plugin> plugins = new ArrayList<>();
    for (int i = 0; i < tables.size(); i++) {
      TomlPosition position = tables.inputPositionOf(i);
      int line = position == null ? 0 : position.line();
      reader.plugin(new Values(tables.getTable(i), line, mistakes)).ifPresent(plugins::add);
    }
    return List.copyOf(plugins);
  }

  private Optional<JobConfig.Plugin> plugin(Values plugin) {
    String text = plugin.required(Key.CALL, "\"@moving_avg().field('usage_user').size(30)\"");
    Optional<JobConfig.Window> window = window(plugin);
    Optional<String> node = plugin.text(Key.NODE);
    if (text.isEmpty()) {
      return Optional.empty();
    }
    try {
      PluginCall call = CallParser.parse(text);
      String name = node.orElse(call.function());
      checkNode(plugin, name, node.isPresent());
      return Optional.of(new JobConfig.Plugin(call, plugin.line(Key.CALL), name, window));
    } catch (CallParser.CallException e) {
      plugin.mistake(Key.CALL, "can't be read: " + e.getMessage());
      return Optional.empty();
    }
  }

  private void checkNode(Values plugin, String name, boolean isGiven) {
    if (!NODE.matcher(name).matches()) {
      plugin.mistake(Key.NODE, "may have letters, digits, `.`, `_` and `-` only");
    }
    if (!nodes.add(name)) {
      if (isGiven) {
        plugin.mistake(Key.NODE, "is that of an earlier [[plugin]]; each needs a name of its own");
      } else {
        mistakes.add(
            plugin.line(Key.CALL),
            "the job calls `"
                + name
                + "` twice; give this call a name: `node = \""
                + name
                + "-2\"`");
      }
    }
  }

  private static Optional<JobConfig.Window> window(Values plugin) {
    Optional<Duration> length = plugin.duration(Key.WINDOW, LEAST_WINDOW);
    Optional<Duration> every = plugin.duration(Key.EVERY, LEAST_WINDOW);
    if (length.isEmpty()) {
      if (every.isPresent() && !plugin.has(Key.WINDOW)) {
        plugin.mistake(Key.EVERY, "needs `window`, the length of the windows");
      }
      return Optional.empty();
    }
    Duration step = every.orElse(length.get());
    if (step.compareTo(length.get()) > 0) {
      plugin.mistake(
          Key.EVERY, "must be at most `window`, or points between the windows would be lost");
    } else if (length.get().dividedBy(step) > MAX_OVERLAP) {
      plugin.mistake(
          Key.EVERY,
          "puts a point into more than " + MAX_OVERLAP + " windows; write a longer time");
    }
    return Optional.of(new JobConfig.Window(length.get(), step));
  }
}
