package io.github.kapacitorwasm.job;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.kapacitorwasm.flink.Point;
import io.github.kapacitorwasm.job.line.Grouping;
import io.github.kapacitorwasm.job.line.LineParser;
import io.github.kapacitorwasm.job.line.Precision;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.apache.flink.api.common.functions.util.ListCollector;
import org.apache.flink.api.java.tuple.Tuple3;
import org.junit.jupiter.api.Test;

/** What becomes of lines that can't be read. */
class BadLinesTest {

  /** Any time is allowed. */
  private static final List<byte[]> LINES =
      List.of(
          "cpu f=1 1".getBytes(UTF_8),
          "cpu f=wrong 2".getBytes(UTF_8),
          "# a comment".getBytes(UTF_8),
          new byte[] {'c', ' ', (byte) 0xff},
          new byte[FileLines.MAX_LINE + 1],
          "cpu f=1 3".getBytes(UTF_8));

  private static FilePoints reader(BadLines badLines) {
    return reader(Precision.NS, badLines, new Horizon(Optional.empty()));
  }

  private static FilePoints reader(Precision precision, BadLines badLines, Horizon horizon) {
    LineParser parser = new LineParser(precision, new Grouping(List.of(), false));
    Measurements all = new Measurements("test", Set.of());
    all.open(new Counters());
    return new FilePoints(new PointReader(parser, badLines, all, horizon));
  }

  private static List<Point> read(BadLines badLines) throws IOException {
    FilePoints reader = reader(badLines);
    List<Point> points = new ArrayList<>();
    for (int i = 0; i < LINES.size(); i++) {
      reader.flatMap(Tuple3.of("a.lp", i + 1L, LINES.get(i)), new ListCollector<>(points));
    }
    return points;
  }

  @Test
  void theyAreSkippedAndCounted() throws Exception {
    Counters counters = new Counters();
    BadLines badLines = new BadLines("test", false);
    badLines.open(counters);
    assertEquals(List.of(1L, 3L), read(badLines).stream().map(Point::timeNanos).toList());
    assertEquals(3, counters.count("kapacitor_wasm.linesSkipped"));
  }

  @Test
  void theFirstOnesAreLoggedAndAllAreAddedUpAtTheEnd() throws Exception {
    BadLines badLines = new BadLines("test", false);
    badLines.open(new Counters());
    try (LogLines log = new LogLines()) {
      for (int i = 0; i < 14; i++) {
        badLines.take("a.lp, line 2", "it is wrong");
      }
      badLines.close();
      assertEquals(
          10,
          log.count("job test: a.lp, line 2: the line can't be read: it is wrong; it is skipped"));
      assertEquals(1, log.count("job test: lines that can't be read were skipped: 14 in all"));
    }
  }

  @Test
  void theFirstOneFailsTheJobIfThatIsAskedFor() {
    BadLines badLines = new BadLines("test", true);
    badLines.open(new Counters());
    IOException failure = assertThrows(IOException.class, () -> read(badLines));
    assertEquals(
        "a.lp, line 2: the line can't be read: `wrong` of the field `f` is no value. Correct"
            + " whoever writes it, or set on-bad-line = \"skip\" in [source].",
        failure.getMessage());
  }

  /** A text that is not closed seems to go on to the next text; that line must not be lost. */
  @Test
  void aTextThatIsNotClosedSpoilsItsOwnLineOnly() {
    BadLines badLines = new BadLines("test", true);
    badLines.open(new Counters());
    String text = "cpu s=\"two\nlines\" 1\ncpu s=\"open 2\ncpu s=\"x\" 3";
    List<Point> points = new ArrayList<>();
    IOException failure =
        assertThrows(
            IOException.class,
            () ->
                reader(badLines)
                    .flatMap(
                        Tuple3.of("a.lp", 5L, text.getBytes(UTF_8)), new ListCollector<>(points)));
    assertEquals(1, points.size());
    assertTrue(failure.getMessage().startsWith("a.lp, line 7: "), failure.getMessage());

    BadLines skipping = new BadLines("test", false);
    Counters counters = new Counters();
    skipping.open(counters);
    points.clear();
    assertDoesNotThrow(
        () ->
            reader(skipping)
                .flatMap(Tuple3.of("a.lp", 5L, text.getBytes(UTF_8)), new ListCollector<>(points)));
    assertEquals(List.of(1L, 3L), points.stream().map(Point::timeNanos).toList());
    assertEquals(1, counters.count("kapacitor_wasm.linesSkipped"));
  }

  @Test
  void aTimeFarAheadOfTheClockIsSkippedWhereThatIsNotAllowed() throws Exception {
    long now = Instant.now().getEpochSecond();
    String lines = "cpu f=1 %d\ncpu s=\"two\nlines\" 9223372036\ncpu f=1 %d\ncpu f=1 %d";
    byte[] text = lines.formatted(now, now + 5_400, now + 3_000).getBytes(UTF_8);
    BadLines badLines = new BadLines("test", false);
    Counters counters = new Counters();
    badLines.open(counters);
    List<Point> points = new ArrayList<>();
    try (LogLines log = new LogLines()) {
      reader(Precision.S, badLines, new Horizon(Optional.of(Duration.ofHours(1))))
          .flatMap(Tuple3.of("a.lp", 1L, text), new ListCollector<>(points));
      assertEquals(
          1,
          log.count(
              "job test: a.lp, line 2: the line can't be read: its time 2262-04-11T23:47:16Z is more than 1h"
                  + " ahead of this machine's clock, and would end the windows of all groups;"
                  + " `max-ahead` in [source] sets how far a time may be ahead; it is skipped"));
    }
    assertEquals(
        List.of(now * 1_000, (now + 3_000) * 1_000),
        points.stream().map(Point::timestamp).toList());
    assertEquals(2, counters.count("kapacitor_wasm.linesSkipped"));
  }
}
