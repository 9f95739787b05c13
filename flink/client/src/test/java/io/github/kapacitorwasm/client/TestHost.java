package io.github.kapacitorwasm.client;

import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Starts real hosts for tests. Variables say where things are, if they are not where the
 * repository's build puts them: {@code KAPACITOR_WASM} the program, {@code KAPACITOR_WASM_PLUGINS}
 * a folder of plugins, and {@code KAPACITOR_WASM_GUESTS} the guests of the repository's tests.
 */
public final class TestHost {

  private TestHost() {}

  /** Starts a host with some plugins of the repository, or guests of its tests. */
  public static HostProcess start(String... plugins) throws IOException, InterruptedException {
    return HostProcess.start(binary(), folderWith(plugins));
  }

  /** Starts a host with settings of the test. */
  public static HostProcess startWith(String settings, String... plugins)
      throws IOException, InterruptedException {
    return HostProcess.start(binary(), folderWith(plugins), settings);
  }

  /** Starts a host with one plugin, whose file is {@code wasm}. */
  public static HostProcess startWithFile(String plugin, byte[] wasm)
      throws IOException, InterruptedException {
    Path binary = binary();
    Path folder = Files.createTempDirectory("kw-plugins-");
    folder.toFile().deleteOnExit();
    Path file = folder.resolve(plugin + ".wasm");
    Files.write(file, wasm);
    file.toFile().deleteOnExit();
    return HostProcess.start(binary, folder);
  }

  /** A folder with nothing but these, since compiling all of them takes a while. */
  private static Path folderWith(String... plugins) throws IOException {
    Path folder = Files.createTempDirectory("kw-plugins-");
    folder.toFile().deleteOnExit();
    for (String plugin : plugins) {
      String file = plugin + ".wasm";
      Path built = plugins().resolve(file);
      Path copy = folder.resolve(file);
      Files.copy(Files.exists(built) ? built : guests().resolve(file), copy);
      copy.toFile().deleteOnExit();
    }
    return folder;
  }

  /** The program; skips the test if it was not built. */
  public static Path binary() {
    return existing("KAPACITOR_WASM", "target/release/kapacitor-wasm", "cargo build --release");
  }

  /** The folder of the plugins; skips the test if they were not built. */
  public static Path plugins() {
    existing("KAPACITOR_WASM_PLUGINS", "plugins", "cargo plugins", "moving_avg.wasm");
    return existing("KAPACITOR_WASM_PLUGINS", "plugins", "cargo plugins");
  }

  /** The folder of the guests of tests; skips the test if they were not built. */
  public static Path guests() {
    return existing(
        "KAPACITOR_WASM_GUESTS", "target/wasm32-unknown-unknown/plugin/examples", "cargo plugins");
  }

  private static Path existing(String variable, String path, String command, String... file) {
    String given = System.getenv(variable);
    Path found =
        given == null || given.isEmpty()
            ? Path.of(System.getProperty("kapacitor-wasm.repository", "../..")).resolve(path)
            : Path.of(given);
    for (String name : file) {
      found = found.resolve(name);
    }
    if (!Files.exists(found)) {
      String reason = "skipped: there is no " + found + "; run `" + command + "` before";
      System.out.println(reason);
      abort(reason);
    }
    return found.toAbsolutePath().normalize();
  }
}
