package io.github.kapacitorwasm.job;

import io.github.kapacitorwasm.flink.Point;
import io.github.kapacitorwasm.job.line.LineException;
import io.github.kapacitorwasm.job.line.LineParser;
import io.github.kapacitorwasm.job.line.LineSplitter;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.util.Optional;
import java.util.OptionalLong;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFlatMapFunction;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.util.Collector;

/** Makes points of the lines of files. */
final class FilePoints extends RichFlatMapFunction<Tuple3<String, Long, byte[]>, Point> {

  private static final long serialVersionUID = 1L;

  private final LineParser parser;
  private final BadLines badLines;

  FilePoints(LineParser parser, BadLines badLines) {
    this.parser = parser;
    this.badLines = badLines;
  }

  @Override
  public void open(OpenContext context) {
    badLines.open(getRuntimeContext().getMetricGroup());
  }

  @Override
  public void flatMap(Tuple3<String, Long, byte[]> line, Collector<Point> points)
      throws IOException {
    try {
      if (line.f2.length > FileLines.MAX_LINE) {
        badLines.take(place(line), "it is longer than 1 MiB");
        return;
      }
      String text = new LineSplitter(Utf8.decode(line.f2)).next();
      if (text != null) {
        Optional<Point> point = parser.parse(text, OptionalLong.empty());
        if (point.isPresent()) {
          points.collect(point.get());
        }
      }
    } catch (CharacterCodingException e) {
      badLines.take(place(line), "it is no UTF-8");
    } catch (LineException e) {
      badLines.take(place(line), e.getMessage());
    }
  }

  private static String place(Tuple3<String, Long, byte[]> line) {
    return line.f0 + ", line " + line.f1;
  }
}
