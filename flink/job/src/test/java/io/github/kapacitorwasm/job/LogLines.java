package io.github.kapacitorwasm.job;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.core.LogEvent;
import org.apache.logging.log4j.core.LoggerContext;
import org.apache.logging.log4j.core.appender.AbstractAppender;
import org.apache.logging.log4j.core.config.LoggerConfig;
import org.apache.logging.log4j.core.config.Property;

/** Keeps what the job logs while it is open, from the level of information on. */
final class LogLines extends AbstractAppender implements AutoCloseable {

  private static final String PACKAGE = "io.github.kapacitorwasm";

  private static final Duration PATIENCE = Duration.ofSeconds(30);

  private final LoggerContext context = (LoggerContext) LogManager.getContext(false);
  private final List<String> lines = new CopyOnWriteArrayList<>();

  LogLines() {
    super("lines", null, null, false, Property.EMPTY_ARRAY);
    start();
    // The tests' own configuration logs errors only.
    LoggerConfig logger = new LoggerConfig(PACKAGE, Level.INFO, false);
    logger.addAppender(this, Level.INFO, null);
    context.getConfiguration().addLogger(PACKAGE, logger);
    context.updateLoggers();
  }

  @Override
  public void append(LogEvent event) {
    String line = event.getMessage().getFormattedMessage();
    synchronized (this) {
      lines.add(line);
      notifyAll();
    }
  }

  /** How often a line was logged. */
  long count(String line) {
    return lines.stream().filter(line::equals).count();
  }

  /** How many lines begin so. */
  long countStarts(String start) {
    return lines.stream().filter(line -> line.startsWith(start)).count();
  }

  /** Whether a line has this form. */
  boolean hasMatch(String regex) {
    return lines.stream().anyMatch(line -> line.matches(regex));
  }

  /** All lines. */
  @Override
  public String toString() {
    return String.join("\n", lines);
  }

  /** Waits until a line is logged. */
  synchronized void await(String line) throws InterruptedException {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (count(line) == 0) {
      long left = (deadline - System.nanoTime()) / 1_000_000;
      if (left <= 0) {
        throw new AssertionError("the log has no line: " + line + " in " + lines);
      }
      wait(left);
    }
  }

  @Override
  public void close() {
    context.getConfiguration().removeLogger(PACKAGE);
    context.updateLoggers();
    stop();
  }
}
