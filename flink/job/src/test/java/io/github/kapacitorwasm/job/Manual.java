package io.github.kapacitorwasm.job;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The section of docs/scale.md that is about job.toml, and the job of the manifest. */
final class Manual {

  private static final Pattern EXAMPLE =
      Pattern.compile("^```toml\\n(# job\\.toml.*?)^```$", Pattern.MULTILINE | Pattern.DOTALL);

  private static final Pattern ROW =
      Pattern.compile(
          "^\\| `([a-z.-]+)` \\| ([^|]+) \\| ([^|]+) \\| [^|]+ \\|$", Pattern.MULTILINE);

  private Manual() {}

  /** The examples of whole files. */
  static List<String> examples() throws IOException {
    List<String> examples = new ArrayList<>();
    Matcher matcher = EXAMPLE.matcher(text());
    while (matcher.find()) {
      examples.add(matcher.group(1));
    }
    return examples;
  }

  /** The rows of the table of keys, without the meaning. */
  static List<String> keys() throws IOException {
    String text = text();
    int start = text.indexOf("#### Keys of job.toml");
    int end = text.indexOf("\n#### ", start + 1);
    List<String> keys = new ArrayList<>();
    Matcher matcher = ROW.matcher(text.substring(start, end));
    while (matcher.find()) {
      keys.add(String.join(" | ", matcher.group(1), matcher.group(2), matcher.group(3)));
    }
    return keys;
  }

  /** The job.toml in the manifest for Kubernetes. */
  static String jobOfTheManifest() throws IOException {
    String manifest = read("packaging/kubernetes/flink.yaml");
    String key = "\n  job.toml: |\n";
    return manifest.substring(manifest.indexOf(key) + key.length()).stripIndent();
  }

  private static String text() throws IOException {
    return read("docs/scale.md");
  }

  private static String read(String file) throws IOException {
    return Files.readString(
        Path.of(System.getProperty("kapacitor-wasm.repository", "../..")).resolve(file));
  }
}
