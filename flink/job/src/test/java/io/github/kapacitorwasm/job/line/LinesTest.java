package io.github.kapacitorwasm.job.line;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.kapacitorwasm.flink.Point;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Lines become points, and points become lines. */
class LinesTest {

  private static final LineParser PARSER = parser(Precision.NS);

  private static LineParser parser(Precision precision) {
    return new LineParser(precision, new Grouping(List.of("host"), false));
  }

  private static Point parse(String line) throws LineException {
    return PARSER.parse(line, OptionalLong.empty());
  }

  @Test
  void aLineHasItsTagsAndFieldsWithTheirTypes() throws Exception {
    Point point = parse("cpu,host=a,cpu=0 f=1,g=-2.5e3,i=3i,u=4u,t=T,n=false,s=\"x y\" 1700000000");
    assertEquals("cpu", point.name());
    assertEquals(Map.of("host", "a", "cpu", "0"), point.tags());
    assertEquals(
        Map.of("f", 1.0, "g", -2500.0, "i", 3L, "u", 4L, "t", true, "n", false, "s", "x y"),
        point.fields());
    assertEquals(1_700_000_000L, point.timeNanos());
  }

  /** The lines have the order and the forms that are written. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "m f=1.0 1",
        "cpu,host=a f=0.1,i=-3i,n=false,s=\"x\",t=true,u=9223372036854775807u -5",
        "a\\ b\\,c,t\\=\\ x=v\\,\\=\\  k\\ \\,\\==1i 2",
        "m s=\"say \\\"no\\\" to C:\\\\\" 3",
        "m s=\"two\nlines, a=b\" 4",
        "m,stadt=Köln s=\"日本\" 5",
      })
  void aLineComesOutAsItCameIn(String line) throws Exception {
    assertEquals(line + "\n", LineWriter.write(parse(line)));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        ",host=a f=1 1",
        "cpu",
        "cpu,host=a",
        "cpu f 1",
        "cpu f= 1",
        "cpu f=1x 1",
        "cpu f=NaN 1",
        "cpu f=1e999 1",
        "cpu i=9223372036854775808i 1",
        "cpu u=-1u 1",
        "cpu u=9223372036854775808u 1",
        "cpu s=\"open 1",
        "cpu s=\"a\"b 1",
        "cpu,host=a,host=b f=1 1",
        "cpu,host f=1 1",
        "cpu f=1 soon",
        "cpu f=1 9223372036854775808",
        "cpu f=1 9223372036854775807",
        "cpu f=1 -9223372036854775807",
        "cpu f=1",
      })
  void aLineWithAMistakeIsRefused(String line) {
    assertThrows(LineException.class, () -> parse(line));
  }

  @Test
  void theReasonIsShortAndOnOneLine() {
    String line = "cpu f=" + "x\ty".repeat(1_000) + " 1";
    String reason = assertThrows(LineException.class, () -> parse(line)).getMessage();
    assertTrue(reason.length() < 200 && reason.indexOf('\t') < 0, reason);
    assertTrue(reason.contains("of the field `f` is no value"), reason);
  }

  @ParameterizedTest
  @CsvSource({"NS, 7", "US, 7000", "MS, 7000000", "S, 7000000000"})
  void thePrecisionIsTheUnitOfTheTimestamp(Precision precision, long nanos) throws Exception {
    Point point = parser(precision).parse("m f=1 7", OptionalLong.empty());
    assertEquals(nanos, point.timeNanos());
  }

  @Test
  void aTimestampOutsideTheRangeIsRefused() {
    LineParser parser = parser(Precision.S);
    assertThrows(LineException.class, () -> parser.parse("m f=1 9223372037", OptionalLong.empty()));
  }

  @Test
  void aLineWithoutATimestampHasTheGivenOne() throws Exception {
    assertEquals(42, PARSER.parse("m f=1", OptionalLong.of(42)).timeNanos());
  }

  @Test
  void groupsAreMadeOfTheTagsThatAreAskedFor() throws Exception {
    assertEquals(parse("m,host=a,x=1 f=1 1").group(), parse("m,host=a,x=2 f=1 1").group());
    LineParser all = new LineParser(Precision.NS, new Grouping(List.of("*"), false));
    String one = all.parse("m,host=a,x=1 f=1 1", OptionalLong.empty()).group();
    String two = all.parse("m,host=a,x=2 f=1 1", OptionalLong.empty()).group();
    assertFalse(one.equals(two), one);
  }

  @Test
  void whatHasNoFormInLineProtocolIsNotWritten() {
    Point mixed = Point.builder("m").field("a", Double.NaN).field("b", 1.0).timeNanos(1).build();
    assertEquals("m b=1.0 1\n", LineWriter.write(mixed));
    Point none = Point.builder("m").field("a", Double.POSITIVE_INFINITY).timeNanos(1).build();
    assertFalse(LineWriter.isWritable(none));
  }

  @Test
  void aLineBreakInATextEndsNoLine() {
    LineSplitter lines =
        new LineSplitter("# comment\n\na s=\"1\n2\" 1\r\nb f=1 2\nc s=\"open 3\nd f=1 4");
    assertEquals("a s=\"1\n2\" 1", lines.next());
    assertEquals("b f=1 2", lines.next());
    assertEquals("c s=\"open 3", lines.next());
    assertEquals("d f=1 4", lines.next());
    assertNull(lines.next());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "# it says x=\"",
        "m,host=\"a f=1 1",
        "m,host=a\\ =\"b f=1 1",
        "m k\\=\"x=1 1",
        "m s=\"say \\\"no\" 1",
        "m s=\"C:\\\\\" 1",
        "m f=1,s=\"\" 1",
        " \t\r",
      })
  void aQuoteThatOpensNoTextHoldsNoLineBreak(String line) {
    LineSplitter lines = new LineSplitter(line + "\nnext f=\"1\" 1");
    String first = lines.next();
    String second = first != null && first.startsWith("next") ? first : lines.next();
    assertEquals("next f=\"1\" 1", second);
  }

  @Test
  void aLineThatSeemedToGoOnCanBeCut() {
    LineSplitter lines = new LineSplitter("a f=1 1\nb s=\"open 2\nc s=\"3\" 3\n\nd f=1 4");
    assertEquals("a f=1 1", lines.next());
    assertEquals("b s=\"open 2\nc s=\"3\" 3", lines.next());
    assertEquals(1, lines.breaksBefore());
    assertEquals("b s=\"open 2", lines.cutAtLineBreak());
    assertEquals("c s=\"3\" 3", lines.next());
    assertEquals(2, lines.breaksBefore());
    assertEquals("d f=1 4", lines.next());
    assertEquals(4, lines.breaksBefore());
    assertNull(lines.next());
  }
}
