package io.github.kapacitorwasm.job;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.github.kapacitorwasm.flink.Point;
import io.github.kapacitorwasm.job.line.LineWriter;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URI;
import java.util.Properties;
import org.apache.flink.api.common.serialization.Encoder;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.file.sink.FileSink;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.sink.KafkaSinkBuilder;
import org.apache.flink.core.fs.Path;
import org.apache.flink.streaming.api.functions.sink.filesystem.OutputFileConfig;
import org.apache.flink.streaming.api.functions.sink.filesystem.bucketassigners.BasePathBucketAssigner;
import org.apache.flink.streaming.api.functions.sink.filesystem.rollingpolicies.OnCheckpointRollingPolicy;

/** Makes the sink of a job. */
final class Sinks {

  private Sinks() {}

  /** A sink that writes lines. */
  static Sink<Point> sink(JobConfig config) {
    return config.sink().path().map(Sinks::files).orElseGet(() -> topic(config));
  }

  private static Sink<Point> files(URI path) {
    return FileSink.forRowFormat(new Path(path), new Lines())
        .withBucketAssigner(new BasePathBucketAssigner<>())
        .withRollingPolicy(OnCheckpointRollingPolicy.build())
        .withOutputFileConfig(
            OutputFileConfig.builder().withPartPrefix("part").withPartSuffix(".lp").build())
        .build();
  }

  private static Sink<Point> topic(JobConfig config) {
    JobConfig.Sink sink = config.sink();
    Properties properties = KafkaClients.properties(config);
    KafkaSinkBuilder<Point> builder =
        KafkaSink.<Point>builder()
            .setBootstrapServers(properties.getProperty("bootstrap.servers"))
            .setRecordSerializer(new KafkaRecords(sink.topic().orElseThrow(), properties));
    if (sink.delivery() == JobConfig.Delivery.EXACTLY_ONCE) {
      KafkaClients.setTransactions(properties, config);
      // Flink makes the names of its transactions itself.
      properties.remove("transactional.id");
      builder
          .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
          .setTransactionalIdPrefix(config.name());
    } else {
      builder.setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE);
    }
    return builder.setKafkaProducerConfig(properties).build();
  }

  /** Writes a line of a file. */
  private static final class Lines implements Encoder<Point> {

    private static final long serialVersionUID = 1L;

    @Override
    public void encode(Point point, OutputStream stream) throws IOException {
      stream.write(LineWriter.write(point).getBytes(UTF_8));
    }
  }
}
