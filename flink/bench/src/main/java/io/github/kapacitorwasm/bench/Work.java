package io.github.kapacitorwasm.bench;

import io.github.kapacitorwasm.flink.KapacitorWasm;
import io.github.kapacitorwasm.flink.Point;
import io.github.kapacitorwasm.flink.PointTypeInfo;
import java.nio.file.Path;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.KeyedStream;

/** What is done with the points: a row of the tables. */
enum Work {
  /** Nothing: what Flink and the points cost by themselves. */
  IDENTITY("points passed on", "hashmap"),

  /** A moving average in Java. */
  HEAP("Java, state on the heap", "hashmap"),

  /** The same in RocksDB. */
  ROCKSDB("Java, state in RocksDB", "rocksdb"),

  /** The plugin. */
  PLUGIN("plugin `moving_avg`", "hashmap");

  private static final String AS = "mean";
  private static final int SIZE = 30;

  private final String title;
  private final String backend;

  Work(String title, String backend) {
    this.title = title;
    this.backend = backend;
  }

  String title() {
    return title;
  }

  /** Flink's state backend. */
  String backend() {
    return backend;
  }

  DataStream<Point> apply(KeyedStream<Point, String> points, Path socketDir) {
    return switch (this) {
      case IDENTITY -> points.map(point -> point).returns(PointTypeInfo.INSTANCE);
      case HEAP, ROCKSDB ->
          points
              .process(new JavaMovingAverage(Points.FIELD, SIZE, AS))
              .returns(PointTypeInfo.INSTANCE);
      case PLUGIN ->
          KapacitorWasm.apply(
              points,
              KapacitorWasm.function("moving_avg")
                  .option("field", Points.FIELD)
                  .option("size", SIZE)
                  .option("as", AS)
                  .socketDir(socketDir));
    };
  }
}
