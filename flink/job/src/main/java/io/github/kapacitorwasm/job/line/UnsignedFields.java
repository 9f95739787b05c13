package io.github.kapacitorwasm.job.line;

import io.github.kapacitorwasm.flink.Point;
import java.util.Collection;
import java.util.List;
import java.util.Set;

/**
 * Remembers which fields of a point were unsigned integers: Kapacitor's protocol has signed ones
 * only. A point of a stream keeps its retention policy on the way through plugins, and line
 * protocol has none, so the names of the fields are there. A name can't have a line break.
 */
final class UnsignedFields {

  private static final String MARK = "unsigned\n";

  private UnsignedFields() {}

  /** The retention policy of a point with these unsigned fields. */
  static String toRetentionPolicy(Collection<String> fields) {
    return fields.isEmpty() ? "" : MARK + String.join("\n", fields);
  }

  /** The unsigned fields of a point. */
  static Set<String> of(Point point) {
    String policy = point.retentionPolicy();
    return policy.startsWith(MARK)
        ? Set.copyOf(List.of(policy.substring(MARK.length()).split("\n", -1)))
        : Set.of();
  }
}
