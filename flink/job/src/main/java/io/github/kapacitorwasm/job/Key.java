package io.github.kapacitorwasm.job;

import java.util.List;

/**
 * A key of job.toml. The table in docs/scale.md has the same columns, and a test compares them.
 *
 * @param path the key with that of its table, such as {@code source.topics}
 * @param type what its value is
 * @param fallback the default in the words of the table
 */
record Key(String path, Type type, String fallback) {

  /** Types of values. */
  enum Type {
    STRING("string", "a string, such as \"text\""),
    STRINGS("array of strings", "an array of strings, such as [\"text\"]"),
    INTEGER("integer", "an integer, such as 2"),
    BOOLEAN("boolean", "true or false"),
    DURATION("duration", "a duration in a string, such as \"10s\""),
    TABLE("table", "a table");

    private final String title;
    private final String example;

    Type(String title, String example) {
      this.title = title;
      this.example = example;
    }

    String title() {
      return title;
    }

    /** What to write, for a message. */
    String example() {
      return example;
    }
  }

  private static final String REQUIRED = "required";

  static final Key NAME = new Key("name", Type.STRING, REQUIRED);
  static final Key PARALLELISM = new Key("parallelism", Type.INTEGER, "Flink's");
  static final Key MAX_PARALLELISM = new Key("max-parallelism", Type.INTEGER, "`128`");
  static final Key CHECKPOINT_INTERVAL = new Key("checkpoint-interval", Type.DURATION, "`\"10s\"`");
  static final Key SERVERS =
      new Key("kafka.bootstrap-servers", Type.STRINGS, "required for topics");
  static final Key PROPERTIES = new Key("kafka.properties", Type.TABLE, "none");
  static final Key TOPICS = new Key("source.topics", Type.STRINGS, "`topics` or `path`");
  static final Key SOURCE_PATH = new Key("source.path", Type.STRING, "`topics` or `path`");
  static final Key START = new Key("source.start", Type.STRING, "`\"committed\"`");
  static final Key GROUP_ID = new Key("source.group-id", Type.STRING, "`name`");
  static final Key PRECISION = new Key("source.precision", Type.STRING, "`\"ns\"`");
  static final Key ON_BAD_LINE = new Key("source.on-bad-line", Type.STRING, "`\"skip\"`");
  static final Key MAX_OUT_OF_ORDERNESS =
      new Key("source.max-out-of-orderness", Type.DURATION, "`\"5s\"`");
  static final Key IDLENESS = new Key("source.idleness", Type.DURATION, "`\"1m\"`");
  static final Key MEASUREMENTS = new Key("from.measurements", Type.STRINGS, "all");
  static final Key GROUP_BY = new Key("from.group-by", Type.STRINGS, "none");
  static final Key GROUP_BY_MEASUREMENT =
      new Key("from.group-by-measurement", Type.BOOLEAN, "`false`");
  static final Key CALL = new Key("plugin.call", Type.STRING, REQUIRED);
  static final Key WINDOW = new Key("plugin.window", Type.DURATION, "none");
  static final Key EVERY = new Key("plugin.every", Type.DURATION, "`window`");
  static final Key NODE = new Key("plugin.node", Type.STRING, "the function");
  static final Key TOPIC = new Key("sink.topic", Type.STRING, "`topic` or `path`");
  static final Key SINK_PATH = new Key("sink.path", Type.STRING, "`topic` or `path`");
  static final Key DELIVERY = new Key("sink.delivery", Type.STRING, "`\"exactly-once\"`");
  static final Key TRANSACTION_TIMEOUT =
      new Key("sink.transaction-timeout", Type.DURATION, "`\"15m\"`");
  static final Key SOCKET_DIR = new Key("host.socket-dir", Type.STRING, "Flink's");
  static final Key PROGRAM = new Key("host.program", Type.STRING, "none");
  static final Key PLUGINS_DIR = new Key("host.plugins-dir", Type.STRING, "required for `program`");

  /** All keys, in the order of the table. */
  static final List<Key> ALL =
      List.of(
          NAME,
          PARALLELISM,
          MAX_PARALLELISM,
          CHECKPOINT_INTERVAL,
          SERVERS,
          PROPERTIES,
          TOPICS,
          SOURCE_PATH,
          START,
          GROUP_ID,
          PRECISION,
          ON_BAD_LINE,
          MAX_OUT_OF_ORDERNESS,
          IDLENESS,
          MEASUREMENTS,
          GROUP_BY,
          GROUP_BY_MEASUREMENT,
          CALL,
          WINDOW,
          EVERY,
          NODE,
          TOPIC,
          SINK_PATH,
          DELIVERY,
          TRANSACTION_TIMEOUT,
          SOCKET_DIR,
          PROGRAM,
          PLUGINS_DIR);

  /** The array of tables, each of which is a call. */
  static final String PLUGIN = "plugin";

  /** The table of the key; empty for the top of the file. */
  String table() {
    int dot = path.indexOf('.');
    return dot < 0 ? "" : path.substring(0, dot);
  }

  /** The key within its table. */
  String name() {
    return path.substring(path.indexOf('.') + 1);
  }
}
