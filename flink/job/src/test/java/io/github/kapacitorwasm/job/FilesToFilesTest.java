package io.github.kapacitorwasm.job;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.kapacitorwasm.client.TestHost;
import io.github.kapacitorwasm.flink.Point;
import io.github.kapacitorwasm.job.line.Grouping;
import io.github.kapacitorwasm.job.line.LineParser;
import io.github.kapacitorwasm.job.line.Precision;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A whole job, from files to files, with a host that the job starts. */
@Timeout(180)
class FilesToFilesTest {

  private static final int COUNT = 4_000;
  private static final int HOSTS = 7;
  private static final int SIZE = 5;
  private static final int FILES = 4;

  @TempDir private Path folder;

  private static double value(int i) {
    return (i * 7_919L) % 1_000;
  }

  @Test
  void theMeansAreThoseOfArithmetic() throws Exception {
    writeInput(Files.createDirectory(folder.resolve("in")));
    Main.main(new String[] {job().toString()});

    Map<String, Double> found = new TreeMap<>();
    LineParser parser = new LineParser(Precision.NS, new Grouping(List.of(), false));
    for (String line : results()) {
      Point point = parser.parse(line, OptionalLong.empty());
      String id = point.tags().get("host") + " " + point.timeNanos();
      assertEquals(
          null, found.put(id, (Double) point.fields().get("mean")), id + " is there twice");
      assertTrue(line.contains(" load=3u,mean="), line);
    }
    Map<String, Double> expected = expected();
    assertEquals(expected.keySet(), found.keySet());
    expected.forEach((id, mean) -> assertEquals(mean, found.get(id), 1e-9, id));
  }

  /** A job whose host the job starts. */
  private Path job() throws Exception {
    Path program = TestHost.binary();
    Path plugins = Files.createDirectory(folder.resolve("plugins"));
    Files.copy(TestHost.plugins().resolve("moving_avg.wasm"), plugins.resolve("moving_avg.wasm"));
    return Files.writeString(
        folder.resolve("job.toml"),
        """
        name = "means"
        parallelism = 2
        max-parallelism = 8
        checkpoint-interval = "100ms"
        [source]
        path = "in"
        precision = "s"
        [from]
        measurements = ["cpu"]
        group-by = ["host"]
        [[plugin]]
        call = "@moving_avg().field('usage').size(%d).as('mean')"
        [sink]
        path = "out"
        [host]
        program = "%s"
        plugins-dir = "%s"
        """
            .formatted(SIZE, program, plugins));
  }

  @Test
  void whatAPluginSkipsIsCountedAndTheReasonIsInFlinksLog() throws Exception {
    Path in = Files.createDirectory(folder.resolve("in"));
    // The plugin takes numbers.
    Files.writeString(
        in.resolve("text.lp"),
        "cpu,host=a usage=\"text\" 1\ncpu,host=a usage=1 2\ncpu,host=a,time=x usage=1 3\n");
    try (LogLines log = new LogLines();
        Flink flink = new Flink(folder)) {
      Map<String, Object> totals = flink.finish(flink.start(Files.readString(job())));
      assertEquals(1L, totals.get("kapacitor_wasm.pointsSkippedByPlugin"));
      assertEquals(0L, totals.get("kapacitor_wasm.pointsSkipped"));
      assertEquals(1L, totals.get("kapacitor_wasm.pointsDropped"));
      assertTrue(
          log.hasMatch("job means: host: .* lvl=warn msg=.* task=means .*usage.*"), log.toString());
    }
  }

  /** Lines in several files, among them some of another measurement and some that are wrong. */
  private static void writeInput(Path in) throws Exception {
    for (int file = 0; file < FILES; file++) {
      List<String> lines = new ArrayList<>();
      for (int i = file * COUNT / FILES; i < (file + 1) * COUNT / FILES; i++) {
        lines.add("cpu,host=h" + i % HOSTS + " usage=" + value(i) + ",load=3u " + (1_000 + i));
        if (i % 100 == 0) {
          lines.add("mem,host=h" + i % HOSTS + " usage=1 " + (1_000 + i));
          lines.add("cpu,host=h" + i % HOSTS + " usage=wrong " + (1_000 + i));
        }
      }
      Files.write(in.resolve("part-" + file + ".lp"), lines);
    }
  }

  private static Map<String, Double> expected() {
    Map<Integer, List<Double>> windows = new TreeMap<>();
    Map<String, Double> expected = new TreeMap<>();
    for (int i = 0; i < COUNT; i++) {
      List<Double> window = windows.computeIfAbsent(i % HOSTS, host -> new ArrayList<>());
      window.add(value(i));
      if (window.size() > SIZE) {
        window.remove(0);
      }
      expected.put(
          "h" + i % HOSTS + " " + (1_000L + i) * 1_000_000_000L,
          window.stream().mapToDouble(Double::doubleValue).average().orElseThrow());
    }
    return expected;
  }

  private Collection<String> results() throws Exception {
    List<String> lines = new ArrayList<>();
    try (Stream<Path> files = Files.list(folder.resolve("out"))) {
      for (Path file : files.toList()) {
        String name = file.getFileName().toString();
        assertTrue(name.startsWith("part") && name.endsWith(".lp"), name + " is not complete");
        lines.addAll(Files.readAllLines(file));
      }
    }
    return lines;
  }
}
