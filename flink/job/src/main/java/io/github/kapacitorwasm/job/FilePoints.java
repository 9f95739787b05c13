package io.github.kapacitorwasm.job;

import io.github.kapacitorwasm.flink.Point;
import java.io.IOException;
import java.util.OptionalLong;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFlatMapFunction;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.util.Collector;

/** Makes points of the lines of files. */
final class FilePoints extends RichFlatMapFunction<Tuple3<String, Long, byte[]>, Point> {

  private static final long serialVersionUID = 1L;

  private final PointReader reader;

  FilePoints(PointReader reader) {
    this.reader = reader;
  }

  @Override
  public void open(OpenContext context) {
    reader.open(getRuntimeContext());
  }

  @Override
  public void flatMap(Tuple3<String, Long, byte[]> line, Collector<Point> points)
      throws IOException {
    reader.badLines().look();
    if (line.f2.length > FileLines.MAX_LINE) {
      reader.badLines().take(place(line, 0), "it is longer than 1 MiB");
      return;
    }
    reader.read(line.f2, OptionalLong.empty(), breaks -> place(line, breaks), points);
  }

  @Override
  public void close() {
    reader.badLines().close();
  }

  private static String place(Tuple3<String, Long, byte[]> line, int breaks) {
    return line.f0 + ", line " + (line.f1 + breaks);
  }
}
