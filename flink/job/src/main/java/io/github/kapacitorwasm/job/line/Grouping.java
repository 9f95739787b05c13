package io.github.kapacitorwasm.job.line;

import io.github.kapacitorwasm.flink.PointBuilder;
import java.io.Serializable;
import java.util.List;
import java.util.Set;

/**
 * What makes the group of a point, as Kapacitor's {@code groupBy} and {@code groupByMeasurement}.
 *
 * @param tags names of tags; {@code *} alone for all tags of a point
 * @param byMeasurement whether the measurement is a part of the group
 * @serial exclude
 */
// The checker does not know that javadoc takes the tag for a record, too.
@SuppressWarnings("InvalidBlockTag")
public record Grouping(List<String> tags, boolean byMeasurement) implements Serializable {

  private static final String ALL = "*";

  /** Groups a point that has these tags. */
  void group(PointBuilder point, Set<String> tagsOfPoint) {
    if (tags.equals(List.of(ALL))) {
      point.groupBy(tagsOfPoint.toArray(String[]::new));
    } else {
      point.groupBy(tags.toArray(String[]::new));
    }
    if (byMeasurement) {
      point.groupByMeasurement();
    }
  }
}
