package io.github.kapacitorwasm.job;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.kapacitorwasm.flink.Point;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Which points a job takes by their measurements. */
class MeasurementsTest {

  private static final String COUNTER = "kapacitor_wasm.pointsOfOtherMeasurements";

  private static Point point(String measurement) {
    return Point.builder(measurement).field("f", 1.0).timeNanos(1).build();
  }

  @Test
  void othersAreLeftOutAndCountedAndNamedOnce() {
    Measurements measurements = new Measurements("test", Set.of("cpu", "a b"));
    Counters counters = new Counters();
    measurements.open(counters);
    try (LogLines log = new LogLines()) {
      assertTrue(measurements.take(point("cpu")));
      assertTrue(measurements.take(point("a b")));
      for (int i = 0; i < 3; i++) {
        assertFalse(measurements.take(point("CPU")));
      }
      assertEquals(
          1,
          log.count(
              "job test: measurement `CPU`: its points are left out, since `measurements` of [from]"
                  + " does not name it"));
    }
    assertEquals(3, counters.count(COUNTER));
  }

  @Test
  void onlySomeAreNamed() {
    Measurements measurements = new Measurements("test", Set.of("cpu"));
    Counters counters = new Counters();
    measurements.open(counters);
    try (LogLines log = new LogLines()) {
      for (int i = 0; i < 100; i++) {
        assertFalse(measurements.take(point("m" + i)));
      }
      assertEquals(10, log.countStarts("job test: measurement `m"));
    }
    assertEquals(100, counters.count(COUNTER));
  }

  @Test
  void withoutNamesAllAreTaken() {
    Measurements measurements = new Measurements("test", Set.of());
    Counters counters = new Counters();
    measurements.open(counters);
    assertTrue(measurements.take(point("cpu")));
    assertEquals(0, counters.count(COUNTER));
  }
}
