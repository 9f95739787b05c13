package io.github.kapacitorwasm.job;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.kapacitorwasm.client.HostProcess;
import io.github.kapacitorwasm.client.TestHost;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.flink.api.common.JobID;
import org.apache.kafka.clients.admin.Admin;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Jobs from a real Kafka to a real Kafka. */
@Timeout(240)
class KafkaToKafkaTest {

  /** Points before the host is killed, and behind. */
  private static final int MANY = 5_000;

  private static final int SOME = 500;

  /** The host is killed at most so many times until a failure has met an open transaction. */
  private static final int MAX_ROUNDS = 20;

  @TempDir private Path folder;

  private static String job(KafkaBroker broker, String name, String source, String rest) {
    return """
        name = "%1$s"
        parallelism = 2
        max-parallelism = 8
        checkpoint-interval = "2s"
        [kafka]
        bootstrap-servers = ["%2$s"]
        [source]
        %3$s
        [from]
        group-by = ["host"]
        [[plugin]]
        call = "@moving_avg().field('usage').size(%4$d).as('mean')"
        [sink]
        topic = "%1$s-out"
        %5$s
        """
        .formatted(name, broker.servers(), source, KafkaPoints.SIZE, rest);
  }

  /** Kills the host that the job has started. */
  private static void killHost(Path program) throws Exception {
    ProcessHandle host =
        ProcessHandle.current()
            .descendants()
            .filter(process -> process.info().command().equals(Optional.of(program.toString())))
            .findFirst()
            .orElseThrow();
    assertTrue(host.destroyForcibly());
    var unused = host.onExit().get();
  }

  /** What the host reads in the states of a savepoint: the points that they have seen, together. */
  private long pointsOfStates(Path program, String savepoint) throws Exception {
    Path states = folder.resolve("states");
    Main.main(new String[] {"--export", savepoint, states.toString()});
    // States of two savepoints in one folder can't be told apart.
    assertEquals(
        states
            + ": the folder has states already (files *.state). Name another folder, or delete them.",
        assertThrows(JobException.class, () -> StateExport.export(savepoint, states)).getMessage());
    Path noFolder = Files.writeString(folder.resolve("no-folder"), "x");
    assertEquals(
        noFolder + ": the folder can't be written: it is a file, and no folder.",
        assertThrows(JobException.class, () -> StateExport.export(savepoint, noFolder))
            .getMessage());
    Pattern pattern = Pattern.compile("^ *points seen +([0-9,]+)", Pattern.MULTILINE);
    long points = 0;
    try (Stream<Path> files = Files.list(states)) {
      for (Path file : files.toList()) {
        assertTrue(file.getFileName().toString().matches("moving_avg-[0-9a-f]{32}-[0-7]\\.state"));
        Process show =
            new ProcessBuilder(program.toString(), "state", "show", file.toString())
                .redirectErrorStream(true)
                .start();
        String said = new String(show.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, show.waitFor(), said);
        Matcher seen = pattern.matcher(said);
        assertTrue(seen.find(), said);
        points += Long.parseLong(seen.group(1).replace(",", ""));
      }
    }
    return points;
  }

  /**
   * Sends points, kills the host while their results are not committed, and sends some more, until
   * a failure has taken results back. Returns how many of the results of all points are there more
   * than once.
   */
  private int run(KafkaBroker broker, String name, String delivery, String isolation)
      throws Exception {
    Path program = TestHost.binary().toRealPath();
    Path plugins = Files.createDirectory(folder.resolve("plugins"));
    Files.copy(TestHost.plugins().resolve("moving_avg.wasm"), plugins.resolve("moving_avg.wasm"));
    broker.create(2, name + "-in", name + "-out");
    try (Flink flink = new Flink(folder);
        KafkaPoints all = new KafkaPoints(broker, name + "-out", "read_uncommitted");
        KafkaPoints valid = new KafkaPoints(broker, name + "-out", isolation)) {
      JobID job =
          flink.start(
              job(
                  broker,
                  name,
                  "topics = [\"" + name + "-in\"]",
                  """
                  delivery = "%s"
                  [host]
                  program = "%s"
                  plugins-dir = "%s"
                  """
                      .formatted(delivery, program, plugins)));
      int sent = 0;
      for (int round = 0; round < MAX_ROUNDS && all.records() <= sent; round++) {
        broker.send(name + "-in", sent, sent + MANY);
        sent += MANY;
        all.awaitAll(0, sent);
        killHost(program);
        // What was taken back comes again before these.
        broker.send(name + "-in", sent, sent + SOME);
        sent += SOME;
        valid.awaitAll(0, sent);
        all.readToEnd();
      }
      assertTrue(all.records() > sent, "no failure has taken back any result");
      String savepoint = flink.stop(job);
      assertEquals(sent, pointsOfStates(program, savepoint), "points that the states have seen");
      valid.readToEnd();
      assertEquals(sent, valid.seen().size(), "points with a result");
      assertEquals(0, valid.disordered());
      return (int) (valid.records() - sent);
    }
  }

  @Test
  void exactlyOnceHasEachResultOnceAfterTheEndOfTheHost() throws Exception {
    KafkaBroker broker = KafkaBroker.get();
    assertEquals(0, run(broker, "exactly", "exactly-once", "read_committed"), "twice");
  }

  /** The control: without transactions, the same failure shows. */
  @Test
  void atLeastOnceHasEachResultAndSomeTwice() throws Exception {
    KafkaBroker broker = KafkaBroker.get();
    assertTrue(run(broker, "least", "at-least-once", "read_committed") > 0, "none twice");
  }

  private static Set<Integer> numbers(int from, int to) {
    return new TreeSet<>(IntStream.range(from, to).boxed().toList());
  }

  private static long committed(KafkaBroker broker, String group) {
    try (Admin admin = broker.admin()) {
      return admin
          .listConsumerGroupOffsets(group)
          .partitionsToOffsetAndMetadata()
          .get()
          .values()
          .stream()
          .mapToLong(offset -> offset.offset())
          .sum();
    } catch (InterruptedException | ExecutionException e) {
      throw new AssertionError(e);
    }
  }

  /** Where a job without a savepoint begins; the host runs already, as a sidecar. */
  @Test
  void startSaysWhereAJobBegins() throws Exception {
    KafkaBroker broker = KafkaBroker.get();
    broker.create(1, "start-in", "earliest-out", "committed-out", "other-out", "latest-out");
    broker.send("start-in", 0, 10);
    try (HostProcess host = TestHost.start("moving_avg");
        Flink flink = new Flink(folder)) {
      BiFunction<String, String, JobID> start =
          (name, source) -> start(flink, broker, host, name, source);
      JobID job = start.apply("earliest", "start = \"earliest\"\ngroup-id = \"plant\"");
      try (KafkaPoints results = new KafkaPoints(broker, "earliest-out", "read_uncommitted")) {
        results.awaitAll(0, 10);
        results.await("offset of the group", () -> committed(broker, "plant") == 10);
        flink.cancel(job);
        assertEquals(numbers(0, 10), results.seen());
      }

      broker.send("start-in", 10, 15);
      job = start.apply("committed", "start = \"committed\"\ngroup-id = \"plant\"");
      try (KafkaPoints results = new KafkaPoints(broker, "committed-out", "read_uncommitted", 10)) {
        results.awaitAll(10, 15);
        flink.cancel(job);
        assertEquals(numbers(10, 15), results.seen());
      }

      job = start.apply("other", "");
      try (KafkaPoints results = new KafkaPoints(broker, "other-out", "read_uncommitted")) {
        results.awaitAll(0, 15);
        flink.cancel(job);
      }

      job = start.apply("latest", "start = \"latest\"");
      try (KafkaPoints results =
          new KafkaPoints(broker, "latest-out", "read_uncommitted", KafkaPoints.ANYWHERE)) {
        AtomicInteger next = new AtomicInteger(15);
        results.await(
            "result of a new point",
            () -> {
              int i = next.getAndIncrement();
              broker.send("start-in", i, i + 1);
              return !results.seen().isEmpty();
            });
        flink.cancel(job);
        assertTrue(results.seen().stream().allMatch(i -> i >= 15), results.seen()::toString);
      }
    }
  }

  private static JobID start(
      Flink flink, KafkaBroker broker, HostProcess host, String name, String source) {
    String rest = "delivery = \"at-least-once\"\n[host]\nsocket-dir = \"" + host.socketDir() + "\"";
    try {
      return flink.start(job(broker, name, "topics = [\"start-in\"]\n" + source, rest));
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }
}
