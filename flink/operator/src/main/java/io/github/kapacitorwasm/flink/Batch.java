package io.github.kapacitorwasm.flink;

import io.github.kapacitorwasm.wire.WireWriter;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apache.flink.api.common.typeinfo.TypeInfo;

/** The points of one group in one window, in the order of their times. Instances do not change. */
@TypeInfo(BatchTypeInfoFactory.class)
public final class Batch {

  private final String group;
  private final long tmax;
  private final List<Point> points;

  private Batch(String group, long tmax, List<Point> points) {
    this.group = group;
    this.tmax = tmax;
    this.points = points;
  }

  /**
   * Makes a batch.
   *
   * @param group the group of all points
   * @param tmaxNanos the end of the window, in nanoseconds since 1970
   * @param points the points, in any order
   * @return a batch with the points in the order of their times; points of the same time keep their
   *     order
   */
  public static Batch of(String group, long tmaxNanos, Iterable<Point> points) {
    List<Point> sorted = new ArrayList<>();
    points.forEach(sorted::add);
    sorted.sort(Comparator.comparingLong(Point::timeNanos));
    return new Batch(group, tmaxNanos, List.copyOf(sorted));
  }

  /**
   * Returns the group of all points.
   *
   * @return a text as {@link Point#group} returns
   */
  public String group() {
    return group;
  }

  /**
   * Returns the end of the window.
   *
   * @return nanoseconds since 1970
   */
  public long tmaxNanos() {
    return tmax;
  }

  /**
   * Returns the points.
   *
   * @return points in the order of their times
   */
  public List<Point> points() {
    return points;
  }

  /** The message {@code BeginBatch}. */
  byte[] begin() {
    WireWriter writer = new WireWriter();
    nameAndGroup(writer);
    tags(writer, 3);
    return writer.varint(4, points.size()).toBytes();
  }

  /** The message {@code EndBatch}. */
  byte[] end() {
    WireWriter writer = new WireWriter();
    nameAndGroup(writer);
    writer.varint(3, tmax);
    tags(writer, 4);
    return writer.toBytes();
  }

  private void nameAndGroup(WireWriter writer) {
    if (!points.isEmpty()) {
      writer.string(1, points.get(0).name());
    }
    writer.string(2, group);
  }

  /** Writes the tags that make the group, as those of the batch. */
  private void tags(WireWriter writer, int field) {
    if (points.isEmpty()) {
      return;
    }
    Map<String, String> tags = points.get(0).tags();
    for (String dimension : points.get(0).dimensions()) {
      String value = tags.getOrDefault(dimension, "");
      writer.message(field, new WireWriter().string(1, dimension).string(2, value));
    }
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Batch batch
        && tmax == batch.tmax
        && group.equals(batch.group)
        && points.equals(batch.points);
  }

  @Override
  public int hashCode() {
    return Objects.hash(group, tmax, points);
  }

  @Override
  public String toString() {
    return "batch " + group + " until " + tmax + ": " + points;
  }
}
