package io.github.kapacitorwasm.job;

import io.github.kapacitorwasm.job.line.Grouping;
import io.github.kapacitorwasm.job.line.LineEnds;
import io.github.kapacitorwasm.job.line.LineException;
import io.github.kapacitorwasm.job.line.LineParser;
import io.github.kapacitorwasm.job.line.Precision;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.CharacterCodingException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.file.src.FileSourceSplit;
import org.apache.flink.connector.file.src.reader.BulkFormat;
import org.apache.flink.connector.file.src.util.ArrayResultIterator;
import org.apache.flink.connector.file.src.util.CheckpointedPosition;
import org.apache.flink.core.fs.Path;

/**
 * Reads files as lines: the path, the number from 1, and the bytes of each, so that a message can
 * say where a line is. A line has line breaks if the texts of its string fields have some. A file
 * is not divided, so its lines stay in their order.
 */
final class FileLines implements BulkFormat<Tuple3<String, Long, byte[]>, FileSourceSplit> {

  private static final long serialVersionUID = 1L;

  /** Maximum length of a line. Of a longer one, so many bytes and one more are passed on. */
  static final int MAX_LINE = 1 << 20;

  /** Number of lines, and of their bytes, that are handed over at once. */
  private static final int BATCH_LINES = 1_000;

  private static final int BATCH_BYTES = 1 << 20;

  @Override
  public Reader<Tuple3<String, Long, byte[]>> createReader(
      Configuration configuration, FileSourceSplit split) throws IOException {
    return new LineReader(split.path(), 0);
  }

  @Override
  public Reader<Tuple3<String, Long, byte[]>> restoreReader(
      Configuration configuration, FileSourceSplit split) throws IOException {
    long done =
        split.getReaderPosition().map(CheckpointedPosition::getRecordsAfterOffset).orElse(0L);
    return new LineReader(split.path(), done);
  }

  @Override
  public boolean isSplittable() {
    return false;
  }

  @Override
  public TypeInformation<Tuple3<String, Long, byte[]>> getProducedType() {
    return type();
  }

  static TypeInformation<Tuple3<String, Long, byte[]>> type() {
    return Types.TUPLE(
        Types.STRING, Types.LONG, PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);
  }

  /** Reads one file from a line on. */
  private static final class LineReader implements Reader<Tuple3<String, Long, byte[]>> {

    /**
     * Reads lines with line breaks to see whether they are lines. It does not depend on the job, so
     * that a checkpoint finds the same lines after a change of job.toml.
     */
    private static final LineParser PARSER =
        new LineParser(Precision.NS, new Grouping(List.of(), false));

    private final String path;
    private final InputStream input;
    private final LineEnds ends = new LineEnds();

    /** Number of lines that were read, and of the line breaks in them and behind them. */
    private long done;

    private long breaks;

    LineReader(Path path, long done) throws IOException {
      this.path = path.toString();
      input = new BufferedInputStream(path.getFileSystem().open(path), 1 << 16);
      while (this.done < done && readLine() != null) {
        this.done++;
      }
    }

    @Override
    public RecordIterator<Tuple3<String, Long, byte[]>> readBatch() throws IOException {
      long first = done;
      int bytes = 0;
      List<Tuple3<String, Long, byte[]>> lines = new ArrayList<>();
      while (lines.size() < BATCH_LINES && bytes < BATCH_BYTES) {
        long number = breaks + 1;
        byte[] line = readLine();
        if (line == null) {
          break;
        }
        done++;
        bytes += line.length;
        lines.add(Tuple3.of(path, number, line));
      }
      if (lines.isEmpty()) {
        return null;
      }
      ArrayResultIterator<Tuple3<String, Long, byte[]>> batch = new ArrayResultIterator<>();
      batch.set(array(lines), lines.size(), CheckpointedPosition.NO_OFFSET, first);
      return batch;
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static Tuple3<String, Long, byte[]>[] array(List<Tuple3<String, Long, byte[]>> lines) {
      return lines.toArray(new Tuple3[0]);
    }

    /** The next line without its line break; null at the end of the file. */
    private byte[] readLine() throws IOException {
      int next = input.read();
      if (next < 0) {
        return null;
      }
      ends.reset();
      ByteArrayOutputStream line = new ByteArrayOutputStream();
      int breaksInText = 0;
      int firstPart = 0;
      while (next >= 0 && !ends.take(next)) {
        if (line.size() > MAX_LINE) {
          if (next == '\n') {
            break;
          }
        } else {
          if (next == '\n' && breaksInText++ == 0) {
            firstPart = line.size();
            input.mark(MAX_LINE + 2);
          }
          line.write(next);
          if (line.size() > MAX_LINE && breaksInText > 0) {
            return backToFirstBreak(line, firstPart);
          }
        }
        next = input.read();
      }
      if (breaksInText > 0 && !isLine(line.toByteArray())) {
        return backToFirstBreak(line, firstPart);
      }
      breaks += breaksInText + 1;
      return line.toByteArray();
    }

    private static boolean isLine(byte[] bytes) {
      try {
        var unused = PARSER.parse(Utf8.decode(bytes), OptionalLong.empty());
        return true;
      } catch (CharacterCodingException | LineException e) {
        return false;
      }
    }

    /**
     * A text that is not closed spoils its own line only: the quote that seems to close it may be
     * one that opens the text of another line.
     */
    private byte[] backToFirstBreak(ByteArrayOutputStream line, int firstPart) throws IOException {
      input.reset();
      breaks++;
      return Arrays.copyOf(line.toByteArray(), firstPart);
    }

    @Override
    public void close() throws IOException {
      input.close();
    }
  }
}
