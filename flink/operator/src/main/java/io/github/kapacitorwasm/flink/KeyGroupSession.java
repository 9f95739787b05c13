package io.github.kapacitorwasm.flink;

import io.github.kapacitorwasm.client.SnapshotHeader;
import io.github.kapacitorwasm.client.UdfException;
import io.github.kapacitorwasm.client.UdfHandler;
import io.github.kapacitorwasm.client.UdfSession;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The session of one key group: what was sent in it, and the state of before that. A session with
 * another state than Flink's must not go on unnoticed, as with a host that restores a checkpoint of
 * its own, or drops points of a full queue. So each snapshot has to have seen exactly what was
 * sent.
 */
final class KeyGroupSession implements UdfHandler {

  /** The id of the fence behind each batch; those of watermarks count from 1. */
  private static final long BATCH = 0;

  /** Maximum number of batches that wait for their fences; the host takes 256 requests. */
  private static final int MAX_BATCHES = 128;

  private final Results results;
  private final WatermarkFence fence;

  /**
   * The timestamps of batches whose results, as a stream, may still come, the oldest first: what
   * comes before the answer to the fence behind a batch is of that batch or of one before it.
   */
  private final ArrayDeque<Long> batchTimestamps = new ArrayDeque<>();

  /** That of the last batch whose fence was answered. */
  private long lastBatchTimestamp = Long.MIN_VALUE;

  private List<byte[]> batch;
  private KeyGroupState state;
  private long pointsBefore;
  private long pointsBeforeFence;
  private boolean isChanged;
  private boolean isUnfenced;

  /** Makes a session that begins with {@code state}; null for none. */
  KeyGroupSession(Results results, WatermarkFence fence, KeyGroupState state) {
    this.results = results;
    this.fence = fence;
    this.state = state;
    this.pointsBefore = state == null ? 0 : state.header().pointsIn();
  }

  /** Something was sent. */
  void noteInput() {
    isChanged = true;
    isUnfenced = true;
  }

  /** A batch was sent, of which the function makes points of a stream. */
  void endBatch(UdfSession session, long timestamp) throws UdfException, InterruptedException {
    batchTimestamps.add(timestamp);
    session.fenceWithoutFlush(BATCH);
    if (!hasRoomForBatch()) {
      session.flush();
    }
  }

  /** Whether another batch may be sent. */
  boolean hasRoomForBatch() {
    return batchTimestamps.size() < MAX_BATCHES;
  }

  /** Whether the state has changed since {@link #state}. */
  boolean isChanged() {
    return isChanged;
  }

  /** Asks for a fence if there is new input since the last one, and returns whether there is. */
  boolean askFence(UdfSession session, long id) throws UdfException, InterruptedException {
    if (!isUnfenced) {
      return false;
    }
    isUnfenced = false;
    pointsBeforeFence = session.pointsSent();
    session.fence(id);
    return true;
  }

  /** The last snapshot; null before the first one. */
  KeyGroupState state() {
    return state;
  }

  @Override
  public void point(UdfSession session, byte[] bytes, int offset, int length) {
    if (batch == null) {
      Long ofBatch = batchTimestamps.peek();
      results.point(bytes, offset, length, ofBatch == null ? lastBatchTimestamp : ofBatch);
    } else {
      batch.add(Arrays.copyOfRange(bytes, offset, offset + length));
    }
  }

  @Override
  public void begin(UdfSession session, byte[] bytes, int offset, int length) {
    batch = new ArrayList<>();
  }

  @Override
  public void end(UdfSession session, byte[] bytes, int offset, int length) throws Exception {
    List<byte[]> points = batch == null ? List.of() : batch;
    batch = null;
    results.batch(points, Arrays.copyOfRange(bytes, offset, offset + length));
  }

  @Override
  public void fence(UdfSession session, long id, long pointsAnswered, long pointsSkipped)
      throws UdfException {
    if (id == BATCH) {
      lastBatchTimestamp = batchTimestamps.remove();
      return;
    }
    if (pointsAnswered != pointsBeforeFence) {
      throw session.failure(
          "the host has finished "
              + pointsAnswered
              + " points, and "
              + pointsBeforeFence
              + " were sent: it loses points");
    }
    fence.answered();
  }

  @Override
  public void snapshot(UdfSession session, byte[] snapshot) throws Exception {
    KeyGroupState taken = new KeyGroupState(snapshot);
    check(session, taken.header());
    state = taken;
    isChanged = false;
    isUnfenced = false;
  }

  private void check(UdfSession session, SnapshotHeader header) throws UdfException {
    if (!header.hasState()) {
      throw session.failure(
          "the state of the plugin "
              + header.plugin()
              + " can't be captured: `kapacitor-wasm check` says why");
    }
    long sent = pointsBefore + session.pointsSent();
    if (header.pointsIn() != sent) {
      throw session.failure(
          "the snapshot has seen "
              + header.pointsIn()
              + " points, and "
              + sent
              + " were sent: the host keeps checkpoints of its own, or drops points"
              + " (policy.on-full)");
    }
  }
}
