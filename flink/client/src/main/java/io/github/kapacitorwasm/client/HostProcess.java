package io.github.kapacitorwasm.client;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;

/**
 * A kapacitor-wasm host that runs as a child of this process, in a temporary folder of its own. It
 * has the settings under which all state is the client's. It ends with this process, however that
 * ends. Where a host runs beside this process already, none is needed.
 */
public final class HostProcess implements Closeable {

  /** Maximum time until all plugins are loaded; the host allows 30 s for compiling one. */
  private static final long READY_SECONDS = 120;

  /** Maximum time that the host has for its end before it is killed. */
  private static final long STOP_SECONDS = 15;

  /** Number of the last lines of the log that a failure to start shows. */
  private static final int LINES_SHOWN = 5;

  private static final System.Logger LOG = System.getLogger(HostProcess.class.getName());

  /** The settings of udf.toml for a client that keeps the state. */
  private static final String SETTINGS =
      """
      [sessions]
      # What waits for a plugin has to be processed before each checkpoint.
      queue = "256KiB"
      # Longer than any checkpoint may take.
      snapshot-deadline = "1h"
      """;

  /**
   * Waits for the end of this process, which closes the pipe however it ends, and then ends the
   * host and deletes its folder: a process that is killed can't.
   */
  private static final String WATCH =
      "cat >/dev/null; kill \"$1\"; while kill -0 \"$1\" 2>/dev/null; do sleep 0.2; done;"
          + " rm -rf -- \"$2\"";

  private final Path folder;
  private final Process process;

  private HostProcess(Path folder, Process process) {
    this.folder = folder;
    this.process = process;
  }

  /**
   * Starts a host, and waits until it serves.
   *
   * @param binary the program {@code kapacitor-wasm}
   * @param plugins folder of the plugins
   * @return a host that serves
   * @throws IOException if it does not start, with the last lines of its log
   * @throws InterruptedException if the thread is interrupted
   */
  public static HostProcess start(Path binary, Path plugins)
      throws IOException, InterruptedException {
    return start(binary, plugins, SETTINGS);
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
      HostProcess host = new HostProcess(folder, process);
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
    CompletableFuture<Boolean> ready = new CompletableFuture<>();
    Deque<String> last = new ArrayDeque<>();
    Thread log = new Thread(() -> followLog(ready, last), "kapacitor-wasm log");
    log.setDaemon(true);
    log.start();
    String problem;
    try {
      if (ready.get(READY_SECONDS, TimeUnit.SECONDS)) {
        return;
      }
      log.join();
      problem = "the host has ended before it was ready";
    } catch (TimeoutException e) {
      problem = "the host was not ready after " + READY_SECONDS + " s";
    } catch (ExecutionException e) {
      problem = "the host's log can't be read: " + e.getCause().getMessage();
    }
    synchronized (last) {
      throw new IOException(
          problem
              + (last.isEmpty()
                  ? " and has written no log; is the program kapacitor-wasm?"
                  : ": " + String.join("; ", last)));
    }
  }

  private void followLog(CompletableFuture<Boolean> ready, Deque<String> last) {
    try (BufferedReader lines = process.errorReader(UTF_8)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        LOG.log(System.Logger.Level.DEBUG, line);
        synchronized (last) {
          last.add(line);
          if (last.size() > LINES_SHOWN) {
            last.remove();
          }
        }
        if (line.contains("msg=ready")) {
          ready.complete(true);
        }
      }
      ready.complete(false);
    } catch (IOException e) {
      ready.completeExceptionally(e);
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
    process.destroy();
    boolean interrupted = false;
    try {
      if (!process.waitFor(STOP_SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly().waitFor();
      }
    } catch (InterruptedException e) {
      process.destroyForcibly();
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
