package io.github.kapacitorwasm.flink;

import java.nio.file.Path;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.Configuration;

/** Finds the folder of the host's sockets on the machine of a task manager. */
final class SocketDir {

  /** Key of Flink's configuration. */
  private static final ConfigOption<String> OPTION =
      ConfigOptions.key("kapacitor-wasm.socket-dir").stringType().noDefaultValue();

  private static final String VARIABLE = "KAPACITOR_WASM_SOCKET_DIR";

  private static final String DEFAULT = "/run/kapacitor-wasm";

  private SocketDir() {}

  static Path of(UdfFunction function, Configuration taskManager) {
    if (function.socketDir() != null) {
      return Path.of(function.socketDir());
    }
    String environment = System.getenv(VARIABLE);
    String fallback = environment == null || environment.isEmpty() ? DEFAULT : environment;
    return Path.of(taskManager.getOptional(OPTION).orElse(fallback));
  }
}
