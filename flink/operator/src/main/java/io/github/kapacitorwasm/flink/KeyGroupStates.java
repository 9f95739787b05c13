package io.github.kapacitorwasm.flink;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The last snapshot of each key group of a subtask, also of those that have had no point since the
 * job was restored: they are written again as they are.
 */
final class KeyGroupStates {

  private final String function;
  private final Map<Integer, KeyGroupState> states = new HashMap<>();
  private long bytes;
  private final Map<StateCount, Long> counts = new EnumMap<>(StateCount.class);

  KeyGroupStates(String function) {
    this.function = function;
  }

  void read(int keyGroup, InputStream source) throws IOException {
    KeyGroupState state = KeyGroupState.read(function, keyGroup, source);
    if (state != null) {
      put(keyGroup, state);
    }
  }

  /** The key groups that have a state, in their order. */
  List<Integer> keyGroups() {
    return states.keySet().stream().sorted().toList();
  }

  boolean has(int keyGroup) {
    return states.containsKey(keyGroup);
  }

  /** The state of {@code keyGroup}; null if it has none. */
  KeyGroupState get(int keyGroup) {
    return states.get(keyGroup);
  }

  void put(int keyGroup, KeyGroupState state) {
    KeyGroupState before = states.put(keyGroup, state);
    bytes += state.snapshot().length - (before == null ? 0 : before.snapshot().length);
    for (StateCount count : StateCount.values()) {
      long more = count.of(state) - (before == null ? 0 : count.of(before));
      counts.merge(count, more, Long::sum);
    }
  }

  void write(int keyGroup, OutputStream target) throws IOException {
    states.get(keyGroup).write(function, target);
  }

  /** The size of all snapshots, in bytes. */
  long bytes() {
    return bytes;
  }

  /** What all states say together. */
  long count(StateCount count) {
    return counts.getOrDefault(count, 0L);
  }
}
