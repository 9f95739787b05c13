package io.github.kapacitorwasm.flink;

import io.github.kapacitorwasm.client.FunctionInfo;
import io.github.kapacitorwasm.client.UdfClient;
import io.github.kapacitorwasm.client.UdfException;
import io.github.kapacitorwasm.client.UdfSession;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;
import org.apache.flink.runtime.state.KeyGroupRangeAssignment;

/** The sessions of a subtask, one for each key group that has a state or has had a point. */
final class KeyGroupSessions {

  /** A session, and what is known of its state. */
  record Open(UdfSession session, KeyGroupSession keyGroup) {}

  private final UdfFunction function;
  private final String task;
  private final int maxParallelism;
  private final KeyGroupStates states;
  private final Results results;
  private final WatermarkFence fence;
  private final UdfClient client;
  private final Map<Integer, Open> open = new TreeMap<>();
  private final Open[] byKeyGroup;
  private long restored;

  KeyGroupSessions(
      UdfFunction function,
      String task,
      int maxParallelism,
      Path socketDir,
      KeyGroupStates states,
      Results results,
      WatermarkFence fence,
      Runnable received)
      throws IOException {
    this.function = function;
    this.task = task;
    this.maxParallelism = maxParallelism;
    this.states = states;
    this.results = results;
    this.fence = fence;
    this.byKeyGroup = new Open[maxParallelism];
    this.client = new UdfClient(socketDir, function.client(), received);
  }

  FunctionInfo info() throws UdfException, InterruptedException {
    return client.info(function.name());
  }

  /** The session for input with {@code key}, which follows at once. */
  Open at(Object key) throws UdfException, InterruptedException {
    int keyGroup = KeyGroupRangeAssignment.assignToKeyGroup(key, maxParallelism);
    Open found = byKeyGroup[keyGroup];
    if (found == null) {
      found = open(keyGroup);
    }
    found.keyGroup().noteInput();
    return found;
  }

  /**
   * Opens the sessions of all key groups with a state, and waits until the host has restored them:
   * a state that does not fit must be found now, and not when its key group gets a point.
   */
  void restore() throws UdfException, InterruptedException {
    for (int keyGroup : states.keyGroups()) {
      open(keyGroup);
    }
    for (Open each : open.values()) {
      client.await(() -> !each.session().isAwaitingAnswer());
    }
  }

  private Open open(int number) throws UdfException, InterruptedException {
    KeyGroupState state = states.get(number);
    KeyGroupSession keyGroup = new KeyGroupSession(results, fence, state);
    UdfSession session = client.open(function.name(), "key group " + number, keyGroup);
    // Nothing waits for the answers: the points follow at once.
    session.sendInit(
        task, function.node() + "/" + number, function.options(), function.isStateOurs());
    if (state != null) {
      session.sendRestore(state.snapshot());
      restored++;
    }
    Open opened = new Open(session, keyGroup);
    byKeyGroup[number] = opened;
    open.put(number, opened);
    return opened;
  }

  /** Asks all sessions with unfenced points for a fence, and returns how many there are. */
  int fence(long id) throws UdfException, InterruptedException {
    int asked = 0;
    for (Open each : open.values()) {
      if (each.keyGroup().askFence(each.session(), id)) {
        asked++;
      }
    }
    return asked;
  }

  /** Takes a snapshot of each session with new points, and passes on all results before. */
  void snapshot() throws UdfException, InterruptedException {
    for (Open each : open.values()) {
      if (each.keyGroup().isChanged()) {
        each.session().snapshot();
      }
    }
    for (Map.Entry<Integer, Open> each : open.entrySet()) {
      UdfSession session = each.getValue().session();
      client.await(() -> !session.isAwaitingAnswer());
      KeyGroupState state = each.getValue().keyGroup().state();
      if (state != null) {
        states.put(each.getKey(), state);
      }
    }
  }

  /** Ends all sessions, and passes on what their plugins send at the end. */
  void finish() throws UdfException, InterruptedException {
    for (Map.Entry<Integer, Open> each : open.entrySet()) {
      each.getValue().session().finish();
      byKeyGroup[each.getKey()] = null;
    }
    open.clear();
  }

  void receive() throws UdfException {
    client.receive();
  }

  void await(BooleanSupplier done) throws UdfException, InterruptedException {
    client.await(done);
  }

  void flush() throws UdfException, InterruptedException {
    client.flush();
  }

  void close() throws IOException {
    client.close();
  }

  /** The number of sessions. */
  int size() {
    return open.size();
  }

  /** How many sessions have begun with a state. */
  long restored() {
    return restored;
  }

  UdfClient client() {
    return client;
  }
}
