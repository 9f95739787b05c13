package io.github.kapacitorwasm.bench;

import io.github.kapacitorwasm.client.HostProcess;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Measures the plugin {@code moving_avg} in Flink, beside the same computation in Java with its
 * state on the heap and in RocksDB, and beside passing points on. The arguments are those of {@link
 * Settings#USAGE}.
 *
 * <p>The rows of a round run one after the other. The speed of a machine changes from round to
 * round, so all ratios are those within a round.
 */
public final class Bench {

  private Bench() {}

  /**
   * Measures and prints tables.
   *
   * @param args as in the description of the class
   * @throws Exception if a job fails
   */
  public static void main(String[] args) throws Exception {
    if (args.length < 2) {
      System.err.println("There are too few arguments: " + Settings.USAGE);
      System.exit(2);
    }
    Settings settings;
    try {
      settings = Settings.of(Arrays.asList(args).subList(2, args.length));
    } catch (IllegalArgumentException e) {
      System.err.println(e.getMessage());
      System.exit(2);
      return;
    }
    Path checkpoints = Files.createTempDirectory("kw-bench-");
    try (HostProcess host = HostProcess.start(Path.of(args[0]), Path.of(args[1]));
        LocalFlink flink = new LocalFlink(checkpoints)) {
      Trial trial = new Trial(flink, host, settings);
      Table.printSettings(settings);
      for (int parallelism = 1; parallelism <= 2; parallelism++) {
        Table.print(parallelism, measure(trial, settings.rounds(), parallelism));
      }
    } finally {
      delete(checkpoints);
    }
  }

  private static Map<Work, List<Figures>> measure(Trial trial, int rounds, int parallelism)
      throws Exception {
    Map<Work, List<Figures>> rows = new EnumMap<>(Work.class);
    for (int round = 0; round < rounds; round++) {
      for (Work work : Work.values()) {
        rows.computeIfAbsent(work, key -> new ArrayList<>()).add(trial.run(work, parallelism));
      }
    }
    return rows;
  }

  private static void delete(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }
}
