package io.github.kapacitorwasm.job;

import io.github.kapacitorwasm.flink.Point;
import java.time.Instant;

/** Says in a message which point it is about. */
final class PointText {

  /** Maximum number of characters of a name in a message. */
  private static final int MAX_SHOWN = 200;

  private PointText() {}

  /** Its measurement, group and time. */
  static String of(Point point) {
    return shown(point.name())
        + (point.group().isEmpty() ? " of no group" : " of the group " + shown(point.group()))
        + " at "
        + Instant.ofEpochSecond(0, point.timeNanos());
  }

  /** A name from a line, in one line of moderate length. */
  static String shown(String text) {
    String line = text.replaceAll("\\p{Cntrl}", " ");
    return "`" + (line.length() > MAX_SHOWN ? line.substring(0, MAX_SHOWN) + "..." : line) + "`";
  }
}
