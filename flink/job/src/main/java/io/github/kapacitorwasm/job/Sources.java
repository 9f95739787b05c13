package io.github.kapacitorwasm.job;

import io.github.kapacitorwasm.flink.Point;
import io.github.kapacitorwasm.flink.PointTypeInfo;
import io.github.kapacitorwasm.job.line.LineParser;
import java.net.URI;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.connector.file.src.FileSource;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.core.fs.Path;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.clients.consumer.OffsetResetStrategy;

/** Makes the source of a job. */
final class Sources {

  private final StreamExecutionEnvironment environment;
  private final JobConfig config;
  private final PointReader reader;
  private final WatermarkStrategy<Point> watermarks;

  private Sources(StreamExecutionEnvironment environment, JobConfig config) {
    this.environment = environment;
    this.config = config;
    JobConfig.Source source = config.source();
    reader =
        new PointReader(
            new LineParser(source.precision(), config.grouping()),
            new BadLines(config.name(), source.isBadLineFatal()),
            new Measurements(config.name(), config.measurements()),
            new Horizon(source.maxAhead()));
    // Without watermarks on the way, Flink ends all windows when the input ends.
    watermarks =
        source
            .maxOutOfOrderness()
            .map(WatermarkStrategy::<Point>forBoundedOutOfOrderness)
            .orElseGet(WatermarkStrategy::noWatermarks)
            .withTimestampAssigner((point, before) -> point.timestamp())
            .withIdleness(source.idleness());
  }

  /** The points of the lines that the job reads. */
  static DataStream<Point> points(StreamExecutionEnvironment environment, JobConfig config) {
    Sources sources = new Sources(environment, config);
    return config.source().path().map(sources::files).orElseGet(sources::topics);
  }

  private DataStream<Point> files(URI path) {
    FileSource<Tuple3<String, Long, byte[]>> files =
        FileSource.forBulkFileFormat(new FileLines(), new Path(path))
            .setSplitAssigner(FilesByName::assigner)
            .build();
    return environment
        .fromSource(files, WatermarkStrategy.noWatermarks(), "files", FileLines.type())
        .uid("source")
        .setParallelism(1)
        .flatMap(new FilePoints(reader))
        .returns(PointTypeInfo.INSTANCE)
        .uid("lines")
        .name("lines")
        .setParallelism(1)
        .assignTimestampsAndWatermarks(watermarks)
        .uid("watermarks")
        .setParallelism(1);
  }

  private DataStream<Point> topics() {
    JobConfig.Source source = config.source();
    KafkaSource<Point> topics =
        KafkaSource.<Point>builder()
            // Lines of a transaction that was taken back are no lines.
            .setProperty("isolation.level", "read_committed")
            .setProperties(KafkaClients.properties(config))
            .setTopics(source.topics())
            .setGroupId(source.groupId())
            .setStartingOffsets(offsets(source.start()))
            .setDeserializer(new KafkaLines(source.topics(), reader))
            .build();
    return environment
        .fromSource(topics, watermarks, "topics", PointTypeInfo.INSTANCE)
        .uid("source");
  }

  // Kafka has deprecated the type that Flink's connector asks for.
  @SuppressWarnings("deprecation")
  private static OffsetsInitializer offsets(JobConfig.Start start) {
    return switch (start) {
      case EARLIEST -> OffsetsInitializer.earliest();
      case LATEST -> OffsetsInitializer.latest();
      case COMMITTED -> OffsetsInitializer.committedOffsets(OffsetResetStrategy.EARLIEST);
    };
  }
}
