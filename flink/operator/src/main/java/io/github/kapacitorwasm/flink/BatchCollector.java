package io.github.kapacitorwasm.flink;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.windows.Window;
import org.apache.flink.util.Collector;

/**
 * Makes a {@link Batch} of each group in a window. A key may have several groups.
 *
 * @param <K> the key
 * @param <W> the window
 */
final class BatchCollector<K, W extends Window> extends ProcessWindowFunction<Point, Batch, K, W> {

  private static final long serialVersionUID = 1L;

  @Override
  public void process(K key, Context context, Iterable<Point> points, Collector<Batch> batches) {
    Map<String, List<Point>> groups = new LinkedHashMap<>();
    for (Point point : points) {
      groups.computeIfAbsent(point.group(), group -> new ArrayList<>()).add(point);
    }
    groups.forEach(
        (group, members) ->
            batches.collect(Batch.of(group, tmax(context.window(), members), members)));
  }

  /** The end of the window; of one without an end, that of its points. */
  private static long tmax(Window window, Iterable<Point> points) {
    long end = window.maxTimestamp();
    if (end < Long.MAX_VALUE / Point.NANOS) {
      return (end + 1) * Point.NANOS;
    }
    long last = Long.MIN_VALUE;
    for (Point point : points) {
      last = Math.max(last, point.timeNanos());
    }
    return last;
  }
}
