package io.github.kapacitorwasm.job;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.file.src.FileSourceSplit;
import org.apache.flink.connector.file.src.reader.BulkFormat;
import org.apache.flink.connector.file.src.util.CheckpointedPosition;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Files become lines, from their beginning and from where a checkpoint was. */
class FileLinesTest {

  private static final String TEXT = "m s=\"one\ntwo\n\nthree, \\\"four\\\"\n\" 1";

  @TempDir private Path folder;

  /** The numbers and texts of the lines behind the first {@code done} ones. */
  private List<String> read(String text, long done) throws IOException {
    Path file = Files.writeString(folder.resolve("a.lp"), text);
    org.apache.flink.core.fs.Path path = new org.apache.flink.core.fs.Path(file.toUri());
    long length = Files.size(file);
    FileSourceSplit split =
        new FileSourceSplit(
            "1",
            path,
            0,
            length,
            0,
            length,
            new String[0],
            done == 0 ? null : new CheckpointedPosition(CheckpointedPosition.NO_OFFSET, done));
    List<String> lines = new ArrayList<>();
    Configuration none = new Configuration();
    FileLines format = new FileLines();
    try (BulkFormat.Reader<Tuple3<String, Long, byte[]>> reader =
        done == 0 ? format.createReader(none, split) : format.restoreReader(none, split)) {
      for (var batch = reader.readBatch(); batch != null; batch = reader.readBatch()) {
        for (var next = batch.next(); next != null; next = batch.next()) {
          Tuple3<String, Long, byte[]> line = next.getRecord();
          lines.add(line.f1 + ": " + new String(line.f2, UTF_8));
          assertEquals(done + lines.size(), next.getRecordSkipCount());
        }
        batch.releaseBatch();
      }
    }
    return lines;
  }

  /**
   * The reader's buffer has 65,536 bytes: the text lies before its end, across it, and behind it.
   */
  @ParameterizedTest
  @ValueSource(ints = {1, 65_499, 65_515, 65_524, 65_525, 65_526, 65_530, 65_536, 131_060})
  void aLineBreakInATextEndsNoLine(int before) throws Exception {
    String padding = "#".repeat(before - 1);
    String text = padding + "\n" + TEXT + "\nm f=1 2\n" + TEXT;
    List<String> expected = List.of("1: " + padding, "2: " + TEXT, "7: m f=1 2", "8: " + TEXT);
    for (int done = 0; done < expected.size(); done++) {
      assertEquals(expected.subList(done, expected.size()), read(text, done), "after " + done);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 70_000, FileLines.MAX_LINE, 3 * FileLines.MAX_LINE})
  void aTextThatIsNotClosedSpoilsItsOwnLineOnly(int behind) throws Exception {
    String rest = "m f=1 3\n".repeat(behind / 8);
    List<String> lines = read("m f=1 1\nm s=\"open 2\nm f=1 3\n" + rest, 0);
    assertEquals(List.of("1: m f=1 1", "2: m s=\"open 2", "3: m f=1 3"), lines.subList(0, 3));
    assertEquals(3 + behind / 8, lines.size());
    assertEquals(
        lines.subList(2, lines.size()), read("m f=1 1\nm s=\"open 2\nm f=1 3\n" + rest, 2));
  }

  /** The quote that opens a text is no end of a text before it, whatever follows. */
  @ParameterizedTest
  @ValueSource(strings = {"two\nlines", " two\nlines", ",t=two\nlines", "\ntwo", "\\\"two\n,\\\""})
  void aTextThatIsNotClosedDoesNotEndAtTheBeginOfAnother(String text) throws Exception {
    List<String> all =
        List.of(
            "m s=\"open 1",
            "m f=1 2",
            "m s=\"" + text + "\" 3",
            "m s=\"" + text + "\" 4",
            "m f=1 5");
    List<String> expected = new ArrayList<>();
    int number = 1;
    for (String line : all) {
      expected.add(number + ": " + line);
      number += (int) line.lines().count();
    }
    for (int done = 0; done < all.size(); done++) {
      assertEquals(
          expected.subList(done, all.size()), read(String.join("\n", all), done), "after " + done);
    }
  }

  @Test
  void aTextThatIsNotClosedSpoilsNoLongLine() throws Exception {
    String good = "m s=\"" + "x".repeat(FileLines.MAX_LINE - 10) + "\" 2";
    assertEquals(
        List.of("1: m s=\"open 1", "2: " + good, "3: m f=1 3"),
        read("m s=\"open 1\n" + good + "\nm f=1 3", 0));
  }

  @Test
  void ofALineThatIsTooLongABoundedPartIsRead() throws Exception {
    String text = "x".repeat(FileLines.MAX_LINE);
    for (String start : List.of("m", "m s=\"", "m s=\"a\nb\",t=")) {
      List<String> lines = read(start + text + text + "\nm f=1 2\n", 0);
      // A part before a line break is a line of its own then.
      int last = start.contains("\n") ? 2 : 1;
      int bytes = lines.get(last - 1).length() - "1: ".length();
      assertEquals(FileLines.MAX_LINE + 1, bytes);
      assertEquals(last + 1 + ": m f=1 2", lines.get(last));
      assertEquals(last + 1, lines.size());
    }
  }

  @Test
  void theEndOfAFileEndsALine() throws Exception {
    assertEquals(List.of("1: a f=1 1", "2: ", "3: b f=1 1"), read("a f=1 1\n\nb f=1 1", 0));
    assertEquals(List.of("1: a f=1 1\r"), read("a f=1 1\r\n", 0));
    assertEquals(List.of(), read("", 0));
  }
}
