package io.github.kapacitorwasm.bench;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Prints figures as tables of Markdown. */
final class Table {

  private Table() {}

  static void printSettings(Settings settings) {
    print(
        "%d series, max parallelism %d, a checkpoint each %s, %d rounds%n",
        settings.series(), settings.maxParallelism(), settings.interval(), settings.rounds());
  }

  /** Prints the medians of each row, and the medians of the ratios within a round. */
  static void print(int parallelism, Map<Work, List<Figures>> rows) {
    print("%nParallelism %d%n%n", parallelism);
    print(
        "| | million points/s, round by round | x Java, heap | x Java, RocksDB | CPU us/point, JVM +"
            + " host | pause ms | checkpoint ms | checkpoint bytes | recovery ms |%n");
    print("|---|---|---|---|---|---|---|---|---|%n");
    for (Map.Entry<Work, List<Figures>> row : rows.entrySet()) {
      List<Figures> figures = row.getValue();
      print(
          "| %s | %s | %.2f | %.2f | %.2f + %.2f | %.0f | %.0f | %.0f | %.0f |%n",
          row.getKey().title(),
          figures.stream()
              .map(round -> String.format(Locale.ROOT, "%.2f", round.pointsPerSecond() / 1e6))
              .collect(Collectors.joining(" ")),
          ratio(figures, rows.get(Work.HEAP)),
          ratio(figures, rows.get(Work.ROCKSDB)),
          median(figures, Figures::jvmMicros),
          median(figures, Figures::hostMicros),
          median(figures, Figures::pauseMillis),
          median(figures, Figures::checkpointMillis),
          median(figures, Figures::checkpointBytes),
          median(figures, Figures::recoveryMillis));
    }
  }

  private static double median(List<Figures> figures, ToDoubleFunction<Figures> value) {
    return Figures.median(figures, value);
  }

  /** The median of the ratios of points per second, round by round. */
  private static double ratio(List<Figures> rounds, List<Figures> others) {
    return Figures.median(
        IntStream.range(0, rounds.size())
            .mapToObj(i -> rounds.get(i).pointsPerSecond() / others.get(i).pointsPerSecond())
            .collect(Collectors.toList()));
  }

  private static void print(String format, Object... values) {
    System.out.printf(Locale.ROOT, format, values);
  }
}
