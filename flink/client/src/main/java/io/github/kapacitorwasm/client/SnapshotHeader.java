package io.github.kapacitorwasm.client;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.github.kapacitorwasm.wire.WireException;
import io.github.kapacitorwasm.wire.WireReader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * What a snapshot says of itself: the parts of {@code proto/snapshot.proto} that a client needs.
 *
 * @param hasState whether there is a state in it; without one the state could not be captured
 * @param plugin name of the plugin
 * @param function name of the function
 * @param pointsSeen points that the state has seen
 * @param pointsIn points that were sent since the task began without a state; equal to {@code
 *     pointsSeen} in snapshots of hosts that do not count them
 * @param pointsSkipped points of these that were skipped, since the plugin failed at them
 * @param pointsSkippedByPlugin points of these that the plugin has skipped by itself, such as those
 *     without the field that an option names
 * @param pointsDropped points of the output that the host has left out, since InfluxDB can't store
 *     them
 */
public record SnapshotHeader(
    boolean hasState,
    String plugin,
    String function,
    long pointsSeen,
    long pointsIn,
    long pointsSkipped,
    long pointsSkippedByPlugin,
    long pointsDropped) {

  private static final byte[] MAGIC = "KWSN".getBytes(US_ASCII);
  private static final int FORMAT = 1;
  private static final int PREFIX = 9;
  private static final int KIND_NONE = 2;

  /**
   * Reads the header of a snapshot.
   *
   * @param snapshot the bytes of a snapshot
   * @return its header
   * @throws WireException if these are no snapshot of a kapacitor-wasm host
   */
  public static SnapshotHeader read(byte[] snapshot) throws WireException {
    if (snapshot.length < PREFIX || !Arrays.equals(snapshot, 0, 4, MAGIC, 0, 4)) {
      throw new WireException("the snapshot is not one of kapacitor-wasm");
    }
    if (snapshot[4] != FORMAT) {
      throw new WireException(
          "the snapshot has the format " + snapshot[4] + ", and this client knows " + FORMAT);
    }
    int length = ByteBuffer.wrap(snapshot).order(ByteOrder.LITTLE_ENDIAN).getInt(5);
    if (length < 0 || length > snapshot.length - PREFIX) {
      throw new WireException("the header of the snapshot is longer than the snapshot");
    }
    return read(new WireReader(snapshot, PREFIX, length));
  }

  private static SnapshotHeader read(WireReader reader) throws WireException {
    long kind = 0;
    String plugin = "";
    String function = "";
    long pointsSeen = 0;
    long[] counts = null;
    while (reader.next()) {
      switch (reader.field()) {
        case 1 -> kind = reader.varint();
        case 2 -> plugin = reader.string();
        case 6 -> pointsSeen = reader.varint();
        case 12 -> function = reader.string();
        case 20 -> counts = counts(reader.message());
        default -> {}
      }
    }
    return new SnapshotHeader(
        kind != KIND_NONE,
        plugin,
        function,
        pointsSeen,
        counts == null ? pointsSeen : counts[0],
        counts == null ? 0 : counts[1],
        counts == null ? 0 : counts[2],
        counts == null ? 0 : counts[3]);
  }

  private static long[] counts(WireReader reader) throws WireException {
    long pointsIn = 0;
    long skipped = 0;
    long skippedByPlugin = 0;
    long dropped = 0;
    while (reader.next()) {
      switch (reader.field()) {
        case 1 -> pointsIn = reader.varint();
        case 3 -> skipped = reader.varint();
        case 4 -> skippedByPlugin = reader.varint();
        case 7 -> dropped = reader.varint();
        default -> {}
      }
    }
    return new long[] {pointsIn, skipped, skippedByPlugin, dropped};
  }
}
