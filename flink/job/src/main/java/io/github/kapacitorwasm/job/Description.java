package io.github.kapacitorwasm.job;

import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.stream.Collectors;

/** Says in words what a job would do. */
final class Description {

  private final JobConfig config;
  private final String checked;

  private Description(JobConfig config, String checked) {
    this.config = config;
    this.checked = checked;
  }

  /** Lines for people; {@code checked} says what the host was asked. */
  static String of(JobConfig config, String checked) {
    return new Description(config, checked).text();
  }

  private String text() {
    StringBuilder text = new StringBuilder();
    text.append("job ").append(config.name()).append(System.lineSeparator());
    line(text, "reads", source());
    line(text, "takes", points());
    for (JobConfig.Plugin plugin : config.plugins()) {
      line(text, "calls", call(plugin));
    }
    line(text, "host", host());
    line(text, "writes", sink());
    line(
        text,
        "runs",
        (config.parallelism().isPresent()
                ? "with parallelism " + config.parallelism().getAsInt()
                : "with the parallelism that Flink is given")
            + ", "
            + Spelling.number(config.maxParallelism(), "key group")
            + ", a checkpoint each "
            + Durations.toText(config.checkpointInterval()));
    line(text, "checked", checked);
    if (config.kafka().isPresent()) {
      line(
          text,
          "",
          "nothing of Kafka: topics, and names and values of its properties, are checked when the"
              + " job is submitted");
    }
    return text.toString();
  }

  private static void line(StringBuilder text, String verb, String rest) {
    text.append(String.format("  %-7s %s%n", verb, rest));
  }

  private String source() {
    JobConfig.Source source = config.source();
    String place =
        source
            .path()
            .map(Description::files)
            .orElseGet(
                () ->
                    "topics "
                        + String.join(", ", source.topics())
                        + " of "
                        + servers()
                        + " as group "
                        + source.groupId()
                        + "; without a savepoint it begins "
                        + start(source.start()));
    return place
        + "; timestamps are in "
        + Values.nameOf(source.precision())
        + "; a line that can't be read "
        + (source.isBadLineFatal() ? "fails the job" : "is skipped")
        + source
            .maxAhead()
            .map(
                most ->
                    ", as is a time more than " + Durations.toText(most) + " ahead of the clock")
            .orElse("");
  }

  /** A file system that is not this machine's can't be looked at without Flink. */
  private static String files(URI path) {
    boolean isAbsent = "file".equals(path.getScheme()) && !Files.exists(Path.of(path));
    return "the files of "
        + path
        + (isAbsent ? " (not on this machine; the task managers must have them)" : "");
  }

  private static String start(JobConfig.Start start) {
    return switch (start) {
      case EARLIEST -> "with the earliest records";
      case LATEST -> "with the records that come after its start";
      case COMMITTED ->
          "where Kafka has the progress of the group, or with the earliest records if there is"
              + " none";
    };
  }

  private String servers() {
    return config.kafka().map(JobConfig.Kafka::servers).orElse("");
  }

  private String points() {
    String measurements =
        config.measurements().isEmpty()
            ? "all measurements"
            : "measurements " + String.join(", ", config.measurements());
    String tags = String.join(", ", config.grouping().tags());
    String measurement = config.grouping().byMeasurement() ? "the measurement" : "";
    String groups =
        tags.isEmpty() || measurement.isEmpty() ? tags + measurement : measurement + " and " + tags;
    return measurements + (groups.isEmpty() ? ", all in one group" : ", grouped by " + groups);
  }

  private static String call(JobConfig.Plugin plugin) {
    String options =
        plugin.call().options().stream()
            .map(
                option ->
                    "."
                        + option.name()
                        + "("
                        + option.values().stream()
                            .map(Description::value)
                            .collect(Collectors.joining(", "))
                        + ")")
            .collect(Collectors.joining());
    String window =
        plugin
            .window()
            .map(
                each ->
                    ", with windows of "
                        + Durations.toText(each.length())
                        + (each.every().equals(each.length())
                            ? ""
                            : ", one each " + Durations.toText(each.every())))
            .orElse("");
    return "@" + plugin.call().function() + "()" + options + window + ", as node " + plugin.node();
  }

  private static String value(Object value) {
    if (value instanceof String text) {
      return "'" + text.replace("'", "\\'") + "'";
    } else if (value instanceof Duration duration) {
      return duration.toNanos() % 1_000_000 == 0
          ? Durations.toText(duration)
          : duration.toNanos() / 1_000 + "u";
    } else if (value instanceof Boolean flag) {
      return flag ? "TRUE" : "FALSE";
    }
    return value.toString();
  }

  private String host() {
    JobConfig.Host host = config.host();
    if (host.program().isPresent()) {
      return "each task manager starts "
          + host.program().get()
          + " with the plugins of "
          + host.pluginsDir().orElse("");
    }
    return "runs on each machine, with its sockets in "
        + host.socketDir().orElse("the folder of Flink's kapacitor-wasm.socket-dir");
  }

  private String sink() {
    JobConfig.Sink sink = config.sink();
    if (sink.path().isPresent()) {
      return "files in " + sink.path().get() + ", exactly once";
    }
    Map<JobConfig.Delivery, String> delivery =
        Map.of(
            JobConfig.Delivery.EXACTLY_ONCE,
            "exactly once, in transactions that begin with `"
                + config.name()
                + "` and last "
                + Durations.toText(sink.transactionTimeout())
                + " at most",
            JobConfig.Delivery.AT_LEAST_ONCE,
            "at least once");
    return "topic "
        + sink.topic().orElse("")
        + " of "
        + servers()
        + ", "
        + delivery.get(sink.delivery());
  }
}
