package io.github.kapacitorwasm.client;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiConsumer;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads the log of a host that runs as a child of this process, and passes on its lines. */
final class HostLog {

  /** Number of the last lines that a failure to start shows. */
  private static final int LINES_SHOWN = 5;

  /** Maximum number of characters of a line; what is longer is cut. */
  private static final int MAX_LINE = 64 << 10;

  /** The level of a line of the host's log, which has its time and its level first. */
  private static final Pattern LEVEL = Pattern.compile("(?:ts=\\S+ )?lvl=(\\w+) .*");

  private static final System.Logger LOG = System.getLogger(HostLog.class.getName());

  private final BufferedReader reader;
  private final BiConsumer<System.Logger.Level, String> lines;
  private final CompletableFuture<Boolean> ready = new CompletableFuture<>();
  private final Deque<String> last = new ArrayDeque<>();
  private final Thread thread;

  /**
   * Reads a log in a thread of its own.
   *
   * @param log what the host writes
   * @param lines gets each line with its level
   * @param end says how the host has ended when its log ends after it was ready, if that is an
   *     error
   */
  HostLog(
      InputStream log,
      BiConsumer<System.Logger.Level, String> lines,
      Supplier<Optional<String>> end) {
    reader = new BufferedReader(new InputStreamReader(log, UTF_8));
    this.lines = lines;
    thread = new Thread(() -> follow(end), "kapacitor-wasm log");
    thread.setDaemon(true);
    thread.start();
  }

  /** True once the host serves, false if its log has ended before. */
  CompletableFuture<Boolean> ready() {
    return ready;
  }

  /** Waits for the end of the log, for a time at most. */
  void join(long millis) throws InterruptedException {
    thread.join(millis);
  }

  /** The last lines, joined; empty if there were none. */
  String last() {
    synchronized (last) {
      return String.join("; ", last);
    }
  }

  private void follow(Supplier<Optional<String>> end) {
    try (reader) {
      for (String line = readLine(); line != null; line = readLine()) {
        pass(level(line), line);
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
      if (!ready.complete(false)) {
        end.get().ifPresent(sentence -> pass(System.Logger.Level.ERROR, sentence));
      }
    } catch (IOException e) {
      ready.completeExceptionally(e);
    }
  }

  private void pass(System.Logger.Level level, String line) {
    try {
      lines.accept(level, line);
    } catch (RuntimeException e) {
      // The next line may be taken, and the host must not wait for this.
      LOG.log(System.Logger.Level.ERROR, "a line of the host's log was not taken: " + line, e);
    }
  }

  /** The next line, or the beginning of a very long one. */
  private String readLine() throws IOException {
    StringBuilder line = new StringBuilder();
    int c = reader.read();
    if (c < 0) {
      return null;
    }
    for (; c >= 0 && c != '\n'; c = reader.read()) {
      if (line.length() < MAX_LINE) {
        line.append((char) c);
      }
    }
    return line.toString();
  }

  private static System.Logger.Level level(String line) {
    Matcher matcher = LEVEL.matcher(line);
    return switch (matcher.matches() ? matcher.group(1) : "none") {
      case "error" -> System.Logger.Level.ERROR;
      case "info", "debug" -> System.Logger.Level.DEBUG;
      default -> System.Logger.Level.WARNING;
    };
  }
}
