package io.github.kapacitorwasm.job;

import io.github.kapacitorwasm.client.EdgeType;
import io.github.kapacitorwasm.client.HostProcess;
import io.github.kapacitorwasm.client.UdfClient;
import io.github.kapacitorwasm.client.UdfException;
import io.github.kapacitorwasm.client.UdfOptions;
import io.github.kapacitorwasm.client.UdfSession;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** Asks the host of the job about functions and options, if it is a program on this machine. */
final class HostCheck {

  private static final String SUFFIX = ".wasm";

  private final JobConfig config;
  private final Mistakes mistakes;

  private HostCheck(JobConfig config) {
    this.config = config;
    mistakes = new Mistakes(config.file());
  }

  /**
   * Starts the host with the plugins of the job, and opens a session of each call.
   *
   * @return what was checked, in words
   * @throws JobException if the host refuses a call, with all reasons
   */
  static String check(JobConfig config) throws JobException, InterruptedException {
    if (config.host().program().isEmpty() || config.host().pluginsDir().isEmpty()) {
      return "nothing about functions and options: the host checks them when the job starts";
    }
    Path program = Path.of(config.host().program().get());
    Path plugins = Path.of(config.host().pluginsDir().get());
    HostCheck check = new HostCheck(config);
    check.files(program, plugins);
    check.mistakes.throwIfAny();
    if (!Files.exists(program) || !Files.exists(plugins)) {
      return "nothing about functions and options: there is no "
          + (Files.exists(program) ? plugins : program)
          + " on this machine; the host checks them when the job starts";
    }
    try {
      check.ask(program, plugins);
    } catch (IOException e) {
      check.mistakes.add(
          config.host().programLine(),
          "the host " + program + " of `program` can't be asked: " + Reasons.of(e));
    }
    check.mistakes.throwIfAny();
    return "functions, windows and options, by " + program;
  }

  /** Checks what is there: it is the same on the machines of the task managers. */
  private void files(Path program, Path plugins) {
    if (Files.exists(program) && !Files.isRegularFile(program)) {
      mistakes.add(
          config.host().programLine(),
          "`program` " + program + " is a folder; name the file kapacitor-wasm in it");
    } else if (Files.exists(program) && !Files.isExecutable(program)) {
      mistakes.add(
          config.host().programLine(),
          "`program` "
              + program
              + " can't be run: the file has no right `x` for you; is it kapacitor-wasm?");
    }
    if (Files.exists(plugins) && !Files.isDirectory(plugins)) {
      mistakes.add(
          config.host().pluginsDirLine(),
          "`plugins-dir` " + plugins + " is a file; name the folder of the plugins");
    }
  }

  private void ask(Path program, Path plugins) throws IOException, InterruptedException {
    // Compiling all plugins of a large folder takes a while.
    Path needed = Files.createTempDirectory("kw-plugins-");
    try {
      for (JobConfig.Plugin plugin : config.plugins()) {
        copy(plugin, plugins, needed);
      }
      if (!names(needed).isEmpty()) {
        try (HostProcess host = HostProcess.start(program, needed, (level, line) -> {});
            UdfClient client = new UdfClient(host.socketDir())) {
          for (JobConfig.Plugin plugin : config.plugins()) {
            if (Files.exists(needed.resolve(plugin.call().function() + SUFFIX))) {
              call(plugin, client, needed, plugins);
            }
          }
        }
      }
    } catch (IOException e) {
      // What the host says of a copy is true of the plugin.
      throw new IOException(Reasons.of(e).replace(needed.toString(), plugins.toString()), e);
    } finally {
      for (String name : names(needed)) {
        Files.delete(needed.resolve(name + SUFFIX));
      }
      Files.delete(needed);
    }
  }

  private void copy(JobConfig.Plugin plugin, Path from, Path to) throws IOException {
    String function = plugin.call().function();
    Path file = from.resolve(function + SUFFIX);
    Path copy = to.resolve(function + SUFFIX);
    if (!Files.exists(file)) {
      List<String> names = names(from);
      mistakes.add(
          plugin.line(),
          "there is no plugin `"
              + function
              + "`, that is, no file "
              + file
              + "; "
              + Spelling.nearest(function, names)
                  .map(near -> "did you mean `" + near + "`?")
                  .orElse(
                      names.isEmpty()
                          ? "the folder has no plugins"
                          : "the plugins there are " + String.join(", ", names)));
    } else if (!Files.exists(copy)) {
      Files.copy(file, copy);
    }
  }

  private static List<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(name -> name.endsWith(SUFFIX))
          .map(name -> name.substring(0, name.length() - SUFFIX.length()))
          .sorted()
          .toList();
    }
  }

  private void call(JobConfig.Plugin plugin, UdfClient client, Path needed, Path plugins)
      throws IOException, InterruptedException {
    String function = plugin.call().function();
    try {
      EdgeType wants = client.info(function).wants();
      if (wants == EdgeType.BATCH && plugin.window().isEmpty()) {
        mistakes.add(
            plugin.line(),
            "`@"
                + function
                + "()` takes batches; write, for example, `window = \"10m\"` in its [[plugin]]");
      } else if (wants == EdgeType.STREAM && plugin.window().isPresent()) {
        mistakes.add(
            plugin.line(),
            "`@" + function + "()` takes points one by one; leave `window` out of its [[plugin]]");
      }
      UdfOptions options = UdfOptions.none();
      for (PluginCall.Option option : plugin.call().options()) {
        options = options.with(option.name(), option.values().toArray());
      }
      try (UdfSession session =
          client.open(function, "node " + plugin.node(), (of, bytes, offset, length) -> {})) {
        session.init(config.name(), plugin.node(), options);
      }
    } catch (UdfException e) {
      mistakes.add(plugin.line(), e.getMessage().replace(needed.toString(), plugins.toString()));
    }
  }
}
