package io.github.kapacitorwasm.client;

import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BiConsumer;
import java.util.stream.Stream;

/**
 * A kapacitor-wasm host that runs as a child of this process, in a temporary folder of its own. It
 * has the settings under which all state is the client's. It ends with this process, however that
 * ends. Where a host runs beside this process already, none is needed.
 */
public final class HostProcess implements Closeable {

  /** Java's exit code of a process that a signal has ended is that of the signal and this. */
  private static final int SIGNALLED = 128;

  /** The exit code after SIGKILL. */
  private static final int KILLED = SIGNALLED + 9;

  private static final String MEMORY = ": someone killed it, or the system had no memory left";

  /** Maximum time until all plugins are loaded; the host allows 30 s for compiling one. */
  private static final long READY_SECONDS = 120;

  /** Maximum time that the host has for its end before it is killed. */
  private static final long STOP_SECONDS = 15;

  private static final System.Logger LOG = System.getLogger(HostProcess.class.getName());

  /** The settings of udf.toml for a client that keeps the state. */
  private static final String SETTINGS =
      """
      [sessions]
      # What waits for a plugin has to be processed before each checkpoint.
      queue = "256KiB"
      # Longer than any checkpoint may take.
      snapshot-deadline = "1h"
      # What a plugin sends at the end of its input may wait for a sink.
      drain-deadline = "1m"
      """;

  /**
   * Waits for the end of this process, which closes the pipe however it ends, and then ends the
   * host, if need be by force after 15 seconds, and deletes its folder: a process that is killed
   * can't.
   */
  private static final String WATCH =
      """
      cat >/dev/null
      kill "$1"
      waits=0
      while kill -0 "$1" 2>/dev/null; do
        sleep 0.2
        waits=$((waits + 1))
        [ $waits -ne 75 ] || kill -9 "$1"
      done
      rm -rf -- "$2"
      """;

  private final Path folder;
  private final Process process;
  private final HostLog log;

  /** Whether {@link #close} has been called. */
  private volatile boolean isClosing;

  private HostProcess(Path folder, Process process, BiConsumer<System.Logger.Level, String> lines) {
    this.folder = folder;
    this.process = process;
    log = new HostLog(process.getErrorStream(), lines, this::endByItself);
  }

  /**
   * Starts a host, and waits until it serves. Its log goes to the {@link System.Logger} of this
   * class.
   *
   * @param binary the program {@code kapacitor-wasm}
   * @param plugins folder of the plugins
   * @return a host that serves
   * @throws IOException if it does not start, with the last lines of its log
   * @throws InterruptedException if the thread is interrupted
   */
  public static HostProcess start(Path binary, Path plugins)
      throws IOException, InterruptedException {
    return start(binary, plugins, LOG::log);
  }

  /**
   * Starts a host whose log goes where the caller wants it.
   *
   * @param binary the program {@code kapacitor-wasm}
   * @param plugins folder of the plugins
   * @param log gets each line of the host's log, in a thread of its own: {@code ERROR} and {@code
   *     WARNING} as the host says; {@code DEBUG} for all that the host says of its normal work,
   *     which is a few lines for each session; {@code WARNING} for a line without a level, as that
   *     of a panic. It also gets a sentence as {@code ERROR} when the host ends by itself
   * @return a host that serves
   * @throws IOException if it does not start, with the last lines of its log
   * @throws InterruptedException if the thread is interrupted
   */
  public static HostProcess start(
      Path binary, Path plugins, BiConsumer<System.Logger.Level, String> log)
      throws IOException, InterruptedException {
    return start(binary, plugins, SETTINGS, log);
  }

  /**
   * Starts a host with settings of the caller.
   *
   * @param binary the program {@code kapacitor-wasm}
   * @param plugins folder of the plugins
   * @param settings tables of {@code udf.toml}, in place of those that {@link #start(Path, Path)}
   *     writes
   * @return a host that serves
   * @throws IOException if it does not start, with the last lines of its log
   * @throws InterruptedException if the thread is interrupted
   */
  public static HostProcess start(Path binary, Path plugins, String settings)
      throws IOException, InterruptedException {
    return start(binary, plugins, settings, LOG::log);
  }

  private static HostProcess start(
      Path binary, Path plugins, String settings, BiConsumer<System.Logger.Level, String> log)
      throws IOException, InterruptedException {
    // The path of a socket has 107 bytes at most, so the folder is not below a long one.
    Path folder = Files.createTempDirectory("kw-");
    Process process = null;
    try {
      Path config = folder.resolve("udf.toml");
      Files.createDirectory(folder.resolve("s"));
      Files.writeString(
          config,
          "plugins-dir = %s%nsocket-dir = %s%nstate-dir = %s%n%s"
              .formatted(
                  quoted(plugins.toAbsolutePath()),
                  quoted(folder.resolve("s")),
                  quoted(folder.resolve("state")),
                  settings));
      process =
          new ProcessBuilder(binary.toString(), "serve", "--config", config.toString())
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      // Before the host is ready: compiling its plugins may take long.
      watch(process, folder);
      HostProcess host = new HostProcess(folder, process, log);
      host.awaitReady();
      return host;
    } catch (IOException | InterruptedException | RuntimeException e) {
      if (process != null) {
        process.destroyForcibly();
      }
      delete(folder);
      throw e;
    }
  }

  private static void watch(Process host, Path folder) throws IOException {
    Process watch =
        new ProcessBuilder("sh", "-c", WATCH, "sh", Long.toString(host.pid()), folder.toString())
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    // The number of a process that has ended may become that of another one.
    var unused =
        host.onExit()
            .thenRun(
                () -> {
                  // The shell first: it goes on when its `cat` ends.
                  List<ProcessHandle> children = watch.descendants().toList();
                  watch.destroyForcibly();
                  children.forEach(ProcessHandle::destroyForcibly);
                });
  }

  /** A path as a string of TOML. */
  private static String quoted(Path path) {
    return '"' + path.toString().replace("\\", "\\\\").replace("\"", "\\\"") + '"';
  }

  private void awaitReady() throws IOException, InterruptedException {
    String problem;
    try {
      if (log.ready().get(READY_SECONDS, TimeUnit.SECONDS)) {
        return;
      }
      problem = "the host has ended before it was ready";
    } catch (TimeoutException e) {
      problem = "the host was not ready after " + READY_SECONDS + " s";
    } catch (ExecutionException e) {
      problem = "the host's log can't be read: " + e.getCause().getMessage();
    }
    String last = log.last();
    throw new IOException(
        problem
            + (last.isEmpty()
                ? " and has written no log; is the program kapacitor-wasm?"
                : ": " + last));
  }

  /** How the process has ended by itself, which it has closed its log for. */
  private Optional<String> endByItself() {
    try {
      int code = process.waitFor();
      if (isClosing) {
        return Optional.empty();
      }
      return Optional.of(
          "the host has ended by itself"
              + (code > SIGNALLED
                  ? ", killed by the signal " + (code - SIGNALLED) + (code == KILLED ? MEMORY : "")
                  : " with the exit code " + code));
    } catch (InterruptedException e) {
      return Optional.empty();
    }
  }

  /**
   * Returns the folder of the sockets.
   *
   * @return what a {@link UdfClient} needs
   */
  public Path socketDir() {
    return folder.resolve("s");
  }

  /**
   * Returns the process.
   *
   * @return a process that {@link #close} stops
   */
  public ProcessHandle process() {
    return process.toHandle();
  }

  /** Stops the host and deletes its folder. Its sessions end. */
  @Override
  public void close() throws IOException {
    isClosing = true;
    // Process.destroy would close the log, too.
    ProcessHandle handle = process.toHandle();
    handle.destroy();
    boolean interrupted = false;
    try {
      if (!process.waitFor(STOP_SECONDS, TimeUnit.SECONDS)) {
        handle.destroyForcibly();
      }
      log.join(Duration.ofSeconds(STOP_SECONDS).toMillis());
    } catch (InterruptedException e) {
      handle.destroyForcibly();
      interrupted = true;
    }
    delete(folder);
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private static void delete(Path folder) throws IOException {
    List<Path> paths;
    try (Stream<Path> walk = Files.walk(folder)) {
      paths = walk.sorted(Comparator.reverseOrder()).toList();
    } catch (NoSuchFileException e) {
      return;
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
    for (Path path : paths) {
      Files.deleteIfExists(path);
    }
  }
}
