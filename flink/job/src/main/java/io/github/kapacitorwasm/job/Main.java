package io.github.kapacitorwasm.job;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/**
 * The program of the job jar: {@code flink run kapacitor-wasm-flink.jar job.toml}, or {@code java
 * -jar kapacitor-wasm-flink.jar --check job.toml} without Flink.
 */
public final class Main {

  private static final String USAGE =
      """
      Usage: flink run kapacitor-wasm-flink.jar [--unchecked] FILE
             flink run kapacitor-wasm-flink.jar --export SAVEPOINT FOLDER
             java -jar kapacitor-wasm-flink.jar --check FILE

        FILE         the job, such as job.toml
        --check      say what the job would do, or what is wrong with the file
        --unchecked  submit without asking Kafka whether the job can run
        --export     write the states of the plugins in a savepoint into a folder, a file for each
                     key group, for `kapacitor-wasm state`
        --help       print this
      """;

  private static final String CHECK = "--check";
  private static final String UNCHECKED = "--unchecked";
  private static final String EXPORT = "--export";

  private Main() {}

  /**
   * Submits a job, checks its file, or writes the states of a savepoint into files.
   *
   * @param args an option, and its arguments
   * @throws Exception if that can't be done
   */
  public static void main(String[] args) throws Exception {
    try {
      run(args);
    } catch (JobException e) {
      fail(e);
    } catch (NoClassDefFoundError e) {
      fail(
          new JobException(
              "Flink is not there (no class "
                  + e.getMessage()
                  + "): start the job with `flink run`, or give --check."));
    }
  }

  private static void run(String[] args) throws Exception {
    String option = args.length > 0 && args[0].startsWith("-") ? args[0] : "";
    List<String> rest = Arrays.asList(args).subList(option.isEmpty() ? 0 : 1, args.length);
    switch (option) {
      case CHECK -> System.out.print(Description.of(read(option, rest)));
      case UNCHECKED -> Submission.submit(read(option, rest));
      case "" -> {
        JobConfig config = read("the program", rest);
        KafkaCheck.check(config);
        Submission.submit(config);
      }
      case EXPORT -> {
        expect(option, rest, 2, "a savepoint and a folder");
        Path folder = Path.of(rest.get(1));
        int files = StateExport.export(rest.get(0), folder);
        System.out.println(files + " states of key groups are in " + folder);
      }
      case "--help", "-h" -> System.out.print(USAGE);
      default -> throw new JobException("There is no option `" + option + "`; --help lists them.");
    }
  }

  private static JobConfig read(String who, List<String> rest) throws JobException {
    expect(who, rest, 1, "the file of a job");
    return ConfigReader.read(Path.of(rest.get(0)));
  }

  private static void expect(String who, List<String> rest, int count, String what)
      throws JobException {
    if (rest.size() != count) {
      throw new JobException(
          who + " needs " + what + ", and gets " + rest.size() + " arguments; --help shows how.");
    }
  }

  private static void fail(JobException mistake) {
    RuntimeException forFlink;
    try {
      forFlink = Submission.mistake(mistake);
    } catch (NoClassDefFoundError e) {
      System.err.println(mistake.getMessage());
      System.exit(1);
      return;
    }
    throw forFlink;
  }
}
