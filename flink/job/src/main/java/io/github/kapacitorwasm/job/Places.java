package io.github.kapacitorwasm.job;

import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.regex.Pattern;

/** Checks where a job reads and writes. */
final class Places {

  private static final Pattern SCHEME = Pattern.compile("[a-z][a-z0-9+.-]+://.*");

  private final Path folder;
  private final Mistakes mistakes;

  /** Paths are relative to {@code folder}. */
  Places(Path folder, Mistakes mistakes) {
    this.folder = folder;
    this.mistakes = mistakes;
  }

  /** Checks that exactly one of two keys is there. */
  void checkOne(Values values, Key topic, Key path) {
    if (values.has(topic) && values.has(path)) {
      values.mistake(path, "can't stand beside `" + topic.key() + "`; write one of them");
    } else if (!values.has(topic) && !values.has(path)) {
      mistakes.add(
          values.line(topic),
          "[" + topic.table() + "] needs `" + topic.key() + "` or `" + path.key() + "`");
    }
  }

  /** Checks that keys are absent. */
  static void checkAbsent(Values values, String reason, Key... keys) {
    for (Key key : keys) {
      if (values.has(key)) {
        values.mistake(key, reason + "; leave it out");
      }
    }
  }

  /** A path or a URI of a file system of Flink. */
  Optional<URI> uri(Values values, Key key, String text) {
    try {
      return Optional.of(
          SCHEME.matcher(text).matches()
              ? new URI(text)
              : folder.resolve(Path.of(text)).normalize().toUri());
    } catch (URISyntaxException | InvalidPathException e) {
      values.mistake(key, "is no path: " + e.getMessage());
      return Optional.empty();
    }
  }

  /** Checks that a folder to write can be one, as far as it is on this machine. */
  static void checkFolder(Values values, Key key, URI folder) {
    if (!"file".equals(folder.getScheme())) {
      return;
    }
    Path place = Path.of(folder);
    while (place != null && !Files.exists(place)) {
      place = place.getParent();
    }
    if (place != null && !Files.isDirectory(place)) {
      values.mistake(
          key,
          place.equals(Path.of(folder))
              ? "is a file; name a folder, in which results become files"
              : "can't be a folder, since " + place + " is a file; name another folder");
    }
  }

  /** A path that is the same on each machine. */
  static Optional<String> absolute(Values values, Key key) {
    Optional<String> text = values.text(key);
    if (text.isPresent() && !text.get().startsWith("/")) {
      values.mistake(
          key, "is a path on the machines of the task managers, so it must begin with `/`");
    }
    return text;
  }

  private static String asFolder(URI path) {
    String text = path.toString();
    return text.endsWith("/") ? text : text + "/";
  }

  /** Checks that a job does not read its own results. */
  void checkApart(JobConfig.Source source, JobConfig.Sink sink, Values values) {
    if (sink.topic().isPresent() && source.topics().contains(sink.topic().get())) {
      values.mistake(Key.TOPIC, "is read by the job, too: it would read its own results for ever");
    }
    if (sink.path().isPresent()
        && source.path().isPresent()
        && asFolder(sink.path().get()).startsWith(asFolder(source.path().get()))) {
      values.mistake(
          Key.SINK_PATH,
          "is read by the job, too, with all folders below `path` of [source]; write another folder");
    }
  }
}
