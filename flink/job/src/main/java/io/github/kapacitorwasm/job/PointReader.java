package io.github.kapacitorwasm.job;

import io.github.kapacitorwasm.flink.Point;
import io.github.kapacitorwasm.job.line.LineException;
import io.github.kapacitorwasm.job.line.LineParser;
import io.github.kapacitorwasm.job.line.LineSplitter;
import java.io.IOException;
import java.io.Serializable;
import java.nio.charset.CharacterCodingException;
import java.util.OptionalLong;
import java.util.function.IntFunction;
import org.apache.flink.api.common.functions.RuntimeContext;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.util.Collector;

/** Makes points of bytes that are lines, wherever they come from. */
final class PointReader implements Serializable {

  private static final long serialVersionUID = 1L;

  private final LineParser parser;
  private final BadLines badLines;
  private final Measurements measurements;
  private final Horizon horizon;

  PointReader(LineParser parser, BadLines badLines, Measurements measurements, Horizon horizon) {
    this.parser = parser;
    this.badLines = badLines;
    this.measurements = measurements;
    this.horizon = horizon;
  }

  /** Registers metrics and accumulators, before any line. */
  void open(RuntimeContext context) {
    badLines.open(context);
    measurements.open(context);
  }

  /** Registers the metrics alone, where there are no accumulators. */
  void open(MetricGroup group) {
    badLines.open(group);
    measurements.open(group);
  }

  /** What happens to lines that can't be read. */
  BadLines badLines() {
    return badLines;
  }

  /**
   * Reads all lines of a text.
   *
   * @param bytes lines, each with a line break; that of the last one may be absent
   * @param time of lines that have none, in nanoseconds since 1970
   * @param place where a line is, for a message; it gets the number of line breaks before the line
   * @param points gets the points
   * @throws IOException if a line can't be read, and that is fatal
   */
  void read(byte[] bytes, OptionalLong time, IntFunction<String> place, Collector<Point> points)
      throws IOException {
    String text;
    try {
      text = Utf8.decode(bytes);
    } catch (CharacterCodingException e) {
      badLines.take(place.apply(0), "it is no UTF-8");
      return;
    }
    LineSplitter lines = new LineSplitter(text);
    for (String line = lines.next(); line != null; line = lines.next()) {
      try {
        read(line, lines, time, place, points);
      } catch (LineException e) {
        readAgain(line, lines, time, place, points, e);
      }
    }
  }

  private void read(
      String line,
      LineSplitter lines,
      OptionalLong time,
      IntFunction<String> place,
      Collector<Point> points)
      throws LineException, IOException {
    Point point = parser.parse(line, time);
    if (!measurements.take(point)) {
      return;
    }
    if (horizon.isBeyond(point)) {
      badLines.take(place.apply(lines.breaksBefore()), horizon.problem(point));
    } else {
      points.collect(point);
    }
  }

  /** Takes a line that can't be read. If it has line breaks, only its first one may be wrong. */
  private void readAgain(
      String line,
      LineSplitter lines,
      OptionalLong time,
      IntFunction<String> place,
      Collector<Point> points,
      LineException problem)
      throws IOException {
    LineException reason = problem;
    if (line.indexOf('\n') >= 0) {
      try {
        read(lines.cutAtLineBreak(), lines, time, place, points);
        return;
      } catch (LineException e) {
        reason = e;
      }
    }
    badLines.take(place.apply(lines.breaksBefore()), reason.getMessage());
  }
}
