package io.github.kapacitorwasm.flink;

import io.github.kapacitorwasm.client.HostProcess;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The host that a task manager has started for a job. All subtasks of the job on this task manager
 * use it, and it ends with the last of them. A host that has ended by itself is replaced when the
 * next subtask asks for it.
 */
final class SharedHost {

  private static final Logger LOG = LoggerFactory.getLogger(SharedHost.class);

  /** What is logged for a line of the host's log. */
  private static final String LINE = "job {}: host: {}";

  /** The hosts of this process; a job has a class loader, and so a map, of its own. */
  private static final Map<Command, SharedHost> HOSTS = new HashMap<>();

  /** What to start. */
  private record Command(Path program, Path plugins) {}

  private final Command command;
  private final HostProcess host;
  private int users;

  private SharedHost(String job, Command command) throws IOException, InterruptedException {
    this.command = command;
    host =
        HostProcess.start(
            command.program(), command.plugins(), (level, line) -> log(job, level, line));
  }

  /** Writes a line of the log of the host of a job into that of Flink. */
  private static void log(String job, System.Logger.Level level, String line) {
    switch (level) {
      case ERROR -> LOG.error(LINE, job, line);
      case WARNING -> LOG.warn(LINE, job, line);
      default -> LOG.debug(LINE, job, line);
    }
  }

  /**
   * Returns a host that runs, and starts it if there is none.
   *
   * @param job the job that uses it, for the log
   * @param program the program {@code kapacitor-wasm}
   * @param plugins folder of its plugins
   * @throws IOException if it does not start, with the last lines of its log
   */
  static SharedHost acquire(String job, Path program, Path plugins)
      throws IOException, InterruptedException {
    Command command = new Command(program, plugins);
    synchronized (HOSTS) {
      SharedHost found = HOSTS.get(command);
      if (found == null || !found.host.process().isAlive()) {
        found = new SharedHost(job, command);
        HOSTS.put(command, found);
      }
      found.users++;
      return found;
    }
  }

  /** The folder of the host's sockets. */
  Path socketDir() {
    return host.socketDir();
  }

  /** Gives the host back; each user does so once. */
  void release() throws IOException {
    synchronized (HOSTS) {
      users--;
      if (users == 0) {
        HOSTS.remove(command, this);
        host.close();
      }
    }
  }
}
