package io.github.kapacitorwasm.bench;

import io.github.kapacitorwasm.client.HostProcess;
import io.github.kapacitorwasm.flink.KapacitorWasm;
import io.github.kapacitorwasm.flink.Point;
import io.github.kapacitorwasm.flink.PointTypeInfo;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;

/**
 * Points per second and CPU per point of the plugin {@code moving_avg} in Flink, beside the same
 * computation in Java with its state on the heap and in RocksDB, and beside passing points on.
 *
 * <p>All rows of a round run one after the other on the same machine: compare rows of one round.
 * Arguments: {@code BINARY PLUGINS [POINTS [SERIES [ROUNDS [MAX_PARALLELISM]]]]}.
 */
public final class Bench {

  private static final String FIELD = "usage_user";
  private static final String AS = "mean";
  private static final int SIZE = 30;

  private final HostProcess host;
  private final Path checkpoints;
  private final long points;
  private final int series;
  private final int maxParallelism;

  private Bench(HostProcess host, Path checkpoints, long points, int series, int maxParallelism) {
    this.host = host;
    this.checkpoints = checkpoints;
    this.points = points;
    this.series = series;
    this.maxParallelism = maxParallelism;
  }

  /** What is done with the points. */
  private interface Work {
    DataStream<Point> apply(KeyedStream<Point, String> points);
  }

  /**
   * Measures and prints a table.
   *
   * @param args as in the description of the class
   * @throws Exception if a job fails
   */
  public static void main(String[] args) throws Exception {
    long points = args.length > 2 ? Long.parseLong(args[2]) : 2_000_000;
    int series = args.length > 3 ? Integer.parseInt(args[3]) : 1_000;
    int rounds = args.length > 4 ? Integer.parseInt(args[4]) : 3;
    int maxParallelism = args.length > 5 ? Integer.parseInt(args[5]) : 128;
    Path checkpoints = Files.createTempDirectory("kw-bench-");
    try (HostProcess host = HostProcess.start(Path.of(args[0]), Path.of(args[1]))) {
      new Bench(host, checkpoints, points, series, maxParallelism).run(rounds);
    }
  }

  private void run(int rounds) throws Exception {
    System.out.printf(
        "%d points, %d series, max parallelism %d, a checkpoint each second%n%n",
        points, series, maxParallelism);
    for (int parallelism = 1; parallelism <= 2; parallelism++) {
      Map<String, List<String>> rows = new LinkedHashMap<>();
      for (int round = 0; round < rounds; round++) {
        measure(
            rows,
            "identity map",
            parallelism,
            "hashmap",
            keyed -> keyed.map(point -> point).returns(PointTypeInfo.INSTANCE));
        measure(rows, "Java, heap", parallelism, "hashmap", Bench::inJava);
        measure(rows, "Java, RocksDB", parallelism, "rocksdb", Bench::inJava);
        measure(rows, "plugin", parallelism, "hashmap", this::inPlugin);
      }
      System.out.printf("Parallelism %d%n%n", parallelism);
      System.out.println(
          "| | million points/s, and CPU JVM + host in us for a point, round by round |");
      System.out.println("|---|---|");
      rows.forEach(
          (name, cells) ->
              System.out.printf(
                  "| %s | %s |%n", name, cells.stream().collect(Collectors.joining("; "))));
      System.out.println();
    }
  }

  private static DataStream<Point> inJava(KeyedStream<Point, String> keyed) {
    return keyed.process(new JavaMovingAverage(FIELD, SIZE, AS)).returns(PointTypeInfo.INSTANCE);
  }

  private DataStream<Point> inPlugin(KeyedStream<Point, String> keyed) {
    return KapacitorWasm.apply(
        keyed,
        KapacitorWasm.function("moving_avg")
            .option("field", FIELD)
            .option("size", SIZE)
            .option("as", AS)
            .socketDir(host.socketDir()));
  }

  private void measure(
      Map<String, List<String>> rows, String name, int parallelism, String backend, Work work)
      throws Exception {
    Configuration configuration = new Configuration();
    configuration.setString("execution.checkpointing.interval", "1s");
    configuration.setString("execution.checkpointing.dir", checkpoints.toUri().toString());
    configuration.setString("state.backend.type", backend);
    configuration.setString("rest.bind-port", "0");
    StreamExecutionEnvironment environment =
        StreamExecutionEnvironment.createLocalEnvironment(parallelism, configuration);
    environment.setMaxParallelism(maxParallelism);
    // Not captured from this object, which can't be serialized.
    int groups = series;
    KeyedStream<Point, String> keyed =
        environment
            .fromSource(
                new NumberSequenceSource(0, points - 1),
                WatermarkStrategy.noWatermarks(),
                "numbers")
            .map(i -> point(i, groups))
            .returns(PointTypeInfo.INSTANCE)
            .assignTimestampsAndWatermarks(
                WatermarkStrategy.<Point>forMonotonousTimestamps()
                    .withTimestampAssigner((point, before) -> point.timestamp()))
            .keyBy(Point::group);
    work.apply(keyed).sinkTo(new DiscardingSink<>());
    Duration jvm = jvmCpu();
    Duration guest = hostCpu();
    long begin = System.nanoTime();
    environment.execute(name);
    double seconds = (System.nanoTime() - begin) / 1e9;
    rows.computeIfAbsent(name, key -> new ArrayList<>())
        .add(
            String.format(
                Locale.ROOT,
                "%.2f, %.2f + %.2f",
                points / seconds / 1e6,
                perPoint(jvmCpu().minus(jvm)),
                perPoint(hostCpu().minus(guest))));
  }

  private static Point point(long i, int groups) {
    return Point.builder("cpu")
        .timeNanos(1_700_000_000_000_000_000L + i * 1_000_000)
        .tag("host", "server" + i % groups)
        .groupBy("host")
        .field(FIELD, ((i * 0x9E37_79B9_7F4A_7C15L) >>> 40) / 1000.0)
        .field("usage_system", 1.5)
        .build();
  }

  private double perPoint(Duration cpu) {
    return cpu.toNanos() / 1e3 / points;
  }

  private static Duration jvmCpu() {
    return ProcessHandle.current().info().totalCpuDuration().orElse(Duration.ZERO);
  }

  private Duration hostCpu() {
    return host.process().info().totalCpuDuration().orElse(Duration.ZERO);
  }
}
