package io.github.kapacitorwasm.flink;

import io.github.kapacitorwasm.client.UdfClientOptions;
import io.github.kapacitorwasm.client.UdfException;
import io.github.kapacitorwasm.client.UdfOptions;
import java.io.IOException;
import java.io.Serializable;
import java.nio.file.Path;
import java.time.Duration;

/**
 * A call of a function of kapacitor-wasm, as a TICKscript would write it, and how to reach the
 * host. Its methods return a changed copy. Made by {@link KapacitorWasm#function}.
 */
public final class UdfFunction implements Serializable {

  private static final long serialVersionUID = 1L;

  /** The name of the function at the host. */
  private final String name;

  /** The options of the call. */
  private UdfOptions options = UdfOptions.none();

  /** The name of the task; null for that of the job. */
  private String task;

  /** The name of the node. */
  private String node;

  /** The folder of the sockets; null if it was not given. */
  private String socketDir;

  /** The program of the host that each task manager starts; null if hosts run already. */
  private String program;

  /** The plugins of that host. */
  private String pluginsDir;

  /** Maximum time that a point waits for others. */
  private Duration flushInterval = Duration.ofMillis(10);

  /** When watermarks go on. */
  private WatermarkPolicy watermarks = WatermarkPolicy.FENCED;

  /** Limits of the connection. */
  private UdfClientOptions client = UdfClientOptions.defaults();

  /** Whether the host is told that it has no state of its own. */
  private boolean isStateOurs = true;

  UdfFunction(String name) {
    if (name.isEmpty() || name.contains("/")) {
      throw new IllegalArgumentException("`" + name + "` can be no name of a function");
    }
    this.name = name;
    this.node = name;
  }

  private UdfFunction(UdfFunction from) {
    name = from.name;
    options = from.options;
    task = from.task;
    node = from.node;
    socketDir = from.socketDir;
    program = from.program;
    pluginsDir = from.pluginsDir;
    flushInterval = from.flushInterval;
    watermarks = from.watermarks;
    client = from.client;
    isStateOurs = from.isStateOurs;
  }

  /**
   * Gives the function an option, as {@code .size(30)} in a TICKscript. It may be given several
   * times.
   *
   * @param option its name
   * @param values its arguments, of the types of {@link UdfOptions#with}; none for a flag
   * @return a changed copy
   */
  public UdfFunction option(String option, Object... values) {
    UdfFunction copy = new UdfFunction(this);
    copy.options = options.with(option, values);
    return copy;
  }

  /**
   * Names the task; the host's log, metrics and routes have the name. The default is the name of
   * the job.
   *
   * @param id an id as that of a task of Kapacitor
   * @return a changed copy
   */
  public UdfFunction task(String id) {
    UdfFunction copy = new UdfFunction(this);
    copy.task = id;
    return copy;
  }

  /**
   * Names the node; the host's log and metrics have the name, followed by {@code /} and the key
   * group. The default is the name of the function: a job that calls one function twice should name
   * both nodes.
   *
   * @param id an id as that of a node of a task of Kapacitor
   * @return a changed copy
   */
  public UdfFunction node(String id) {
    UdfFunction copy = new UdfFunction(this);
    copy.node = id;
    return copy;
  }

  /**
   * Says where the host's sockets are, on each machine with a task manager. The default is {@code
   * kapacitor-wasm.socket-dir} of Flink's configuration or, without one, the environment variable
   * {@code KAPACITOR_WASM_SOCKET_DIR} or, without one, {@code /run/kapacitor-wasm}.
   *
   * @param folder the host's {@code socket-dir}
   * @return a changed copy
   */
  public UdfFunction socketDir(Path folder) {
    UdfFunction copy = new UdfFunction(this);
    copy.socketDir = folder.toString();
    return copy;
  }

  /**
   * Lets each task manager start a host of its own, which all functions of the job with the same
   * arguments share. It ends with the last of their tasks.
   *
   * @param newProgram path of {@code kapacitor-wasm} on each machine with a task manager
   * @param newPluginsDir path of the folder of the plugins there
   * @return a changed copy
   */
  public UdfFunction startHost(Path newProgram, Path newPluginsDir) {
    UdfFunction copy = new UdfFunction(this);
    copy.program = newProgram.toString();
    copy.pluginsDir = newPluginsDir.toString();
    return copy;
  }

  /**
   * Sets the maximum time that a point waits for others, to be sent together with them. The default
   * is 10 ms.
   *
   * @param interval at least 1 ms
   * @return a changed copy
   */
  public UdfFunction flushInterval(Duration interval) {
    if (interval.toMillis() < 1) {
      throw new IllegalArgumentException("flushInterval must be at least 1 ms, and is " + interval);
    }
    UdfFunction copy = new UdfFunction(this);
    copy.flushInterval = interval;
    return copy;
  }

  /**
   * Says when watermarks go on. The default is {@link WatermarkPolicy#FENCED}.
   *
   * @param policy when
   * @return a changed copy
   */
  public UdfFunction watermarks(WatermarkPolicy policy) {
    UdfFunction copy = new UdfFunction(this);
    copy.watermarks = policy;
    return copy;
  }

  /**
   * Sets the limits of the connection to the host.
   *
   * @param newClient limits
   * @return a changed copy
   */
  public UdfFunction client(UdfClientOptions newClient) {
    UdfFunction copy = new UdfFunction(this);
    copy.client = newClient;
    return copy;
  }

  /**
   * Lets the host treat the sessions as those of Kapacitor, with checkpoints of its own. State is
   * not exactly once then, and jobs fail: this is for the test that shows it.
   */
  UdfFunction stateOfHost() {
    UdfFunction copy = new UdfFunction(this);
    copy.isStateOurs = false;
    return copy;
  }

  /**
   * Returns the name.
   *
   * @return the name of the function at the host
   */
  public String name() {
    return name;
  }

  UdfOptions options() {
    return options;
  }

  /** The name of the task; null for that of the job. */
  String task() {
    return task;
  }

  String node() {
    return node;
  }

  /** The folder of the sockets; null if it was not given. */
  String socketDir() {
    return socketDir;
  }

  boolean isHostStarted() {
    return program != null;
  }

  /** Starts the host for a job, or shares it with others. */
  SharedHost acquireHost(String job) throws UdfException, InterruptedException {
    try {
      return SharedHost.acquire(job, Path.of(program), Path.of(pluginsDir));
    } catch (IOException e) {
      throw new UdfException(name, "", "the host " + program + " can't be started", e);
    }
  }

  Duration flushInterval() {
    return flushInterval;
  }

  WatermarkPolicy watermarks() {
    return watermarks;
  }

  UdfClientOptions client() {
    return client;
  }

  boolean isStateOurs() {
    return isStateOurs;
  }

  @Override
  public String toString() {
    return "@" + name + "()";
  }
}
