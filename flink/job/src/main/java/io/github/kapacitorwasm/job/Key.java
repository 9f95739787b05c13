package io.github.kapacitorwasm.job;

/**
 * The keys of job.toml, in the order of the table in docs/scale.md, which has the same columns; a
 * test compares them.
 */
enum Key {
  NAME("name", Type.STRING, "required"),
  PARALLELISM("parallelism", Type.INTEGER, "Flink's"),
  MAX_PARALLELISM("max-parallelism", Type.INTEGER, "`128`"),
  CHECKPOINT_INTERVAL("checkpoint-interval", Type.DURATION, "`\"10s\"`"),
  SERVERS("kafka.bootstrap-servers", Type.STRINGS, "required for topics"),
  PROPERTIES("kafka.properties", Type.TABLE, "none"),
  TOPICS("source.topics", Type.STRINGS, "`topics` or `path`"),
  SOURCE_PATH("source.path", Type.STRING, "`topics` or `path`"),
  START("source.start", Type.STRING, "`\"committed\"`"),
  GROUP_ID("source.group-id", Type.STRING, "`name`"),
  PRECISION("source.precision", Type.STRING, "`\"ns\"`"),
  ON_BAD_LINE("source.on-bad-line", Type.STRING, "`\"skip\"`"),
  MAX_OUT_OF_ORDERNESS("source.max-out-of-orderness", Type.DURATION, "`\"5s\"` for topics"),
  MAX_AHEAD("source.max-ahead", Type.DURATION, "`\"1d\"` for windows of topics"),
  IDLENESS("source.idleness", Type.DURATION, "`\"1m\"`"),
  MEASUREMENTS("from.measurements", Type.STRINGS, "all"),
  GROUP_BY("from.group-by", Type.STRINGS, "none"),
  GROUP_BY_MEASUREMENT("from.group-by-measurement", Type.BOOLEAN, "`false`"),
  CALL("plugin.call", Type.STRING, "required"),
  WINDOW("plugin.window", Type.DURATION, "none"),
  EVERY("plugin.every", Type.DURATION, "`window`"),
  NODE("plugin.node", Type.STRING, "the function"),
  TOPIC("sink.topic", Type.STRING, "`topic` or `path`"),
  SINK_PATH("sink.path", Type.STRING, "`topic` or `path`"),
  DELIVERY("sink.delivery", Type.STRING, "`\"exactly-once\"`"),
  TRANSACTION_TIMEOUT("sink.transaction-timeout", Type.DURATION, "`\"15m\"`"),
  SOCKET_DIR("host.socket-dir", Type.STRING, "Flink's"),
  PROGRAM("host.program", Type.STRING, "none"),
  PLUGINS_DIR("host.plugins-dir", Type.STRING, "required for `program`");

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

  /** The array of tables, each of which is a call. */
  static final String PLUGIN = "plugin";

  private final String path;
  private final Type type;
  private final String fallback;

  Key(String path, Type type, String fallback) {
    this.path = path;
    this.type = type;
    this.fallback = fallback;
  }

  /** The key with that of its table, such as {@code source.topics}. */
  String path() {
    return path;
  }

  /** What its value is. */
  Type type() {
    return type;
  }

  /** The default in the words of the table. */
  String fallback() {
    return fallback;
  }

  /** The table of the key; empty for the top of the file. */
  String table() {
    int dot = path.indexOf('.');
    return dot < 0 ? "" : path.substring(0, dot);
  }

  /** The key within its table. */
  String key() {
    return path.substring(path.indexOf('.') + 1);
  }
}
