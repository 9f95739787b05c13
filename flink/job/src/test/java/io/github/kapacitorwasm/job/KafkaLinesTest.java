package io.github.kapacitorwasm.job;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.kapacitorwasm.flink.Point;
import io.github.kapacitorwasm.job.line.Grouping;
import io.github.kapacitorwasm.job.line.LineParser;
import io.github.kapacitorwasm.job.line.Precision;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.apache.flink.api.common.functions.util.ListCollector;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;
import org.apache.flink.util.SimpleUserCodeClassLoader;
import org.apache.flink.util.UserCodeClassLoader;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.Test;

/** Records become points. */
class KafkaLinesTest {

  private static final DeserializationSchema.InitializationContext CONTEXT =
      new DeserializationSchema.InitializationContext() {
        @Override
        public MetricGroup getMetricGroup() {
          return new UnregisteredMetricsGroup();
        }

        @Override
        public UserCodeClassLoader getUserCodeClassLoader() {
          return SimpleUserCodeClassLoader.create(KafkaLinesTest.class.getClassLoader());
        }
      };

  private static ConsumerRecord<byte[], byte[]> record(String topic, long time) {
    return new ConsumerRecord<>(topic, 0, 0, null, ("cpu f=1 " + time).getBytes(UTF_8));
  }

  /** A job that starts from a savepoint is given the partitions of the topics before, too. */
  @Test
  void topicsThatTheJobDoesNotNameAreLeftOut() throws Exception {
    LineParser parser = new LineParser(Precision.NS, new Grouping(List.of(), false));
    KafkaLines lines =
        new KafkaLines(
            List.of("new", "other"),
            new PointReader(
                parser,
                new BadLines("test", true),
                new Measurements("test", Set.of()),
                new Horizon(Optional.empty())));
    lines.open(CONTEXT);
    List<Point> points = new ArrayList<>();
    try (LogLines log = new LogLines()) {
      for (ConsumerRecord<byte[], byte[]> record :
          List.of(record("old", 1), record("new", 2), record("old", 3), record("other", 4))) {
        lines.deserialize(record, new ListCollector<>(points));
      }
      assertEquals(
          1,
          log.count(
              "job test: topic old: it is one of the savepoint, and `topics` in [source] does not name it any"
                  + " more; its records are left out"));
    }
    assertEquals(List.of(2L, 4L), points.stream().map(Point::timeNanos).toList());
  }
}
