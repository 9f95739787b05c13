package io.github.kapacitorwasm.job;

import java.io.IOException;
import java.io.InputStream;
import java.util.Properties;

/** Which version this is, as the build has written it down. */
final class Version {

  private static final String FILE = "version.properties";

  private Version() {}

  /** A line for people. */
  static String text() throws IOException {
    Properties properties = new Properties();
    try (InputStream file = Version.class.getResourceAsStream(FILE)) {
      if (file == null) {
        throw new IOException("the jar has no " + FILE);
      }
      properties.load(file);
    }
    return "kapacitor-wasm-flink "
        + properties.getProperty("version")
        + ", built for Flink "
        + properties.getProperty("flink");
  }
}
