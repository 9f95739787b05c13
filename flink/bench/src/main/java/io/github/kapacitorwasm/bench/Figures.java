package io.github.kapacitorwasm.bench;

import java.util.Collection;
import java.util.List;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;

/**
 * What one run of a row has given.
 *
 * @param pointsPerSecond results that came in a second
 * @param jvmMicros CPU of Flink's process for a point, in microseconds
 * @param hostMicros CPU of the host for a point, in microseconds
 * @param pauseMillis how long the median checkpoint stopped the operator, in milliseconds
 * @param checkpointMillis how long the median checkpoint took from end to end, in milliseconds
 * @param checkpointBytes size of the median checkpoint, in bytes
 * @param recoveryMillis time from an exception to the first result after it, in milliseconds
 */
record Figures(
    double pointsPerSecond,
    double jvmMicros,
    double hostMicros,
    double pauseMillis,
    double checkpointMillis,
    double checkpointBytes,
    double recoveryMillis) {

  /** The median of some numbers; NaN without any. */
  static double median(Collection<Double> numbers) {
    List<Double> sorted = numbers.stream().sorted().collect(Collectors.toList());
    if (sorted.isEmpty()) {
      return Double.NaN;
    }
    int half = sorted.size() / 2;
    return sorted.size() % 2 == 1
        ? sorted.get(half)
        : (sorted.get(half - 1) + sorted.get(half)) / 2;
  }

  /** The median of what {@code value} gives for each of {@code items}. */
  static <T> double median(Collection<T> items, ToDoubleFunction<T> value) {
    return median(items.stream().map(value::applyAsDouble).collect(Collectors.toList()));
  }
}
