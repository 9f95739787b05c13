package io.github.kapacitorwasm.job;

import io.github.kapacitorwasm.job.line.Grouping;
import io.github.kapacitorwasm.job.line.Precision;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.regex.Pattern;
import org.tomlj.Toml;
import org.tomlj.TomlParseError;
import org.tomlj.TomlParseResult;
import org.tomlj.TomlPosition;

/** Reads a job.toml, and checks it. */
final class ConfigReader {

  /** Maximum size of a file; more is no file of this kind. */
  private static final long MAX_BYTES = 1 << 20;

  private static final int DEFAULT_MAX_PARALLELISM = 128;

  /** Flink's own limit. */
  private static final int MOST_PARALLELISM = 1 << 15;

  private static final Duration DEFAULT_CHECKPOINT_INTERVAL = Duration.ofSeconds(10);
  private static final Duration LEAST_CHECKPOINT_INTERVAL = Duration.ofMillis(100);
  private static final Duration DEFAULT_MAX_OUT_OF_ORDERNESS = Duration.ofSeconds(5);
  private static final Duration DEFAULT_MAX_AHEAD = Duration.ofDays(1);
  private static final Duration DEFAULT_IDLENESS = Duration.ofMinutes(1);

  /** Maximum number of bytes of the path of a unix socket. */
  private static final int MAX_SOCKET_PATH = 107;

  /** What Kapacitor takes as the id of a task, and what Kafka and Flink take as a name. */
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,100}");

  private static final String ALL_TAGS = "*";

  private final Path folder;
  private final TomlParseResult file;
  private final Mistakes mistakes;

  private ConfigReader(Path path, TomlParseResult file, Mistakes mistakes) {
    Path parent = path.toAbsolutePath().getParent();
    folder = parent == null ? path.toAbsolutePath() : parent;
    this.file = file;
    this.mistakes = mistakes;
  }

  /**
   * Reads a file.
   *
   * @throws JobException if it can't be read or has mistakes, with all of them
   */
  static JobConfig read(Path path) throws JobException {
    Mistakes mistakes = new Mistakes(path.toString());
    TomlParseResult parsed = Toml.parse(text(path));
    for (TomlParseError error : parsed.errors()) {
      mistakes.add(
          error.position().line(),
          "this is not TOML: " + error.getMessage().strip().replaceFirst("\\.$", ""));
    }
    mistakes.throwIfAny();
    JobConfig config = new ConfigReader(path, parsed, mistakes).read();
    mistakes.throwIfAny();
    return config;
  }

  private static String text(Path path) throws JobException {
    try {
      if (Files.size(path) > MAX_BYTES) {
        throw new JobException(path + ": the file is larger than 1 MiB, so it is no job.toml.");
      }
      if (Files.isDirectory(path)) {
        throw new JobException(path + ": this is a folder; name the file of the job.");
      }
      byte[] bytes = Files.readAllBytes(path);
      try {
        // Some editors begin a file with this mark.
        return Utf8.decode(bytes).replaceFirst("^\ufeff", "");
      } catch (CharacterCodingException e) {
        throw new JobException(
            path + ":" + Utf8.badLine(bytes) + ": this line is not UTF-8; save the file as UTF-8.");
      }
    } catch (NoSuchFileException e) {
      throw new JobException(path + ": there is no such file.");
    } catch (IOException e) {
      throw new JobException(path + ": the file can't be read: " + Reasons.of(e) + ".");
    }
  }

  private Values values(String table) {
    TomlPosition position = file.inputPositionOf(List.of(table));
    boolean isTable = file.isTable(List.of(table));
    return new Values(
        isTable ? file.getTable(List.of(table)) : null,
        position == null ? 0 : position.line(),
        mistakes);
  }

  private JobConfig read() {
    UnknownKeys.find(file, mistakes);
    Values top = new Values(file, 0, mistakes);
    String name = name(top);
    int maxParallelism =
        top.integer(Key.MAX_PARALLELISM, 1, MOST_PARALLELISM).orElse(DEFAULT_MAX_PARALLELISM);
    Optional<Integer> parallelism = top.integer(Key.PARALLELISM, 1, maxParallelism);
    Duration interval =
        top.duration(Key.CHECKPOINT_INTERVAL, LEAST_CHECKPOINT_INTERVAL)
            .orElse(DEFAULT_CHECKPOINT_INTERVAL);
    Places places = new Places(folder, mistakes);
    Values from = values("from");
    List<JobConfig.Plugin> plugins = PluginReader.read(file, mistakes);
    boolean hasWindows = plugins.stream().anyMatch(plugin -> plugin.window().isPresent());
    JobConfig.Source source = source(name, hasWindows, places);
    JobConfig.Sink sink = new SinkReader(values("sink"), places).read(interval);
    places.checkApart(source, sink, values("sink"));
    return new JobConfig(
        mistakes.file(),
        name,
        parallelism.map(OptionalInt::of).orElse(OptionalInt.empty()),
        maxParallelism,
        interval,
        kafka(source, sink),
        source,
        measurements(from),
        new Grouping(groupBy(from), from.flag(Key.GROUP_BY_MEASUREMENT)),
        plugins,
        sink,
        host());
  }

  private static Set<String> measurements(Values from) {
    List<String> measurements = from.texts(Key.MEASUREMENTS);
    if (measurements.contains("*")) {
      from.mistake(
          Key.MEASUREMENTS,
          "has `*`, and measurements are compared as they are written; leave `measurements` out to"
              + " take all");
    }
    return new LinkedHashSet<>(measurements);
  }

  private Optional<JobConfig.Kafka> kafka(JobConfig.Source source, JobConfig.Sink sink) {
    boolean reads = !source.topics().isEmpty();
    boolean writes = sink.topic().isPresent();
    // Where a path stands beside a topic, one of them is a mistake, and Kafka may not be needed.
    boolean isSure =
        (reads && !values("source").has(Key.SOURCE_PATH))
            || (writes && !values("sink").has(Key.SINK_PATH));
    return KafkaReader.read(values("kafka"), reads || writes, isSure, mistakes);
  }

  private static String name(Values top) {
    String name = top.required(Key.NAME, "\"cpu-means\"");
    if (!name.isEmpty() && !NAME.matcher(name).matches()) {
      top.mistake(
          Key.NAME, "may have letters, digits, `.`, `_` and `-` only, and at most 100 of them");
    }
    return name;
  }

  private JobConfig.Source source(String name, boolean hasWindows, Places places) {
    Values source = values("source");
    List<String> topics = source.texts(Key.TOPICS);
    Optional<String> path = source.text(Key.SOURCE_PATH);
    Topics.check(source, Key.TOPICS, topics);
    places.checkOne(source, Key.TOPICS, Key.SOURCE_PATH);
    if (path.isPresent()) {
      Places.checkAbsent(source, "is for topics, and the job reads files", Key.START, Key.GROUP_ID);
    }
    return new JobConfig.Source(
        topics,
        path.flatMap(text -> places.uri(source, Key.SOURCE_PATH, text)),
        source.choice(Key.START, JobConfig.Start.class, JobConfig.Start.COMMITTED),
        source.text(Key.GROUP_ID).orElse(name),
        source.choice(Key.PRECISION, Precision.class, Precision.NS),
        source.choice(Key.ON_BAD_LINE, OnBadLine.class, OnBadLine.SKIP) == OnBadLine.FAIL,
        source
            .duration(Key.MAX_OUT_OF_ORDERNESS, Duration.ZERO)
            .or(
                () ->
                    path.isPresent()
                        ? Optional.empty()
                        : Optional.of(DEFAULT_MAX_OUT_OF_ORDERNESS)),
        source
            .duration(Key.MAX_AHEAD, Duration.ZERO)
            .or(
                () ->
                    hasWindows && path.isEmpty()
                        ? Optional.of(DEFAULT_MAX_AHEAD)
                        : Optional.empty()),
        source.duration(Key.IDLENESS, Duration.ofSeconds(1)).orElse(DEFAULT_IDLENESS));
  }

  /** What a line does that can't be read. */
  private enum OnBadLine {
    SKIP,
    FAIL
  }

  private static List<String> groupBy(Values from) {
    List<String> tags = from.texts(Key.GROUP_BY);
    if (tags.size() > 1 && tags.contains(ALL_TAGS)) {
      from.mistake(Key.GROUP_BY, "has \"*\", which means all tags, beside names of tags");
    }
    if (Set.copyOf(tags).size() < tags.size()) {
      from.mistake(Key.GROUP_BY, "has a tag twice");
    }
    return tags;
  }

  private JobConfig.Host host() {
    Values host = values("host");
    Optional<String> socketDir = Places.absolute(host, Key.SOCKET_DIR);
    Optional<String> program = Places.absolute(host, Key.PROGRAM);
    Optional<String> pluginsDir = Places.absolute(host, Key.PLUGINS_DIR);
    // The name of the shortest socket, such as `/a.sock`, comes on top.
    int longest = MAX_SOCKET_PATH - "/a.sock".length();
    if (socketDir.isPresent()
        && socketDir.get().getBytes(StandardCharsets.UTF_8).length > longest) {
      host.mistake(
          Key.SOCKET_DIR,
          "is too long: the path of a socket can have "
              + MAX_SOCKET_PATH
              + " bytes, with the name of the plugin and `.sock`");
    }
    if (host.has(Key.SOCKET_DIR) && host.has(Key.PROGRAM)) {
      host.mistake(
          Key.SOCKET_DIR,
          "is for a host that runs already, and `program` starts one; write one of them");
    }
    if (host.has(Key.PROGRAM) && !host.has(Key.PLUGINS_DIR)) {
      host.mistake(Key.PROGRAM, "needs `plugins-dir`, the folder of the plugins");
    }
    if (host.has(Key.PLUGINS_DIR) && !host.has(Key.PROGRAM)) {
      host.mistake(
          Key.PLUGINS_DIR,
          "is for a host that the job starts; write `program`, too, or leave it out");
    }
    return new JobConfig.Host(
        socketDir, program, host.line(Key.PROGRAM), pluginsDir, host.line(Key.PLUGINS_DIR));
  }
}
