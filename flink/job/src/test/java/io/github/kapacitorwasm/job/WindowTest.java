package io.github.kapacitorwasm.job;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.kapacitorwasm.client.HostProcess;
import io.github.kapacitorwasm.client.TestHost;
import io.github.kapacitorwasm.flink.Point;
import io.github.kapacitorwasm.job.line.Grouping;
import io.github.kapacitorwasm.job.line.LineParser;
import io.github.kapacitorwasm.job.line.Precision;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.functions.util.ListCollector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Jobs with a plugin that takes batches, behind windows of ten minutes. */
@Timeout(240)
class WindowTest {

  private static final String CALL = "@outliers().field('usage').scale(1.5)";

  /** The begin of a window. */
  private static final int BEGIN = 1_700_000_400;

  /** So many that reading them takes longer than the time between two watermarks. */
  private static final int POINTS = 30_000;

  private static final int HOSTS = 5;
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  @TempDir private Path folder;

  private static String job(String place, String sink, Path sockets) {
    return """
        name = "outliers"
        parallelism = 1
        max-parallelism = 4
        checkpoint-interval = "200ms"
        %s
        precision = "s"
        [from]
        measurements = ["cpu"]
        group-by = ["host"]
        [[plugin]]
        call = "%s"
        window = "10m"
        [sink]
        %s
        [host]
        socket-dir = "%s"
        """
        .formatted(place, CALL, sink, sockets);
  }

  /**
   * Points of all hosts in turn, one each second, some of them far from the others, and with a text
   * of two lines.
   */
  private static String line(int i) {
    int value = i % 97 == 0 ? 1_000 + i : i * 7_919 % 100;
    return "cpu,host=h%d n=%di,s=\"two\nlines\",usage=%d %d"
        .formatted(i % HOSTS, i, value, BEGIN + i);
  }

  private List<Path> writeInput() throws Exception {
    Path in = Files.createDirectory(folder.resolve("in"));
    List<Path> files = new ArrayList<>();
    for (int file = 0; file < 3; file++) {
      List<String> lines = new ArrayList<>();
      for (int i = file * POINTS / 3; i < (file + 1) * POINTS / 3; i++) {
        lines.add(line(i));
        if (i % 10 == 0) {
          lines.add("mem,host=h0 usage=1 " + (BEGIN + i));
          lines.add("cpu,host=h0 usage=wrong " + (BEGIN + i));
        }
      }
      files.add(Files.write(in.resolve("part-" + file + ".lp"), lines));
    }
    // Kapacitor sends a window when a later point of its group comes, and Flink when the files end.
    List<String> last = new ArrayList<>();
    for (int host = 0; host < HOSTS; host++) {
      last.add("cpu,host=h" + host + " n=0i,usage=1 " + (BEGIN + POINTS + 3_600));
    }
    files.add(Files.write(in.resolve("part-3.lp"), last));
    return files;
  }

  /** The same lines in one file for each host, so that times do not rise over all files. */
  private void writeInputBySeries() throws Exception {
    Path series = Files.createDirectory(folder.resolve("series"));
    for (int host = 0; host < HOSTS; host++) {
      List<String> lines = new ArrayList<>();
      for (int i = host; i < POINTS; i += HOSTS) {
        lines.add(line(i));
      }
      Files.write(series.resolve("h" + host + ".lp"), lines);
    }
  }

  @Test
  void filesMayHaveOneSeriesAfterTheOther() throws Exception {
    Map<Long, Point> expected = replay(writeInput());
    writeInputBySeries();
    try (HostProcess host = TestHost.start("outliers");
        Flink flink = new Flink(folder)) {
      Map<String, Object> totals =
          flink.finish(
              flink.start(job("[source]\npath = \"series\"", "path = \"out\"", host.socketDir())));
      assertEquals(0L, totals.get("kapacitor_wasm.pointsLate"));
      try (Stream<Path> files = Files.list(folder.resolve("out"))) {
        assertEquals(expected, byTime(points(files.toList())));
      }
    }
  }

  /** What the host alone finds. */
  private Map<Long, Point> replay(List<Path> input) throws Exception {
    return byTime(replay(input, "10m", "10m"));
  }

  private List<Point> replay(List<Path> input, String window, String every) throws Exception {
    Path output = folder.resolve("replay.lp");
    List<String> command =
        new ArrayList<>(
            List.of(
                TestHost.binary().toString(),
                "replay",
                TestHost.plugins().resolve("outliers.wasm").toString(),
                "--call=" + CALL,
                "--measurement=cpu",
                "--group-by=host",
                "--window=" + window,
                "--every=" + every,
                "--align",
                "--precision=s",
                "--output=" + output));
    input.forEach(file -> command.add("--input=" + file));
    Process replay = new ProcessBuilder(command).redirectErrorStream(true).start();
    String said = new String(replay.getInputStream().readAllBytes(), UTF_8);
    assertEquals(0, replay.waitFor(), said);
    return points(List.of(output));
  }

  private static List<Point> points(List<Path> files) throws Exception {
    LineParser parser = new LineParser(Precision.NS, new Grouping(List.of("host"), false));
    List<Point> points = new ArrayList<>();
    for (Path file : files) {
      new PointReader(
              parser,
              new BadLines("test", true),
              new Measurements("test", Set.of()),
              new Horizon(Optional.empty()))
          .read(
              Files.readAllBytes(file),
              OptionalLong.empty(),
              breaks -> file + ":" + breaks,
              new ListCollector<>(points));
    }
    return points;
  }

  private static Map<Long, Point> byTime(List<Point> points) {
    Map<Long, Point> byTime = new TreeMap<>();
    points.forEach(point -> byTime.put(point.timeNanos(), point));
    assertEquals(byTime.size(), points.size(), "some results are there twice");
    return byTime;
  }

  @Test
  void filesHaveTheOutliersThatTheHostAloneFinds() throws Exception {
    List<Path> input = writeInput();
    Map<Long, Point> expected = replay(input);
    assertTrue(expected.size() > 50, "outliers: " + expected.size());
    try (HostProcess host = TestHost.start("outliers");
        Flink flink = new Flink(folder)) {
      long unused = LastCounts.take("pointsLate");
      Map<String, Object> totals =
          flink.finish(
              flink.start(job("[source]\npath = \"in\"", "path = \"out\"", host.socketDir())));
      // They stay when the job and its metrics have ended.
      assertEquals(
          Map.of(
              "kapacitor_wasm.linesSkipped", POINTS / 10L,
              "kapacitor_wasm.pointsOfOtherMeasurements", POINTS / 10L,
              "kapacitor_wasm.pointsLate", 0L,
              "kapacitor_wasm.pointsNotWritten", 0L,
              "kapacitor_wasm.pointsSkipped", 0L,
              "kapacitor_wasm.pointsSkippedByPlugin", 0L,
              "kapacitor_wasm.pointsDropped", 0L),
          totals);
      try (Stream<Path> files = Files.list(folder.resolve("out"))) {
        assertEquals(expected, byTime(points(files.toList())));
      }
      assertEquals(0, LastCounts.take("pointsLate"));
    }
  }

  /** The job from the topic NAME-in to the topic NAME-out, with another line for its source. */
  private static String topics(KafkaBroker broker, String name, String more, HostProcess host) {
    return job(
        "[kafka]\nbootstrap-servers = [\"%s\"]\n[source]\ntopics = [\"%s-in\"]\n%s"
            .formatted(broker.servers(), name, more),
        "topic = \"" + name + "-out\"",
        host.socketDir());
  }

  private static List<String> lines(int from, int to) {
    List<String> lines = new ArrayList<>();
    for (int i = from; i < to; i += HOSTS) {
      lines.add("cpu,host=h0 usage=" + i % 7 + " " + (BEGIN + i));
    }
    return lines;
  }

  private static String outlier(int second) {
    return "cpu,host=h0 usage=5000,u=5u " + (BEGIN + second);
  }

  private static String result(int second) {
    return "cpu,host=h0 u=5u,usage=5000.0 " + (BEGIN + second) + "000000000";
  }

  /** Reads until there are so many results. */
  private static void await(KafkaConsumer<String, String> consumer, List<String> found, int count) {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (found.size() < count) {
      assertTrue(System.nanoTime() < deadline, found::toString);
      for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
        found.add(record.value().stripTrailing());
      }
    }
  }

  @Test
  void aPointBehindItsWindowIsLeftOutAndCounted() throws Exception {
    KafkaBroker broker = KafkaBroker.get();
    broker.create(1, "late-in", "late-out");
    try (HostProcess host = TestHost.start("outliers");
        Flink flink = new Flink(folder);
        LogLines log = new LogLines();
        KafkaConsumer<String, String> results = broker.consumer("late-out", "read_committed")) {
      long unused = LastCounts.take("pointsLate");
      JobID job = flink.start(topics(broker, "late", "", host));
      List<String> found = new ArrayList<>();
      broker.send("late-in", lines(0, 590));
      broker.send("late-in", List.of(outlier(300), "cpu usage=wrong 1"));
      broker.send("late-in", lines(590, 700));
      await(results, found, 1);
      // Without a bound, this time would end the windows of all later points.
      broker.send("late-in", List.of("cpu,host=h1 usage=1 9223372036"));
      // The window of this one has been sent.
      broker.send("late-in", List.of(outlier(301)));
      broker.send("late-in", List.of(outlier(650)));
      broker.send("late-in", lines(700, 1_300));
      await(results, found, 2);
      flink.cancel(job);
      assertEquals(List.of(result(300), result(650)), found);
      assertEquals(1, LastCounts.take("pointsLate"));
      assertEquals(
          1,
          log.countStarts(
              "job outliers: a point of `cpu` of the group `host=h0` at 2023-11-14T22:25:01Z came"
                  + " after the end of its window for outliers: windows have ended up to 2023-11-14T22:"));
      log.await(
          "job outliers: points came after the end of their windows (outliers) and were lost: 1 in all");
      log.await(
          "job outliers: lines that can't be read were skipped: 2 in all by this task manager");
    }
  }

  @Test
  void aPointBehindSomeOfItsWindowsIsInTheOthersAndCounted() throws Exception {
    KafkaBroker broker = KafkaBroker.get();
    broker.create(1, "partly-in", "partly-out");
    try (HostProcess host = TestHost.start("outliers");
        Flink flink = new Flink(folder);
        LogLines log = new LogLines();
        KafkaConsumer<String, String> results = broker.consumer("partly-out", "read_committed")) {
      long unused = LastCounts.take("pointsPartlyLate");
      String toml = topics(broker, "partly", "", host);
      JobID job = flink.start(toml.replace("window = \"10m\"", "window = \"10m\"\nevery = \"5m\""));
      List<String> found = new ArrayList<>();
      broker.send("partly-in", lines(0, 590));
      broker.send("partly-in", List.of(outlier(350)));
      broker.send("partly-in", lines(590, 700));
      await(results, found, 1);
      // One of its two windows has been sent.
      broker.send("partly-in", List.of(outlier(450)));
      // This one is in time for both of its windows.
      broker.send("partly-in", List.of(outlier(750)));
      broker.send("partly-in", lines(700, 1_300));
      await(results, found, 5);
      flink.cancel(job);
      assertEquals(List.of(result(350), result(350), result(450), result(750), result(750)), found);
      assertEquals(1, LastCounts.take("pointsPartlyLate"));
      assertEquals(
          1,
          log.countStarts(
              "job outliers: a point of `cpu` of the group `host=h0` at 2023-11-14T22:27:30Z came"
                  + " after the end of some of its windows for outliers, and is not in these: windows"
                  + " have ended up to 2023-11-14T22:"));
    }
  }

  /** Kapacitor counts multiples from the year 1, and it is the ends of windows that are such. */
  @ParameterizedTest
  @CsvSource({"7m, 7m", "10m, 4m", "9m, 7m"})
  void windowsEndWhereThoseOfKapacitorDo(String window, String every) throws Exception {
    List<Point> expected = replay(writeInput(), window, every);
    assertTrue(expected.size() > 30, "outliers: " + expected.size());
    try (HostProcess host = TestHost.start("outliers");
        Flink flink = new Flink(folder)) {
      String toml = job("[source]\npath = \"in\"", "path = \"out\"", host.socketDir());
      String windows = "window = \"" + window + "\"\nevery = \"" + every + "\"";
      var unused = flink.finish(flink.start(toml.replace("window = \"10m\"", windows)));
      try (Stream<Path> files = Files.list(folder.resolve("out"))) {
        List<Point> found = new ArrayList<>(points(files.toList()));
        for (Point point : expected) {
          assertTrue(found.remove(point), "missing: " + point);
        }
        // Where the input ends, Kapacitor sends one more window at most.
        long end = (BEGIN + POINTS - 600) * 1_000_000_000L;
        assertTrue(found.stream().allMatch(point -> point.timeNanos() > end), found::toString);
      }
    }
  }

  @Test
  void aLatePointIsLateAfterARestartToo() throws Exception {
    KafkaBroker broker = KafkaBroker.get();
    broker.create(2, "again-in", "again-out");
    try (HostProcess host = TestHost.start("outliers");
        Flink flink = new Flink(folder);
        KafkaConsumer<String, String> results = broker.consumer("again-out", "read_committed")) {
      String toml = topics(broker, "again", "idleness = \"2s\"", host);
      List<String> found = new ArrayList<>();
      JobID job = flink.start(toml);
      broker.send("again-in", lines(0, 590));
      broker.send("again-in", List.of(outlier(300)));
      broker.send("again-in", lines(590, 700));
      await(results, found, 1);
      String savepoint = flink.stop(job);
      long unused = LastCounts.take("pointsLate");
      job = flink.start(toml, savepoint);
      // The window of these has been sent; alone, they would be one more.
      List<String> late = new ArrayList<>(lines(0, 140));
      late.add(outlier(150));
      broker.send("again-in", late);
      broker.send("again-in", List.of(outlier(650)));
      broker.send("again-in", lines(700, 1_300));
      await(results, found, 2);
      flink.cancel(job);
      assertEquals(List.of(result(300), result(650)), found);
      assertEquals(late.size(), LastCounts.take("pointsLate"));
    }
  }
}
